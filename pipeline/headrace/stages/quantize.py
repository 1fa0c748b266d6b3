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

from headrace.contracts import Json, Metrics
from headrace.errors import DataError
from headrace.evaluation.baselines.compare import compare_with_validated
from headrace.evaluation.evaluators import find_cutoff, find_evaluator, make_outcomes
from headrace.evaluation.gates.bounds import BASELINE_METRICS
from headrace.evaluation.gates.verdicts import GateReport, check_gate, read_champion, read_report, write_report
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import write_tables
from headrace.paths import Paths
from headrace.quantization.batch_independence import measure_batch_difference
from headrace.quantization.benchmark import describe_machine, measure_graphs
from headrace.quantization.candidates import CANDIDATES, PREPARED, list_candidates, make_candidates
from headrace.quantization.layer_fallback import (
    Fallback,
    choose_candidate_to_repair,
    exclude_sensitive_nodes,
    tabulate_nodes,
)
from headrace.quantization.pareto import make_pareto_table, tabulate_graphs
from headrace.quantization.selected import CALIBRATION, CHOICE, OUTCOMES, SENSITIVITY
from headrace.quantization.selection import Measured, Selection, SelectionLimits, select_candidate
from headrace.quantization.validation_rows import ValidationRows
from headrace.settings.quantize import Config
from headrace.storage.arrays import Inputs, open_arrays
from headrace.storage.atomic import atomic_dir, write_json, write_text
from headrace.storage.bundle import GRAPH, read_bundle
from headrace.storage.checksums import write_checksums
from headrace.storage.onnx_model import OnnxModel

logger = logging.getLogger(__name__)
FP32, MIXED = "fp32", "_mixed"


class Graphs(NamedTuple):
    """The float32 graph (FP32) and the candidates, with their predictions of the validation rows."""

    paths: dict[str, Path]
    predictions: dict[str, Predictions]
    failures: dict[str, str]
    """Candidate -> why it could not be made."""
    notes: dict[str, str]
    fallback: Fallback | None = None


class CheckedGraph(NamedTuple):
    """A graph on the validation rows, as `validate` measures the float32 one."""

    metrics: Metrics
    report: GateReport


def run(config: Config, paths: Paths) -> Metrics:
    """Makes candidates, measures them against fp32, and writes the best that passes, or else the float32 graph.

    The selected graph is calibrated on the validation rows, as `validate` did the float32 one. The `int8_` metrics are
    those of the best candidate, whether it passed (`passed` 1) or not.
    """
    val = ValidationRows(read_bundle(paths.trained_dir), paths.normalized_dir / "val", _read_validated(paths))
    evaluator = find_evaluator(val.bundle.spec)
    rows = _draw_calibration_rows(open_arrays(paths.normalized_dir / "train").inputs, config)
    with TemporaryDirectory() as scratch, atomic_dir(paths.quantized_dir) as folder:
        graphs = _exclude_layers(val, _make_graphs(val, rows, config, Path(scratch)), rows, config)
        gates = _check_gates(paths, val, graphs)
        selection = select_candidate(
            _measure(val, graphs, gates, config.num_threads),
            graphs.failures,
            limits=SelectionLimits(config.max_loss, config.max_latency, config.max_size),
            quality=evaluator.quality,
            notes=graphs.notes,
        )
        selected = selection.chosen or FP32
        shutil.copyfile(graphs.paths[selected], folder / GRAPH)
        _describe(folder, selection, graphs.fallback, config)
        write_json(folder / CALIBRATION, gates[selected].metrics)
        write_checksums(folder)
    _write_report(paths.report_dir("quantize"), graphs.predictions[selected], gates[selected])
    gates[selected].report.raise_if_failed(gates[selected].metrics)
    with atomic_dir(paths.plots_dir("quantize")) as folder:
        write_tables(folder, {"candidates": tabulate_graphs(selection), "sensitivity": tabulate_nodes(graphs.fallback)})
    if not selection.chosen:
        logger.warning("quantize: %s", selection.reason)
    return selection.to_metrics()


def _make_graphs(val: ValidationRows, rows: NDArray[Any], config: Config, scratch: Path) -> Graphs:
    """Makes all candidates, and predicts the validation rows with each."""
    names = list_candidates(config.methods, config.calibrations)
    fp32 = val.bundle.folder / GRAPH
    made, failures = make_candidates(fp32, scratch, rows=rows, names=names)
    graphs = Graphs({}, {}, failures, {})
    for name, path in {FP32: fp32, **made}.items():
        _add(graphs, name, path, val.predict(path))
    return graphs


