"""Test: models/quantized + data/normalized/test -> reports/test, plots/test. The only use of the test rows."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts import Metrics
from headrace.evaluation.baselines.compare import REPORT, compare_with_validated
from headrace.evaluation.comparison import difference_interval
from headrace.evaluation.diagnosis.diagnose import diagnose
from headrace.evaluation.diagnosis.robustness import accuracy_under_noise
from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.evaluators import Evaluator, find_cutoff, find_evaluator
from headrace.evaluation.predictions import Predictions, predict_split
from headrace.evaluation.result import EvaluationResult, Table, write_tables
from headrace.evaluation.slice_definitions import Third, bound_thirds, collect_columns, define_slices
from headrace.evaluation.slices import Slices
from headrace.paths import Paths
from headrace.quantization.selected import SelectedGraph, read_selected_graph
from headrace.settings.test import Config
from headrace.storage.arrays import read_sources
from headrace.storage.atomic import atomic_dir, write_json
from headrace.storage.bundle import read_bundle

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Evaluates the selected graph on the test rows: overall, by class or third of the target, by slice, under noise.

    `diagnose` adds where it fails: worst slices, changed rows, mistakes, rows unlike the training's, and figures.

    `loss` is at temperature 1; `ece` and the confidences are at the temperature that `quantize` fitted for this graph.
    The `fp32_` metrics compare it with the float32 graph on the same rows.
    """
    bundle, selected = read_bundle(paths.trained_dir), read_selected_graph(paths)
    spec, evaluator, test_dir = bundle.spec, find_evaluator(bundle.spec), paths.normalized_dir / "test"
    predictions = predict_split(bundle, test_dir, selected.path)
    columns = collect_columns(predictions, paths.clean_dir)
    slices = define_slices(columns, config.slices)
    result = evaluator.evaluate(predictions, slices, selected.read_calibration, config.seed)
    compared = _compare_with_fp32(evaluator, predictions, predict_split(bundle, test_dir), selected)
    comparison = compare_with_validated(paths, predictions, selected.calibration, split="test")
    if comparison.remark:
        logger.warning("test: %s", comparison.remark)
    with atomic_dir(paths.report_dir("test")) as folder:
        write_json(folder / REPORT, comparison.report)
        _write_predictions(folder / "predictions.parquet", test_dir, predictions, result)
        thirds = Table(Third._fields, bound_thirds(columns, slices, predictions.transform))
        write_tables(folder, result.reports | {"thirds": thirds})
        subject = _make_subject(predictions, result, slices, selected, config, paths)
        diagnosis = diagnose(subject, folder, robustness_rows=config.robustness_rows, num_mistakes=config.num_mistakes)
    with atomic_dir(paths.plots_dir("test")) as folder:
        write_tables(folder, result.plots | diagnosis.plots)
    has_noise = spec.modality == "image" and spec.task == "classification"
    compared |= comparison.metrics
    return result.metrics | compared | diagnosis.metrics | (_measure_noise(predictions, config) if has_noise else {})


def _make_subject(
    predictions: Predictions,
    result: EvaluationResult,
    slices: Slices,
    selected: SelectedGraph,
    config: Config,
    paths: Paths,
) -> Subject:
    evaluator, cutoff = find_evaluator(predictions.spec), find_cutoff(selected.calibration)
    return Subject(
        predictions=predictions,
        result=result,
        slices=slices,
        quality=evaluator.quality,
        quality_by_row=lambda outputs, targets: evaluator.quality_by_row(outputs, targets, cutoff),
        clean_dir=paths.clean_dir,
        val_dir=paths.normalized_dir / "val",
        sources=read_sources(paths.normalized_dir / "test"),
        seed=config.seed,
    )


def _compare_with_fp32(
    evaluator: Evaluator, predictions: Predictions, fp32: Predictions, selected: SelectedGraph
) -> Metrics:
    """The float32 graph's quality, and how much of it the selected graph loses, with the 95 % interval of the loss."""
    cutoff, targets = find_cutoff(selected.calibration), predictions.arrays.targets
    qualities = [evaluator.quality_by_row(each.logits, targets, cutoff) for each in (fp32, predictions)]
    lost, low, high = difference_interval(*qualities)
    ends = {"low": low, "high": high} if len(targets) > 1 else {}
    return {
        f"fp32_{evaluator.quality}": float(qualities[0].mean()),
        "fp32_agreement": evaluator.agreement(predictions.logits, fp32.logits, cutoff),
        f"{evaluator.quality}_lost": lost,
        **{f"{evaluator.quality}_lost_{name}": end for name, end in ends.items()},
    }


def _measure_noise(predictions: Predictions, config: Config) -> Metrics:
    inputs, targets = predictions.arrays.inputs[:], predictions.arrays.targets
    sigmas = config.noise_sigmas
    accuracies = accuracy_under_noise(predictions.predict, inputs, targets, sigmas=sigmas, seed=config.seed)
    return {f"noise_{sigma:g}": accuracy for sigma, accuracy in zip(sigmas, accuracies, strict=True)}


def _write_predictions(path: Path, split_dir: Path, predictions: Predictions, result: EvaluationResult) -> None:
    row_ids, sources = pa.array(predictions.arrays.row_ids.astype(str)), read_sources(split_dir)
    columns = {"row_id": row_ids, **({} if sources is None else {"source": sources})}
    columns |= {
        name: pa.array(values)
        if values.ndim == 1
        else pa.StructArray.from_arrays([pa.array(column) for column in values.T], predictions.spec.classes)
        for name, values in result.predictions.items()
    }
    pq.write_table(pa.table(columns), path)
