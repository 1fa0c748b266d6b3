"""Validate: models/trained + data/normalized/val -> plots/validate. Calibrates, finds the threshold, holds the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from headrace.config import Section
from headrace.contracts import Metrics
from headrace.evaluation.gates import Bound
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions
    from headrace.evaluation.result import EvaluationResult
    from headrace.storage.bundle import Bundle


class Config(Section):
    """The section `validate`."""

    gate: dict[str, Bound] = {}
    """What this stage's metrics must keep within to go on, such as `{accuracy: {min: 0.9}}`; empty lets all pass.
    Regression: `{r2: {min: 0.8}}`, or `{rmse: {max: 3}}` in the target's unit; several labels: `{micro_f1: ...}`."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Accuracy in (0, 1] that rows above the confidence `threshold` must reach; of classification only."""


def run(config: Config, paths: Paths) -> Metrics:
    """Judges the model on the validation rows; raises GateError when the gate is not passed."""
    from headrace.evaluation.gates import check_gate
    from headrace.evaluation.predictions import predict_split
    from headrace.evaluation.result import write_tables
    from headrace.storage.atomic import atomic_dir
    from headrace.storage.bundle import read_bundle

    bundle = read_bundle(paths.trained_dir)
    judged = _judged(bundle, predict_split(bundle, paths.normalized_dir / "val"), config)
    with atomic_dir(paths.plots_dir("validate")) as folder:
        write_tables(folder, judged.plots)
    check_gate(config.gate, judged.metrics, key="validate.gate")
    return judged.metrics


def _judged(bundle: Bundle, found: Predictions, config: Config) -> EvaluationResult:
    from headrace.evaluation.classification import validate_classification
    from headrace.evaluation.multi_target_regression import validate_multi_target_regression
    from headrace.evaluation.multilabel import validate_multilabel
    from headrace.evaluation.regression import validate_regression

    spec = bundle.spec
    if spec.task == "multilabel":
        return validate_multilabel(found)
    if spec.targets:
        return validate_multi_target_regression(found, spec.targets, bundle.card.transform["target"])
    if spec.task == "regression":
        return validate_regression(found)
    return validate_classification(found, config.target_accuracy)
