"""Test: models/trained + data/normalized/test -> reports/test, plots/test. The only look ever taken at test rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from headrace.config import Section
from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions
    from headrace.evaluation.result import EvaluationResult
    from headrace.evaluation.slices import Slices
    from headrace.storage.bundle import Bundle

Measured: TypeAlias = Callable[[str], float]
"""Name of a figure -> what `validate` found."""
Judge: TypeAlias = "Callable[[Predictions, Slices, int], EvaluationResult]"
"""Answers, groups of rows, seed of intervals -> judgement."""


class Config(Section):
    """The section `test`."""

    noise_sigmas: list[Annotated[float, Field(gt=0)]] = [8, 16, 32]
    """Strengths of the Gaussian noise that the accuracy is measured under, in pixel levels of 255; may be empty.
    Only classes of images are judged under noise."""
    seed: int = 0
    """Of that noise, and of the rows that a regression's intervals are drawn from."""


def run(config: Config, paths: Paths) -> Metrics:
    """Judges the model on the test rows: overall, by class, label or third of the target, by slice, under noise.

    `loss` is at temperature 1; `ece` and the confidences are at the temperature that `validate` fitted.
    """
    from headrace.evaluation.predictions import predict_split
    from headrace.evaluation.result import write_tables
    from headrace.evaluation.slice_definitions import SLICE_DEFINITIONS
    from headrace.storage.atomic import atomic_dir
    from headrace.storage.bundle import read_bundle

    bundle = read_bundle(paths.trained_dir)
    validated = paths.metrics_path("validate")
    judge = JUDGES["several" if bundle.spec.targets else bundle.spec.task](bundle, partial(_figure, validated))
    found = predict_split(bundle, paths.normalized_dir / "test")
    judged = judge(found, SLICE_DEFINITIONS[bundle.spec.modality](found.arrays, bundle.card.transform), config.seed)
    with atomic_dir(paths.report_dir("test")) as folder:
        _write_predictions(folder / "predictions.parquet", found, judged)
        write_tables(folder, judged.reports)
    with atomic_dir(paths.plots_dir("test")) as folder:
        write_tables(folder, judged.plots)
    has_noise = bundle.spec.modality == "image" and bundle.spec.task == "classification"
    return judged.metrics | (_noise(found, config) if has_noise else {})


def _figure(path: Path, name: str) -> float:
    """What `validate` found."""
    import json

    try:
        return float(json.loads(path.read_bytes())[name])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: tells no {name}; run: dvc repro --force validate") from None


def _judge_classes(bundle: Bundle, measured: Measured) -> Judge:
    from headrace.evaluation.classification import evaluate_classification

    classes, temperature = bundle.spec.classes, measured("temperature")
    return lambda found, groups, _: evaluate_classification(found, classes, groups, temperature=temperature)


def _judge_labels(bundle: Bundle, measured: Measured) -> Judge:
    from headrace.evaluation.multilabel import evaluate_multilabel

    classes, line = bundle.spec.classes, {name: measured(name) for name in ("temperature", "threshold")}
    return lambda found, groups, _: evaluate_multilabel(found, classes, groups, **line)


def _judge_values(bundle: Bundle, measured: Measured) -> Judge:
    from headrace.evaluation.regression import evaluate_regression

    del bundle
    interval = measured("interval_90")
    return lambda found, groups, seed: evaluate_regression(found, groups, interval=interval, seed=seed)


def _judge_several(bundle: Bundle, measured: Measured) -> Judge:
    from headrace.evaluation.multi_target_regression import evaluate_multi_target_regression, metric_suffixes

    targets, scale = bundle.spec.targets, bundle.card.transform["target"]
    intervals = [measured(f"interval_90_{key}") for key in metric_suffixes(targets)]
    return lambda found, groups, seed: evaluate_multi_target_regression(
        found, targets, groups, scale=scale, intervals=intervals, seed=seed
    )


JUDGES: dict[str, Callable[[Bundle, Measured], Judge]] = {
    "classification": _judge_classes,
    "multilabel": _judge_labels,
    "regression": _judge_values,
    "several": _judge_several,
}
"""Task (several: regression of several targets) -> bundle, and what validate found -> how the answers are judged."""


def _noise(found: Predictions, config: Config) -> Metrics:
    from headrace.evaluation.robustness import accuracy_under_noise

    arrays, sigmas = found.arrays, config.noise_sigmas
    shares = accuracy_under_noise(found.predict, arrays.inputs[:], arrays.targets, sigmas=sigmas, seed=config.seed)
    return {f"noise_{sigma:g}": share for sigma, share in zip(sigmas, shares, strict=True)}


def _write_predictions(path: Path, found: Predictions, judged: EvaluationResult) -> None:

    columns = {name: pa.array(values) for name, values in judged.predictions.items()}
    pq.write_table(pa.table({"row_id": pa.array(found.arrays.row_ids.astype(str)), **columns}), path)
