"""The process that fits baselines and caches their predictions: `headrace fit-baselines`, started by stages.

A process of its own, because a fit cannot be stopped from within: the kernel ends it at its time limit.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headrace.contracts import ModalityName, Spec
from headrace.evaluation.baselines.cache import SPLITS, FittedBaseline, write_fitted, write_skipped
from headrace.evaluation.baselines.estimators import BASELINES, Outputs, Predict, TrainRows
from headrace.evaluation.baselines.features import read_inputs
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays

logger = logging.getLogger(__name__)
MAX_VALUES: dict[ModalityName, int] = {"image": 2**26, "table": 2**24, "text": 2**22}
"""Small pixels, cells, or tokens (with padding) of the train rows: with them, a fit stays below about 1 GB."""
ROWS_PER_PASS = 4096


def main(arguments: Sequence[str]) -> None:
    """Runs the command: root of the project, folder for the predictions, seconds per baseline, rows, short names.

    Ends as soon as the process that started it does, which holds the other end of stdin.
    """
    root, folder, seconds, max_rows, *names = arguments
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    fit_baselines(Paths(Path(root)), Path(folder), seconds=float(seconds), max_rows=int(max_rows), names=names)


def fit_baselines(paths: Paths, folder: Path, *, seconds: float, max_rows: int, names: Sequence[str]) -> None:
    """Fits the baselines in their order, each within the limit: the process gets SIGALRM, and ends, if one exceeds it.

    One that raises an error is recorded as skipped.
    """
    for name in names:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            write_fitted(folder, name, _fit(name, paths, max_rows))
        except Exception as error:
            logger.exception(name)
            write_skipped(folder, name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", seconds)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def draw_train_rows(paths: Paths, max_rows: int) -> TrainRows:
    """Reads at most `max_rows` train rows, drawn at random with a constant seed; fewer if they have many values."""
    spec, arrays = Spec.read(paths.normalized_dir), open_arrays(paths.normalized_dir / "train")
    transform = json.loads((paths.normalized_dir / "transform.json").read_bytes())
    values_per_row = read_inputs(arrays.inputs, np.arange(1), spec).size
    if spec.modality == "text":
        values_per_row = arrays.inputs.shape[1]
    num_rows = min(len(arrays), max_rows, max(1, MAX_VALUES[spec.modality] // values_per_row))
    rows = np.sort(np.random.default_rng(0).permutation(len(arrays))[:num_rows])
    return TrainRows(read_inputs(arrays.inputs, rows, spec), np.asarray(arrays.targets[rows]), spec, transform)


def _fit(name: str, paths: Paths, max_rows: int) -> FittedBaseline:
    started = time.perf_counter()
    rows = draw_train_rows(paths, max_rows)
    predict = BASELINES[name].fit(rows)
    fit_seconds = time.perf_counter() - started
    outputs = {split: _predict(predict, paths.normalized_dir / split, rows.spec) for split in SPLITS}
    return FittedBaseline(outputs, round(fit_seconds, 3), len(rows.targets))


def _predict(predict: Predict, split_dir: Path, spec: Spec) -> Outputs:
    """Predicts all rows of a split; raises ValueError for NaN or infinity."""
    inputs, parts = open_arrays(split_dir).inputs, []
    for start in range(0, len(inputs), ROWS_PER_PASS):
        rows = np.arange(start, min(start + ROWS_PER_PASS, len(inputs)))
        parts.append(predict(read_inputs(inputs, rows, spec)))
        if not np.isfinite(parts[-1]).all():
            raise ValueError("it predicts NaN or infinity")
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _exit_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
