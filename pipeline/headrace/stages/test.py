"""Test: models/trained + data/normalized/test -> reports/test, plots/test. The only use of the test rows."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.predictions import Predictions, predict_split
from headrace.evaluation.result import EvaluationResult, write_tables
from headrace.evaluation.robustness import accuracy_under_noise
from headrace.evaluation.slice_definitions import SLICE_DEFINITIONS
from headrace.paths import Paths
from headrace.settings.test import Config
from headrace.storage.arrays import read_sources
from headrace.storage.atomic import atomic_dir
from headrace.storage.bundle import read_bundle


def run(config: Config, paths: Paths) -> Metrics:
    """Evaluates the model on the test rows: overall, by class, label or third of the target, by slice, under noise.

    `loss` is at temperature 1; `ece` and the confidences are at the temperature fitted by `validate`.
    """
    bundle = read_bundle(paths.trained_dir)
    spec, evaluator = bundle.spec, find_evaluator(bundle.spec)
    predictions = predict_split(bundle, paths.normalized_dir / "test")
    slices = SLICE_DEFINITIONS[spec.modality](predictions.arrays, predictions.transform)
    read_metric = partial(_read_metric, paths.metrics_path("validate"))
    result = evaluator.evaluate(predictions, slices, read_metric, config.seed)
    with atomic_dir(paths.report_dir("test")) as folder:
        _write_predictions(folder / "predictions.parquet", paths.normalized_dir / "test", predictions, result)
        write_tables(folder, result.reports)
    with atomic_dir(paths.plots_dir("test")) as folder:
        write_tables(folder, result.plots)
    has_noise = spec.modality == "image" and spec.task == "classification"
    return result.metrics | (_measure_noise(predictions, config) if has_noise else {})


def _read_metric(path: Path, name: str) -> float:
    try:
        return float(json.loads(path.read_bytes())[name])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: no number {name!r}; run: dvc repro --force validate") from None


def _measure_noise(predictions: Predictions, config: Config) -> Metrics:
    inputs, targets = predictions.arrays.inputs[:], predictions.arrays.targets
    sigmas = config.noise_sigmas
    accuracies = accuracy_under_noise(predictions.predict, inputs, targets, sigmas=sigmas, seed=config.seed)
    return {f"noise_{sigma:g}": accuracy for sigma, accuracy in zip(sigmas, accuracies, strict=True)}


def _write_predictions(path: Path, split_dir: Path, predictions: Predictions, result: EvaluationResult) -> None:
    row_ids, sources = pa.array(predictions.arrays.row_ids.astype(str)), read_sources(split_dir)
    columns = {"row_id": row_ids, **({} if sources is None else {"source": sources})}
    columns |= {name: pa.array(values) for name, values in result.predictions.items()}
    pq.write_table(pa.table(columns), path)
