"""Checks of the settings against the project's folder and this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.cluster.session import check_cpus, num_local_cpus
from headrace.config import Section
from headrace.data.datasets import BUILT_INS
from headrace.errors import ClusterError
from headrace.models.own_class import find_class_problem
from headrace.paths import OUTS, Paths
from headrace.settings import ingest, tune
from headrace.training.settings import TrainSettings

OWN_FOLDERS = (*(out for outs in OUTS.values() for out in outs), "metrics", ".headrace", "mlartifacts")
"""Written by the pipeline, relative to the project."""
LOCAL_SCHEMES = ("file://", "local://")


def find_source_mistakes(sections: Mapping[str, Section], paths: Paths) -> list[str]:
    """Returns a clause if the source would include what the pipeline itself writes."""
    config = sections.get("ingest")
    if not isinstance(config, ingest.Config) or config.source in BUILT_INS:
        return []
    where = f"ingest.source: got {config.source!r}"
    if not config.source.strip():
        return [f"{where}; must be a built-in dataset, a path or a URL"]
    inside = config.source
    for scheme in LOCAL_SCHEMES:
        inside = inside.removeprefix(scheme)
    if "://" in inside:
        return []
    try:
        source, root = _resolve(inside, paths.root), paths.root.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte: ingest reports what cannot be read
        return []
    for name in OWN_FOLDERS:
        own = root / name
        if own.is_relative_to(source) or source.is_relative_to(own):
            return [f"{where}, which contains what the pipeline writes ({name}); put the data in a folder of their own"]
    return []


def _resolve(source: str, root: Path) -> Path:
    """Resolves a path; of a glob that descends into any folder (`**`), the folder before it."""
    parts = (root / os.path.expanduser(source)).parts  # noqa: PTH111 - Path.expanduser raises for an unknown ~name
    return Path(*parts[: parts.index("**")] if "**" in parts else parts).resolve()


def find_class_mistakes(sections: Mapping[str, Section]) -> list[str]:
    """Returns a clause for each model class outside the package that cannot be found; it is not imported."""
    mistakes = []
    for key, name in _list_model_names(sections):
        problem = find_class_problem(name) if ":" in name else ""
        if problem:
            mistakes.append(f"{key}: {problem}")
    return mistakes


def _list_model_names(sections: Mapping[str, Section]) -> Iterator[tuple[str, str]]:
    train, search = sections.get("train"), sections.get("tune")
    if isinstance(train, TrainSettings):
        yield "train.model.name", str(train.model["name"])
    if isinstance(search, tune.Config):
        yield from search.list_model_names()


def find_worker_mistakes(sections: Mapping[str, Section]) -> list[str]:
    """Returns a clause if this machine has too few CPUs for the workers of the training."""
    train = sections.get("train")
    if not isinstance(train, TrainSettings) or not isinstance(train.num_workers, int):
        return []
    num_threads = train.num_threads if isinstance(train.num_threads, int) else 1
    try:
        check_cpus(train.num_workers * num_threads, num_local_cpus(), "train.num_workers", "this machine")
    except ClusterError as error:
        return [str(error).removeprefix("params.yaml: ")]
    return []
