"""Loads `params.yaml` and checks, before any stage runs, whatever can be known without reading the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.cluster.session import is_attached
from headrace.config import Section, read_params, validate_sections
from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.settings import (
    clean,
    explain,
    ingest,
    normalize,
    quantize,
    register,
    split,
    test,
    train,
    tune,
    validate,
)
from headrace.settings.data_kind import (
    find_column_mistakes,
    find_data_kind,
    find_scope_mistakes,
    read_ingested_spec,
)
from headrace.settings.project import find_class_mistakes, find_source_mistakes, find_worker_mistakes

SECTIONS: dict[str, type[Section]] = {
    "ingest": ingest.Config,
    "clean": clean.Config,
    "split": split.Config,
    "normalize": normalize.Config,
    "tune": tune.Config,
    "train": train.Config,
    "validate": validate.Config,
    "quantize": quantize.Config,
    "test": test.Config,
    "explain": explain.Config,
    "register": register.Config,
}


def load_settings(paths: Paths, stage: str = "", *, params: Mapping[str, Any] | None = None) -> dict[str, Section]:
    """Returns all sections of the project; raises ConfigError that lists every mistake by its full key.

    `stage` is about to run in this process. Without it, the pipeline may run on another machine, and what the project
    has computed so far may be older than the settings. A contract is checked before the stages that use it. `params`
    takes the place of what is in the file.
    """
    params = read_params(paths.params_path) if params is None else params
    sections, mistakes = validate_sections(params, SECTIONS)
    mistakes += _find_missing_sections(params, paths)
    mistakes += find_source_mistakes(sections, paths)
    mistakes += find_class_mistakes(sections)
    mistakes += tune.find_search_mistakes(sections)
    if stage and not is_attached():  # otherwise the cluster has the CPUs
        mistakes += find_worker_mistakes(sections)
    kind = find_data_kind(sections, paths, has_ingested=stage not in ("", "ingest"))
    if kind:
        mistakes += find_scope_mistakes(sections, kind)
    spec = read_ingested_spec(paths) if stage not in ("", "ingest") else None
    if spec:
        mistakes += find_column_mistakes(sections, spec)
    _raise(mistakes)
    if stage in ("", "ingest", "clean") and paths.contract_path.is_file():
        from headrace.data.cleaning.contract.settings import read_contract  # imports Arrow

        read_contract(paths.contract_path)
    return sections


def check_data_kind(sections: Mapping[str, Section], spec: Spec) -> None:
    """Raises ConfigError that lists all settings for another modality, task or other columns than those of the data."""
    _raise([*find_scope_mistakes(sections, (spec.modality, spec.task)), *find_column_mistakes(sections, spec)])


def _raise(mistakes: Iterable[str]) -> None:
    if mistakes:
        raise ConfigError("params.yaml: " + "; and ".join(dict.fromkeys(mistakes)))


def _find_missing_sections(params: Mapping[str, Any], paths: Paths) -> list[str]:
    """Returns a clause for each section that `dvc.yaml` names and `params.yaml` lacks: DVC would stop at that stage."""
    dvc_path = paths.root / "dvc.yaml"
    if params.keys() >= SECTIONS.keys() or not dvc_path.is_file():
        return []
    stages = read_params(dvc_path).get("stages") or {}
    named = {
        str(name).partition(".")[0]
        for stage in stages.values()
        if isinstance(stage, dict)
        for name in stage.get("params") or []
    }
    missing = [name for name in SECTIONS if name in named and name not in params]
    return [f"{name}: missing; add '{name}:', which may be empty, because dvc.yaml names it" for name in missing]
