"""Labels that are probably wrong: what classifiers that did not see a row make of it, by confident learning.

Suspects: rows whose label the other rows speak against.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.cleaning.scan import RowIndex

Integers = NDArray[np.int64]
Probabilities = NDArray[np.float64]

MIN_CONFIDENCE = 0.9
"""Probability that the label which is suggested must have.

A classifier that is often wrong would doubt a third of all labels: of 5,000 small photographs, where it is right in
56 % of cases, 35 % were doubted wrongly without this bound and the calibration, and 1 % with them.
"""
NOISE = 0.05
"""Share of wrong labels that calibration reckons with: without, a few of them would make it doubt every guess."""
PRINCIPAL_COMPONENTS, LANDMARKS = 100, 300
ROWS_OF_KERNELS, ROWS_AT_ONCE = 5_000, 1_000
"""How many rows the kernels' scales and directions are taken from, and how many are transformed at once."""
ROWS_PER_LANDMARK = 5
"""At least so many, else the discriminants learn the rows by heart."""
SHRINKAGE = 1e-3
TEMPERATURES = (0.25, 16.0, 49)
"""The lowest and highest that are tried, and how many: a 9th more from one to the next."""


def label_errors(
    features: NDArray[np.float32], labels: Integers, *, max_rows: int, folds: int, seed: int = 0
) -> tuple[Integers, Integers]:
    """Rows whose labels are doubted, ascending, and the class that each more probably has: two int64 `[found]`.

    `features` `[rows, features]`: rows that are not finite are left aside, as are classes of fewer rows than `folds`.
    Of more than `max_rows` rows a sample is looked at. The same rows, settings and seed give the same result.
    """
    from threadpoolctl import threadpool_limits

    rows = _sample(features, max_rows, seed)
    rows = rows[np.bincount(labels[rows])[labels[rows]] >= folds]
    classes, codes = np.unique(labels[rows], return_inverse=True)
    if len(classes) < 2:  # noqa: PLR2004
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # sums in the order that one thread makes: the same on every number of cores
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = features if len(rows) == len(features) else features[rows]  # no second copy of what is all wanted
        guesses = _calibrated(_guesses(known, codes, folds, seed), codes)
        doubted = _doubted(codes, guesses)
    return rows[doubted], classes[guesses[doubted].argmax(axis=1)]


def _sample(features: NDArray[np.float32], max_rows: int, seed: int) -> Integers:
    """Places of usable rows, sorted; classes come as they are, by chance."""
    if not features.shape[1]:
        return np.empty(0, np.int64)
    rows = np.flatnonzero(np.isfinite(features[:, 0]))  # one column says which are usable, without reading all
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))
    return rows[np.isfinite(features[rows]).all(axis=1)]


def _guesses(features: NDArray[np.float32], codes: Integers, folds: int, seed: int) -> Probabilities:
    """Probabilities `[rows, classes]`, each row's by a classifier that was fitted on the other folds."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    num_rows = len(features) - -(-len(features) // folds)
    kernels = _kernels(features, min(LANDMARKS, -(-num_rows // ROWS_PER_LANDMARK)), seed)
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    guesses: Probabilities = cross_val_predict(classifier, kernels, codes, cv=parts, method="predict_proba")
    return guesses


def _kernels(features: NDArray[np.float32], num_landmarks: int, seed: int) -> NDArray[np.float32]:
    """`[rows, landmarks]`: Gaussian kernels about some rows, which linear discriminants tell apart.

    Fitted on all rows, since no label takes part; computed a few at a time, for the memory's sake.
    """
    from sklearn.decomposition import PCA
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    num_rows, num_features = features.shape
    fitted = features[np.sort(np.random.default_rng(seed).permutation(num_rows)[:ROWS_OF_KERNELS])]
    made = make_pipeline(
        StandardScaler(),
        PCA(min(PRINCIPAL_COMPONENTS, *fitted.shape), svd_solver="covariance_eigh"),
        # two rows are on average 2 * num_features apart, squared
        Nystroem(gamma=0.2 / num_features, n_components=num_landmarks, random_state=seed),
    ).fit(fitted)
    kernels = np.empty((num_rows, num_landmarks), np.float32)
    for start in range(0, num_rows, ROWS_AT_ONCE):
        kernels[start : start + ROWS_AT_ONCE] = made.transform(features[start : start + ROWS_AT_ONCE])
    return kernels


def _calibrated(guesses: Probabilities, codes: Integers) -> Probabilities:
    """At the temperature that makes the labels most likely (https://arxiv.org/abs/1706.04599), some being wrong."""
    logs = np.log(np.maximum(guesses, 1e-30))

    def at(temperature: float) -> Probabilities:
        powers = np.exp((logs - logs.max(axis=1, keepdims=True)) / temperature)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def loss(temperature: float) -> float:
        likely = at(temperature)[np.arange(len(codes)), codes]
        return -float(np.log((1 - NOISE) * likely + NOISE / guesses.shape[1]).mean())

    return at(min(np.geomspace(*TEMPERATURES).tolist(), key=loss))


def _doubted(codes: Integers, guesses: Probabilities) -> Integers:
    """Places of rows, by confident learning (https://arxiv.org/abs/1911.00068)."""
    from cleanlab.filter import find_label_issues

    doubted = find_label_issues(codes, guesses, filter_by="confident_learning", n_jobs=1)
    is_other = guesses.argmax(axis=1) != codes
    return np.flatnonzero(doubted & is_other & (guesses.max(axis=1) >= MIN_CONFIDENCE))


class Suspect(NamedTuple):
    """A row whose label looks wrong."""

    row: int
    label: str
    suggested: str

    def finding(self) -> Finding:
        """What the report says."""
        return Finding(self.row, "label_error", f"labelled {self.label!r}, looks like {self.suggested!r}")


def suspects(facts: RowIndex, is_left: NDArray[np.bool_], options: Json) -> list[Suspect]:
    """Suspected label errors among the rows that are left, or a sample of `max_rows` of them.

    The sample are the rows of the smallest ids, which are hashes: random, and the same for ever. They are looked at
    in the order of their ids, so that the order of the source makes no difference.
    """
    features, codes = facts.scratch.open("features"), facts.scratch.open("labels")
    rows = np.flatnonzero(is_left & (codes >= 0))
    if not len(rows) or not features.shape[1]:
        return []
    rows = rows[np.argsort(facts.scratch.open("row_ids")[rows])][: options["max_rows"]]
    known = np.asarray(features[rows])
    del features  # the map of all rows' features, which would stay in memory beside what is computed from these
    is_known = np.isfinite(known).all(axis=1)
    rows, known = rows[is_known], known[is_known]
    # by name, not by appearance: the answer must not depend on the order of the rows' labels
    names = sorted(facts.labels)
    code_of = {name: code for code, name in enumerate(names)}
    to_sorted = np.array([code_of[label] for label in facts.labels])
    found, suggested = label_errors(known, to_sorted[codes[rows]], max_rows=options["max_rows"], folds=options["folds"])
    return [
        Suspect(int(rows[index]), facts.labels[int(codes[rows[index]])], names[code])
        for index, code in zip(found.tolist(), suggested.tolist(), strict=True)
    ]
