"""Repeats the training of a registered model from its commit, and compares the result."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.cluster.jobs.pipeline_run import run_module
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.reproduction.agreement import compare_data, compare_metrics, compare_weights, read_lineage
from headrace.reproduction.checkout import check_commit, check_out, fix_settings
from headrace.reproduction.origin import Origin, read_origin
from headrace.storage.bundle import WEIGHTS
from headrace.tracking.outbox import open_outbox
from headrace.tracking.served.result_files import ResultFiles

LAST_STAGE = "test"
"""The stages up to this one run again: what comes later measures nothing of the model."""
OWN_REGISTRY = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "HEADRACE_GIT_COMMIT", "HEADRACE_GIT_DIRTY")
"""Variables that would send the run to the project's registry, or give it another commit."""
SENDER_TIMEOUT_S = 60.0
POLL_S = 0.1


def reproduce_model(paths: Paths, reference: str, *, is_forced: bool) -> tuple[bool, list[str]]:
    """Repeats a training in a temporary folder; returns whether weights and metrics are equal, and lines about it.

    Raises DataError if the commit or the data are not there, if the model was trained with uncommitted changes (unless
    `is_forced`), or if the training fails.
    """
    with TemporaryDirectory(prefix="headrace-") as scratch:
        files_dir = Path(scratch) / "files"
        files_dir.mkdir()
        origin = read_origin(paths, reference, files_dir)
        commit = check_commit(paths, origin.stored.title, origin.lineage, is_forced=is_forced)
        project = check_out(paths, origin.stored.title, commit, Path(scratch) / "project")
        fix_settings(project, origin.train_settings)
        with _own_registry(project):
            code = run_module(project.root, "dvc", "repro", "--force", "--no-run-cache", "--no-commit", LAST_STAGE)
        _wait_for_sender(project)
        if not (project.trained_dir / WEIGHTS).is_file():
            raise DataError(
                f"{origin.stored.title}: cannot be trained again: a stage before the end of train failed (exit code"
                f" {code}), as its line above says"
            )
        lines = [f"{origin.stored.title}: trained again from commit {commit}"]
        return _compare(origin, project, ResultFiles(paths, files_dir), lines)


def _compare(origin: Origin, project: Paths, files: ResultFiles, lines: list[str]) -> tuple[bool, list[str]]:
    is_float = (origin.record.get("metrics") or {}).get("quantize", {}).get("passed") == 0
    graph_path = files.find(origin.stored.version_uri, "artifacts/model.onnx") if is_float else None
    same_weights, weights = compare_weights(project, origin.record.get("weights", ""), graph_path)
    same_metrics, metrics = compare_metrics(origin.record.get("metrics") or {}, project)
    lines += [*compare_data(origin.lineage, read_lineage(project)), weights, metrics]
    return same_weights and same_metrics, lines


@contextmanager
def _own_registry(project: Paths) -> Iterator[None]:
    """Keeps the repeated run out of the project's registry, and makes a clone of headrace run its own code."""
    before = dict(os.environ)
    for name in OWN_REGISTRY:
        os.environ.pop(name, None)
    package_dir = project.root / "pipeline"
    if (package_dir / "headrace").is_dir():
        os.environ["PYTHONPATH"] = os.pathsep.join([str(package_dir), before.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _wait_for_sender(project: Paths) -> None:
    """Waits until no process writes below the folder any more."""
    outbox, deadline = open_outbox(project), time.monotonic() + SENDER_TIMEOUT_S
    while outbox.is_sender_running() and time.monotonic() < deadline:
        time.sleep(POLL_S)
