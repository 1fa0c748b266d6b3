"""Judging labels: what validate and test say of a model that gives a row any number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics import calibration, multilabel
from headrace.evaluation.result import NO_CONFUSION, NO_RESIDUALS, EvaluationResult, Table
from headrace.evaluation.slices import Slice, Slices, measure
from headrace.storage.label_codec import write_names

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions


def validate_labels(found: Predictions) -> EvaluationResult:
    """Quality, calibration, and the threshold of the probability above which a label is given."""
    due = _due(found)
    temperature = multilabel.fit_temperature(found.logits, due)
    before = calibration.reliability(multilabel.sigmoid(found.logits).ravel(), due.ravel())
    probabilities = multilabel.sigmoid(found.logits, temperature)
    bins = calibration.reliability(probabilities.ravel(), due.ravel())
    threshold = multilabel.best_threshold(probabilities, due)
    metrics = {
        **multilabel.summary_metrics(found.logits, due, temperature=temperature, threshold=threshold),
        "ece_before": calibration.expected_calibration_error(before),
        "ece": calibration.expected_calibration_error(bins),
        "temperature": temperature,
        "threshold": threshold,
    }
    return EvaluationResult(metrics, {"calibration": Table(calibration.Bin._fields, bins), "residuals": NO_RESIDUALS})


def judge_labels(
    found: Predictions, classes: list[str], groups: Slices, *, temperature: float, threshold: float
) -> EvaluationResult:
    """Quality overall, by label and by group, at the temperature and the threshold that `validate` found."""
    due, probabilities = _due(found), multilabel.sigmoid(found.logits, temperature)
    given = probabilities > threshold
    right = (given == due).mean(axis=1)
    bins = calibration.reliability(probabilities.ravel(), due.ravel())
    figures = multilabel.label_figures(probabilities, given, due)
    slices = measure(right, {**{f"label={name}": due[:, index] for index, name in enumerate(classes)}, **groups})
    occurs = multilabel.occurring(given, due)
    metrics = {
        **multilabel.summary_metrics(found.logits, due, temperature=temperature, threshold=threshold),
        "ece": calibration.expected_calibration_error(bins),
        "worst_label_f1": float(figures.f1[occurs].min()) if occurs.any() else 1.0,
        "worst_slice_accuracy": slices[0].accuracy if slices else float(right.mean()),
    }
    by_label = zip(classes, *(figure.tolist() for figure in figures), strict=True)
    return EvaluationResult(
        metrics,
        plots={
            "confusion": NO_CONFUSION,
            "calibration": Table(calibration.Bin._fields, bins),
            "residuals": NO_RESIDUALS,
        },
        reports={"slices": Table(Slice._fields, slices), "per_class": Table(("class", *figures._fields), by_label)},
        predictions={"target": _names(due, classes), "predicted": _names(given, classes), "wrong_share": 1 - right},
    )


def _due(found: Predictions) -> NDArray[np.bool_]:

    return np.asarray(found.arrays.targets > 0)


def _names(flags: NDArray[np.bool_], classes: list[str]) -> NDArray[np.object_]:
    """`[rows]`: JSON lists of the names whose flags are set."""
    return np.array([write_names(np.array(classes, object)[row]) for row in flags], object)
