"""Quantize: models/trained + train sample + val -> models/quantized. Chooses an int8 graph that is good enough."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.predictions import open_split
from headrace.paths import Paths
from headrace.quantization.benchmark import measure_graphs
from headrace.quantization.candidates import make_candidates
from headrace.quantization.selection import SelectionLimits, select_candidate
from headrace.settings.quantize import Config
from headrace.storage.arrays import Inputs, open_arrays
from headrace.storage.atomic import atomic_dir, write_json
from headrace.storage.bundle import GRAPH, read_bundle

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Makes candidates, measures them against fp32, and writes the best that passes; it is no error if none does.

    The `int8_` metrics are those of the chosen candidate, or, if `passed` is 0, of the best that failed.
    """
    bundle = read_bundle(paths.trained_dir)
    evaluator, fp32_path = find_evaluator(bundle.spec), bundle.folder / GRAPH
    rows = _draw_calibration_rows(open_arrays(paths.normalized_dir / "train").inputs, config)
    with TemporaryDirectory() as scratch, atomic_dir(paths.quantized_dir) as folder:
        graph_paths, failures = make_candidates(fp32_path, Path(scratch), rows=rows, methods=config.methods)
        measured = measure_graphs(
            {"fp32": fp32_path, **graph_paths},
            open_split(paths.normalized_dir / "val"),
            score=evaluator.score,
            agreement=evaluator.agreement,
            reference="fp32",
        )
        limits = SelectionLimits(config.max_loss, config.max_latency, config.max_size)
        selection = select_candidate(measured, failures, limits=limits, quality=evaluator.quality)
        write_json(folder / "choice.json", selection.to_json())
        if selection.chosen:
            shutil.copyfile(graph_paths[selection.chosen], folder / "model.onnx")
        else:
            reasons = "; ".join(f"{each.name} {' and '.join(each.reasons)}" for each in selection.assessments)
            logger.warning(
                "quantize: no int8 model passed: %s; serve fp32, or change the limits in params.yaml: quantize", reasons
            )
    return selection.to_metrics()


def _draw_calibration_rows(inputs: Inputs, config: Config) -> NDArray[Any]:
    num_rows = min(config.num_calibration_rows, len(inputs))
    if num_rows == 0:
        raise DataError("data/normalized/train: no rows to calibrate with; run: dvc repro")
    # sorted, for sequential reads
    return inputs[np.sort(np.random.default_rng(config.seed).choice(len(inputs), num_rows, replace=False))]
