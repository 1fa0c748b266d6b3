"""Quantize: models/trained + train sample + val -> models/quantized. Selects the graph that will be served."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.evaluation.evaluators import find_cutoff, find_evaluator, make_outcomes
from headrace.evaluation.gates.verdicts import GateReport, check_gate, read_champion, read_report, write_report
from headrace.evaluation.predictions import Predictions, predict_split
from headrace.paths import Paths
from headrace.quantization.batch_independence import measure_batch_difference
from headrace.quantization.benchmark import describe_machine, measure_graphs
from headrace.quantization.candidates import make_candidates
from headrace.quantization.selected import CALIBRATION, CHOICE, OUTCOMES
from headrace.quantization.selection import Measured, SelectionLimits, select_candidate
from headrace.settings.quantize import Config
from headrace.storage.arrays import Inputs, open_arrays
from headrace.storage.atomic import atomic_dir, write_json
from headrace.storage.bundle import GRAPH, Bundle, read_bundle
from headrace.storage.onnx_model import OnnxModel

logger = logging.getLogger(__name__)
FP32 = "fp32"


def run(config: Config, paths: Paths) -> Metrics:
    """Makes candidates, measures them against fp32, and writes the best that passes, or else the float32 graph.

    The selected graph is calibrated on the validation rows, as `validate` did the float32 one. The `int8_` metrics are
    those of the best candidate, whether it passed (`passed` 1) or not.
    """
    bundle, validated = read_bundle(paths.trained_dir), _read_validated(paths)
    rows = _draw_calibration_rows(open_arrays(paths.normalized_dir / "train").inputs, config)
    with TemporaryDirectory() as scratch, atomic_dir(paths.quantized_dir) as folder:
        made, failures = make_candidates(bundle.folder / GRAPH, Path(scratch), rows=rows, methods=config.methods)
        graph_paths = {FP32: bundle.folder / GRAPH, **made}
        predictions = _predict(bundle, paths.normalized_dir / "val", graph_paths, failures)
        gates = _check_gates(paths, predictions, float(validated.get("target_accuracy", 1.0)))
        measured = {
            name: each._replace(failed_gate=gates[name].report.describe_failures())
            for name, each in _measure(bundle, graph_paths, predictions, validated).items()
        }
        limits, evaluator = (
            SelectionLimits(config.max_loss, config.max_latency, config.max_size),
            find_evaluator(bundle.spec),
        )
        selection = select_candidate(measured, failures, limits=limits, quality=evaluator.quality)
        selected = selection.chosen or FP32
        shutil.copyfile(graph_paths[selected], folder / GRAPH)
        write_json(folder / CHOICE, selection.to_json() | {"machine": describe_machine()})
        write_json(folder / CALIBRATION, gates[selected].metrics)
    _write_report(paths.report_dir("quantize"), predictions[selected], gates[selected])
    gates[selected].report.raise_if_failed(gates[selected].metrics)
    if not selection.chosen:
        logger.warning("quantize: %s", selection.reason)
    return selection.to_metrics()


class _CheckedGraph(NamedTuple):
    """A graph on the validation rows, as `validate` measures the float32 one."""

    metrics: Metrics
    report: GateReport


def _check_gates(paths: Paths, predictions: dict[str, Predictions], target_accuracy: float) -> dict[str, _CheckedGraph]:
    """Calibrates each graph, and checks it against the gate and the champion of `validate`."""
    folder = paths.report_dir("validate")
    validated = read_report(folder)
    champion, checked = read_champion(folder, validated), {}
    for name, each in predictions.items():
        metrics = find_evaluator(each.spec).validate(each, target_accuracy).metrics
        report = check_gate(validated.gate, each, metrics, cutoff=find_cutoff(metrics), champion=champion)
        checked[name] = _CheckedGraph(metrics, report)
    return checked


def _write_report(folder: Path, predictions: Predictions, checked: _CheckedGraph) -> None:
    """Writes the verdicts on the selected graph, and its outcomes, to which later models are compared."""
    with atomic_dir(folder) as temporary:
        write_report(temporary, checked.report)
        pq.write_table(make_outcomes(predictions, find_cutoff(checked.metrics)), temporary / OUTCOMES)


def _predict(
    bundle: Bundle, val_dir: Path, graph_paths: dict[str, Path], failures: dict[str, str]
) -> dict[str, Predictions]:
    """Predicts the validation rows with each graph; a candidate without finite outputs goes to `failures`."""
    predictions = {}
    for name, path in graph_paths.items():
        try:
            predictions[name] = predict_split(bundle, val_dir, path)
        except DataError:
            if name == FP32:
                raise
            failures[name] = "outputs NaN or infinity"
    return predictions


def _measure(
    bundle: Bundle, graph_paths: dict[str, Path], predictions: dict[str, Predictions], validated: Metrics
) -> dict[str, Measured]:
    evaluator, cutoff = find_evaluator(bundle.spec), find_cutoff(validated)
    arrays, reference = predictions[FP32].arrays, predictions[FP32].logits
    graphs = measure_graphs({name: graph_paths[name] for name in predictions}, arrays, reference=FP32)
    return {
        name: Measured(
            graphs[name],
            evaluator.quality_by_row(each.logits, arrays.targets, cutoff),
            evaluator.agreement(each.logits, reference, cutoff),
            measure_batch_difference(OnnxModel(graph_paths[name]), arrays.inputs, bundle.spec, bundle.card.transform),
        )
        for name, each in predictions.items()
    }


def _read_validated(paths: Paths) -> Metrics:
    path = paths.metrics_path("validate")
    try:
        metrics: Metrics = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); run: dvc repro --force validate") from None
    return metrics


def _draw_calibration_rows(inputs: Inputs, config: Config) -> NDArray[Any]:
    num_rows = min(config.num_calibration_rows, len(inputs))
    if num_rows == 0:
        raise DataError("data/normalized/train: no rows to calibrate with; run: dvc repro")
    # sorted, for sequential reads
    return inputs[np.sort(np.random.default_rng(config.seed).choice(len(inputs), num_rows, replace=False))]
