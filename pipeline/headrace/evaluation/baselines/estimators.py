"""BASELINES: the simple models, which scikit-learn fits with its default settings unless a comment says why not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.evaluation.baselines.features import (
    Encode,
    find_categorical,
    find_tokens,
    fit_linear_encoder,
    restore_missing,
)

Outputs = NDArray[np.float32]
Predict: TypeAlias = "Callable[[NDArray[Any]], Outputs]"
"""Inputs of rows -> `[rows, outputs]`, as a network's: log-probabilities, log-odds of labels, or values."""
SMALLEST_PROBABILITY = 1e-12
MAX_ITERATIONS = 100
"""Of the solver of logistic regression. On pixels it has not converged then, and gains no accuracy any more."""
TEXT_INVERSE_PENALTY = 10.0
"""TF-IDF rows have length 1, so that the default 1 shrinks the weights of terms too much."""
MIN_ROWS_PER_THREAD = 5000
"""Rows from which on threads of gradient boosting save time."""


class TrainRows(NamedTuple):
    """Rows to fit to."""

    inputs: NDArray[Any]
    """As `read_inputs` returns them."""
    targets: NDArray[Any]
    spec: Spec
    transform: Json


class Baseline(NamedTuple):
    """A simple model."""

    names: dict[str, str]
    """Its name for people, by task."""
    modalities: tuple[str, ...]
    fit: Callable[[TrainRows], Predict]


def fit_prior(rows: TrainRows) -> Predict:
    """Predicts the same for every row: the fractions of the classes or labels, or the mean of each target."""
    num_rows = len(rows.targets)
    if rows.spec.task == "classification":
        counts = np.bincount(rows.targets, minlength=len(rows.spec.classes))
        outputs = np.log(np.maximum(counts / num_rows, SMALLEST_PROBABILITY))
    elif rows.spec.task == "multilabel":
        outputs = _log_odds(rows.targets.mean(axis=0, dtype=np.float64))
    else:
        outputs = rows.targets.reshape(num_rows, -1).mean(axis=0, dtype=np.float64)
    return lambda inputs: np.tile(outputs.astype(np.float32), (len(inputs), 1))


def fit_linear(rows: TrainRows) -> Predict:
    """Logistic regression, or ridge regression, on the features of the modality."""
    from sklearn.linear_model import LogisticRegression, Ridge

    encode = fit_linear_encoder(rows.inputs, rows.spec, rows.transform)
    if rows.spec.task == "regression":
        return _fit_outputs(Ridge, encode, rows)
    has_texts = rows.spec.modality == "text" or "tokenizer" in rows.transform
    penalty = TEXT_INVERSE_PENALTY if has_texts else 1.0
    return _fit_outputs(partial(LogisticRegression, C=penalty, max_iter=MAX_ITERATIONS), encode, rows)


def fit_boosting(rows: TrainRows) -> Predict:
    """Gradient boosting of a table's columns, whose categories are categories and missing cells are missing.

    Texts are not among them: trees cannot use thousands of sparse terms.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    is_regression = rows.spec.task == "regression"
    kind = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    is_category = find_categorical(rows.transform)[~find_tokens(rows.transform)]
    make = partial(kind, categorical_features=is_category, random_state=0)
    num_threads = 1 if len(rows.inputs) < MIN_ROWS_PER_THREAD else None
    with threadpool_limits(num_threads):
        return _fit_outputs(make, partial(restore_missing, transform=rows.transform), rows)


BASELINES: dict[str, Baseline] = {
    "prior": Baseline(
        {"classification": "majority class", "multilabel": "frequencies of the labels", "regression": "mean"},
        ("image", "text", "table"),
        fit_prior,
    ),
    "linear": Baseline(
        {
            "classification": "logistic regression",
            "multilabel": "logistic regression",
            "regression": "ridge regression",
        },
        ("image", "text", "table"),
        fit_linear,
    ),
    "boosting": Baseline(
        dict.fromkeys(("classification", "multilabel", "regression"), "gradient boosting"), ("table",), fit_boosting
    ),
}
"""Short name, as in the metric `baseline_<name>` -> the model, the quickest first."""


def list_baselines(spec: Spec) -> list[str]:
    """Returns the short names of the baselines for the data."""
    has_only_texts = spec.modality == "table" and {column.kind for column in spec.columns} == {"text"}
    return [
        name
        for name, baseline in BASELINES.items()
        if spec.modality in baseline.modalities and not (has_only_texts and name == "boosting")
    ]


def describe_baseline(name: str, spec: Spec) -> str:
    """Returns the name of a baseline for people, by its short name."""
    is_partial = name == "boosting" and any(column.kind == "text" for column in spec.columns)
    return BASELINES[name].names[spec.task] + (" without the texts" if is_partial else "")


def _fit_outputs(make: Callable[[], Any], encode: Encode, rows: TrainRows) -> Predict:
    """Fits one estimator, or one per label or per target."""
    features, task, targets = encode(rows.inputs), rows.spec.task, rows.targets
    if task == "classification":
        predict = _fit_classes(make, features, targets, len(rows.spec.classes))
    elif task == "multilabel":
        predict = _stack([_fit_label(make, features, column > 0) for column in targets.T])
    else:
        columns = targets.reshape(len(targets), -1).T.astype(np.float64)
        predict = _stack([make().fit(features, column).predict for column in columns])
    return lambda inputs: predict(encode(inputs)).astype(np.float32)


def _fit_classes(
    make: Callable[[], Any], features: Any, targets: NDArray[np.int64], num_classes: int
) -> Callable[[Any], Any]:
    classes = np.unique(targets)
    estimator = make().fit(features, targets) if len(classes) > 1 else None

    def predict(encoded: Any) -> NDArray[np.float64]:
        probabilities = np.zeros((encoded.shape[0], num_classes))
        probabilities[:, classes] = estimator.predict_proba(encoded) if estimator else 1
        return np.asarray(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)))

    return predict


def _fit_label(make: Callable[[], Any], features: Any, has_label: NDArray[np.bool_]) -> Callable[[Any], Any]:
    """Log-odds of one label; constant if all rows have it, or none."""
    if has_label.all() or not has_label.any():
        constant = _log_odds(has_label[:1].astype(np.float64))[0]
        return lambda encoded: np.full(encoded.shape[0], constant)
    estimator = make().fit(features, has_label)
    return lambda encoded: _log_odds(estimator.predict_proba(encoded)[:, 1])


def _stack(predictors: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda encoded: np.stack([predict(encoded) for predict in predictors], axis=1)


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
