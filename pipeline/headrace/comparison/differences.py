"""What differs between two models before any answer: settings, data, code, environment."""

from __future__ import annotations

from typing import Any, NamedTuple

from headrace.comparison.recorded_model import RecordedModel
from headrace.contracts import Json
from headrace.paths import OUTS

ABSENT, UNKNOWN = "(default)", "unknown"
HASH_CHARACTERS = 12
IGNORED_SETTINGS = ("register.",)
"""Beginnings of settings that no number depends on."""


class Difference(NamedTuple):
    """One thing in which the models differ."""

    name: str
    first: str
    second: str


class Differences(NamedTuple):
    """By topic; None where one of the models has nothing stored."""

    settings: list[Difference] | None
    data: list[Difference] | None
    code: list[Difference] | None
    environment: list[Difference] | None


def find_differences(first: RecordedModel, second: RecordedModel) -> Differences:
    """Compares what is stored of both."""
    pairs = (first.lineage, second.lineage)
    has_lineage = all(pairs)
    settings = None
    if first.settings and second.settings:
        settings = _compare(*(_flatten_settings(each.settings) for each in (first, second)), absent=ABSENT)
    return Differences(
        settings,
        _compare(*(_describe_data(each) for each in (first, second))) if has_lineage else None,
        _compare(*_describe_code(first, second)) if has_lineage or (first.code and second.code) else None,
        _compare(*(_describe_environment(lineage) for lineage in pairs)) if has_lineage else None,
    )


def _compare(first: dict[str, str], second: dict[str, str], *, absent: str = UNKNOWN) -> list[Difference]:
    names = [*first, *(name for name in second if name not in first)]
    pairs = ((name, first.get(name, absent), second.get(name, absent)) for name in names)
    return [Difference(name, before, after) for name, before, after in pairs if before != after]


def _flatten_settings(settings: Json) -> dict[str, str]:
    flat = {name: _format(value) for name, value in _flatten(settings).items()}
    return {name: value for name, value in flat.items() if not name.startswith(IGNORED_SETTINGS)}


def _flatten(values: Json, prefix: str = "") -> Json:
    """Dotted names; a list stays whole."""
    flat: Json = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _format(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _describe_data(model: RecordedModel) -> dict[str, str]:
    hashes = {f"hash of data/{name}": _shorten(value) for name, value in (model.lineage.get("data") or {}).items()}
    counts = {
        "rows ingested": model.metrics.get("ingest", {}).get("rows"),
        "rows accepted": model.metrics.get("clean", {}).get("rows_out"),
        **{f"{name} rows": model.metrics.get("split", {}).get(name) for name in ("train", "val", "test")},
    }
    return hashes | {name: f"{count:,}" for name, count in counts.items() if count is not None}


def _describe_code(first: RecordedModel, second: RecordedModel) -> tuple[dict[str, str], dict[str, str]]:
    """Fingerprints of the stages that both have, modules of the user's own, and the commit."""
    described = []
    for model in (first, second):
        stages = [stage for stage in OUTS if stage in first.code and stage in second.code]
        code = {f"code of {stage}": _shorten(model.code[stage]) for stage in stages}
        modules = {f"module {name}": _shorten(digest) for name, digest in model.lineage.get("model_code", {}).items()}
        commit = model.lineage.get("git_commit") or ""
        is_dirty = " with uncommitted changes" if commit and model.lineage.get("git_dirty") else ""
        described.append(code | modules | {"commit": f"{_shorten(commit) or UNKNOWN}{is_dirty}"})
    return described[0], described[1]


def _describe_environment(lineage: Json) -> dict[str, str]:
    own = {name: str(lineage[name]) for name in ("python", "platform") if lineage.get(name)}
    return own | {name: str(number) for name, number in (lineage.get("packages") or {}).items()}


def _shorten(digest: str) -> str:
    return digest.partition(".")[0][:HASH_CHARACTERS]
