"""Validate: models/trained + data/normalized/val -> plots/validate. Calibrates, fits thresholds, checks the gate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.config import Section
from headrace.contracts import Metrics
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.gates import Bound, check_gate
from headrace.evaluation.predictions import predict_split
from headrace.evaluation.result import write_tables
from headrace.paths import Paths
from headrace.storage.atomic import atomic_dir
from headrace.storage.bundle import read_bundle


class Config(Section):
    """The section `validate`."""

    gate: dict[str, Bound] = {}
    """Bounds on this stage's metrics, such as `{accuracy: {min: 0.9}}`; the pipeline stops if one is not met.
    Regression: `{r2: {min: 0.8}}`, or `{rmse: {max: 3}}` in the target's unit; multilabel: `{micro_f1: ...}`."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Accuracy in (0, 1] that rows above the confidence `threshold` must reach; classification only."""


def run(config: Config, paths: Paths) -> Metrics:
    """Evaluates the model on the validation rows; raises GateError if the gate is not passed."""
    bundle = read_bundle(paths.trained_dir)
    predictions = predict_split(bundle, paths.normalized_dir / "val")
    result = find_evaluator(bundle.spec).validate(predictions, config.target_accuracy)
    with atomic_dir(paths.plots_dir("validate")) as folder:
        write_tables(folder, result.plots)
    check_gate(config.gate, result.metrics, key="validate.gate")
    return result.metrics
