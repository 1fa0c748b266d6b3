"""Validate: models/trained + data/normalized/val -> plots/validate. Calibrates, finds the threshold, holds the gate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config import Section
from pipeline.contracts import Metrics
from pipeline.evaluation.gates import Bound
from pipeline.paths import Paths


class Config(Section):
    """The section `validate`."""

    gate: dict[str, Bound] = {}
    """What this stage's metrics must keep within to go on, such as `{accuracy: {min: 0.9}}`; empty lets all pass."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Accuracy in (0, 1] that rows above the confidence `threshold` must reach."""


def run(config: Config, paths: Paths) -> Metrics:
    """Judges the model on the validation rows; raises GateError when the gate is not passed.

    `loss` is at temperature 1, as in training; `ece` and `threshold` are at the fitted `temperature`.
    """
    from pipeline.evaluation import calibration, judging
    from pipeline.evaluation.classification import headline, softmax
    from pipeline.evaluation.csv_files import write_csv
    from pipeline.evaluation.gates import check_gate
    from pipeline.storage.atomic import atomic_dir
    from pipeline.storage.bundle import read_bundle

    found = judging.answers(read_bundle(paths.trained_dir), paths.normalized_dir / "val")
    temperature = calibration.fit_temperature(found.logits, found.arrays.targets)
    before = calibration.reliability(softmax(found.logits).max(axis=1), found.correct)
    confidence = softmax(found.logits, temperature).max(axis=1)
    bins = calibration.reliability(confidence, found.correct)
    threshold = calibration.confidence_threshold(confidence, found.correct, config.target_accuracy)
    metrics = {
        **headline(found.logits, found.arrays.targets),
        "ece_before": calibration.expected_calibration_error(before),
        "ece": calibration.expected_calibration_error(bins),
        "temperature": temperature,
        "threshold": threshold.confidence,
        "coverage": threshold.coverage,
    }
    with atomic_dir(paths.plots_dir("validate")) as folder:
        write_csv(folder / "calibration.csv", calibration.Bin._fields, bins)
    check_gate(config.gate, metrics, key="validate.gate")
    return metrics
