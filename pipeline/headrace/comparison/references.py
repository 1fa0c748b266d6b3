"""What the arguments of `headrace compare` name: registered versions and runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.errors import ConfigError
from headrace.tracking.served.result_index import ResultIndex, StoredResult

MODEL_URI = re.compile(r"models:/(?P<name>[^/@:]+)(/(?P<number>\d+)|@(?P<alias>[\w.\-]+))")
FORMS = "a version (3), an alias (@champion), models:/NAME/3, models:/NAME@champion, or the id or name of a run"
CHAMPION = "champion"
MIN_MODELS, MAX_MODELS = 2, 26
"""Each model has a letter."""


def find_models(index: ResultIndex, references: Sequence[str], last: int | None, name: str) -> list[StoredResult]:
    """Returns the models to compare, the one that the others are compared with first; raises ConfigError.

    One reference is compared with the champion of `name`; none means the newest version. `last`: the newest versions,
    or runs if `name` has no versions, the oldest of them first.
    """
    if last is not None:
        return _find_last(index, references, last, name)
    if len(references) > MAX_MODELS:
        raise ConfigError(f"compare: got {len(references)} models; compare at most {MAX_MODELS} at once")
    if len(references) >= MIN_MODELS:
        models = [find_model(index, reference, name) for reference in references]
    else:
        models = _find_with_champion(index, references, name)
    _check_distinct(models)
    return models


def find_model(index: ResultIndex, reference: str, name: str) -> StoredResult:
    """Returns the version or run that a reference names; raises ConfigError if there is none, or several."""
    match = MODEL_URI.fullmatch(reference)
    if match:
        return _find_version(index, reference, match["name"], match["number"] or match["alias"])
    if reference.isdigit() or re.fullmatch(r"@[\w.\-]+", reference):
        return _find_version(index, reference, name, reference.removeprefix("@"))
    runs = [] if reference.startswith("models:") else index.find_runs(reference)
    if len(runs) == 1:
        return runs[0]
    if runs:
        ids = ", ".join(run.run_id for run in runs)
        raise ConfigError(f"{reference}: {len(runs)} runs have this name; give the id of one: {ids}")
    raise ConfigError(f"{reference}: no such finished run; give {FORMS}; headrace ui lists them")


def _find_version(index: ResultIndex, reference: str, name: str, which: str) -> StoredResult:
    version = index.find_version(name, which)
    if version is None:
        newest = ", ".join(str(each.number) for each in index.list_versions(name, MAX_MODELS))
        known = f"it has {newest}" if newest else "no model of this name is registered; run: dvc repro"
        what = f"version {which}" if which.isdigit() else f"alias {which}"
        raise ConfigError(f"{reference}: the registry has no {what} of {name}; {known}")
    return version


def _find_last(index: ResultIndex, references: Sequence[str], last: int, name: str) -> list[StoredResult]:
    if references:
        raise ConfigError(f"--last {last}: got models as well ({', '.join(references)}); give one or the other")
    if not MIN_MODELS <= last <= MAX_MODELS:
        raise ConfigError(f"--last: got {last}; must be {MIN_MODELS} to {MAX_MODELS}")
    newest = index.list_versions(name, last) or index.list_runs(last)
    if len(newest) < MIN_MODELS:
        kind = "versions or finished runs" if not newest else "version" if newest[0].number else "finished run"
        raise ConfigError(f"--last {last}: {name} has {len(newest)} {kind}; a comparison needs {MIN_MODELS}")
    return newest[::-1]


def _find_with_champion(index: ResultIndex, references: Sequence[str], name: str) -> list[StoredResult]:
    newest = index.list_versions(name, MIN_MODELS)
    if not references and not newest:
        raise ConfigError(f"compare: {name} has no registered version; give {FORMS}, or run: dvc repro")
    second = find_model(index, references[0], name) if references else newest[0]
    champion = index.find_version(name, CHAMPION)
    if champion is not None and not _are_same(champion, second):
        return [champion, second]
    others = [version for version in newest if not _are_same(version, second)]
    if references or not others:
        reason = "is the champion itself" if champion else f"is alone, as {name} has no champion"
        raise ConfigError(f"compare: {second.title} {reason}; give two models, or --last N")
    return [others[0], second]


def _check_distinct(models: Sequence[StoredResult]) -> None:
    for at, model in enumerate(models):
        if any(_are_same(model, other) for other in models[:at]):
            raise ConfigError(f"compare: {model.title} is given twice; give different models")


def _are_same(first: StoredResult, second: StoredResult) -> bool:
    if bool(first.number) != bool(second.number):
        return False
    keys = ((each.name, each.number) if each.number else (each.run_id,) for each in (first, second))
    return next(keys) == next(keys)