def _add(graphs: Graphs, name: str, path: Path, predictions: Predictions | None) -> None:
    if predictions is None:
        graphs.failures[name] = "outputs NaN or infinity, or cannot be loaded"
    else:
        graphs.paths[name], graphs.predictions[name] = path, predictions


def _exclude_layers(val: ValidationRows, graphs: Graphs, rows: NDArray[Any], config: Config) -> Graphs:
    """Adds a candidate with some nodes in float32, if one that could be quick loses too much."""
    reference = graphs.predictions[FP32]
    losses = {name: val.measure_loss(each, reference) for name, each in graphs.predictions.items() if name != FP32}
    name = choose_candidate_to_repair(losses, config.max_loss)
    if name is None or not config.fallback_seconds:
        return graphs
    mixed, path = f"{name}{MIXED}", graphs.paths[name].with_name(f"{name}{MIXED}.onnx")
    fallback = exclude_sensitive_nodes(
        CANDIDATES[name],
        path.with_name(PREPARED),
        path,
        rows=rows,
        is_within_limit=lambda path: val.measure_loss(val.predict(path), reference) <= config.max_loss,
        seconds=config.fallback_seconds,
    )
    if fallback.excluded:
        _add(graphs, mixed, path, val.predict(path))
        graphs.notes[mixed] = f"{len(fallback.excluded)} of {fallback.num_nodes} nodes stay in float32"
    else:
        graphs.failures[mixed] = fallback.reason
    return graphs._replace(fallback=fallback)


def _check_gates(paths: Paths, val: ValidationRows, graphs: Graphs) -> dict[str, CheckedGraph]:
    """Calibrates each graph, and checks it against the gate and the champion of `validate`."""
    folder, evaluator = paths.report_dir("validate"), find_evaluator(val.bundle.spec)
    validated = read_report(folder)
    champion, checked = read_champion(folder, validated), {}
    for name, each in graphs.predictions.items():
        metrics = evaluator.validate(each, float(val.validated.get("target_accuracy", 1.0))).metrics
        beside = {}
        if not validated.gate.bounds.keys().isdisjoint(BASELINE_METRICS):
            beside = compare_with_validated(paths, each, metrics, split="val").metrics
        report = check_gate(validated.gate, each, metrics | beside, cutoff=find_cutoff(metrics), champion=champion)
        checked[name] = CheckedGraph(metrics, report)
    return checked


def _write_report(folder: Path, predictions: Predictions, checked: CheckedGraph) -> None:
    """Writes the verdicts on the selected graph, and its outcomes, to which later models are compared."""
    with atomic_dir(folder) as temporary:
        write_report(temporary, checked.report)
        pq.write_table(make_outcomes(predictions, find_cutoff(checked.metrics)), temporary / OUTCOMES)


def _measure(
    val: ValidationRows, graphs: Graphs, gates: dict[str, CheckedGraph], num_threads: int
) -> dict[str, Measured]:
    bundle, reference = val.bundle, graphs.predictions[FP32]
    inputs, transform = reference.arrays.inputs, bundle.card.transform
    metrics = measure_graphs(graphs.paths, reference.arrays, reference=FP32, num_threads=num_threads)
    return {
        name: Measured(
            metrics[name],
            val.quality_by_row(each),
            val.measure_agreement(each, reference),
            measure_batch_difference(OnnxModel(graphs.paths[name], num_threads), inputs, bundle.spec, transform),
            gates[name].report.describe_failures(),
        )
        for name, each in graphs.predictions.items()
    }


def _describe(folder: Path, selection: Selection, fallback: Fallback | None, config: Config) -> None:
    """Writes `choice.json` and, where layers were ranked, `sensitivity.json`."""
    table = [row.to_json(selection.quality) for row in make_pareto_table(selection)]
    choice: Json = {"pareto": table, "machine": describe_machine(config.num_threads)}
    if selection.chosen:
        choice["other_processors"] = CANDIDATES[selection.chosen.removesuffix(MIXED)].portability
    write_json(folder / CHOICE, selection.to_json() | choice)
    if fallback:
        write_text(folder / SENSITIVITY, json.dumps(fallback.to_json(), indent=2, allow_nan=False) + "\n")


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
