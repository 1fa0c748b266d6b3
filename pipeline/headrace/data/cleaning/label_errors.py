"""Labels that are probably wrong, by confident learning: cross-validated classifiers contradict them."""

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
"""Minimum probability of the suggested label.

A classifier that is often wrong would flag a third of all labels: on 5,000 small photographs, where it is right in
56 % of cases, 35 % were wrongly flagged without this bound and the calibration, and 1 % with them.
"""
NOISE = 0.05
"""Fraction of wrong labels that calibration assumes: with 0, a few wrong labels would flatten every probability."""
PRINCIPAL_COMPONENTS, LANDMARKS = 100, 300
KERNEL_FIT_ROWS, KERNEL_BATCH_ROWS = 5_000, 1_000
"""Rows that the kernels' scales and directions are fitted on, and rows that are transformed at once."""
ROWS_PER_LANDMARK = 5
"""With fewer, the discriminants memorise the rows."""
SHRINKAGE = 1e-3
TEMPERATURES = (0.25, 16.0, 49)
"""Lowest and highest temperature of the search, and how many: each is a ninth above the one before."""


class Suspect(NamedTuple):
    """A row whose label looks wrong."""

    row: int
    label: str
    suggested: str

    def finding(self) -> Finding:
        """Returns the finding for the report."""
        return Finding(self.row, "label_error", f"labelled {self.label!r}, looks like {self.suggested!r}")


def find_suspects(row_index: RowIndex, is_accepted: NDArray[np.bool_], options: Json) -> list[Suspect]:
    """Finds suspected label errors among the accepted rows, or among a sample of `max_rows` of them.

    The sample is the rows of the smallest ids. Ids are hashes, so the sample is random and never changes. Rows are
    checked in the order of their ids, so that the order of the source makes no difference.
    """
    features, codes = row_index.scratch.open("features"), row_index.scratch.open("labels")
    rows = np.flatnonzero(is_accepted & (codes >= 0))
    if not len(rows) or not features.shape[1]:
        return []
    rows = rows[np.argsort(row_index.scratch.open("row_ids")[rows])][: options["max_rows"]]
    sample = np.asarray(features[rows])
    del features  # unmaps the features of all rows, which would otherwise stay in memory during the computation
    is_finite = np.isfinite(sample).all(axis=1)
    rows, sample = rows[is_finite], sample[is_finite]
    # classes by name, not by appearance: the result must not depend on the order of the rows
    names = sorted(row_index.labels)
    code_of = {name: code for code, name in enumerate(names)}
    to_sorted = np.array([code_of[label] for label in row_index.labels])
    places, suggested = find_label_errors(
        sample, to_sorted[codes[rows]], max_rows=options["max_rows"], folds=options["folds"]
    )
    return [
        Suspect(int(rows[place]), row_index.labels[int(codes[rows[place]])], names[code])
        for place, code in zip(places.tolist(), suggested.tolist(), strict=True)
    ]


def find_label_errors(
    features: NDArray[np.float32], labels: Integers, *, max_rows: int, folds: int, seed: int = 0
) -> tuple[Integers, Integers]:
    """Returns the flagged rows, ascending, and the more probable class of each: int64 `[flagged]`.

    `features` `[rows, features]`: rows that are not finite are skipped, and so are classes of fewer rows than `folds`.
    Of more than `max_rows` rows a sample is checked. The same rows, settings and seed give the same result.
    """
    from threadpoolctl import threadpool_limits

    rows = _sample(features, max_rows, seed)
    rows = rows[np.bincount(labels[rows])[labels[rows]] >= folds]
    classes, codes = np.unique(labels[rows], return_inverse=True)
    if len(classes) < 2:  # noqa: PLR2004
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # one thread adds in a fixed order: the same result on any number of cores
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = features if len(rows) == len(features) else features[rows]  # copies only where rows are missing
        probabilities = _calibrate(_predict(sample, codes, folds, seed), codes)
        flagged = _flag_rows(codes, probabilities)
    return rows[flagged], classes[probabilities[flagged].argmax(axis=1)]


def _sample(features: NDArray[np.float32], max_rows: int, seed: int) -> Integers:
    """Positions of usable rows, sorted; not stratified."""
    if not features.shape[1]:
        return np.empty(0, np.int64)
    rows = np.flatnonzero(np.isfinite(features[:, 0]))  # one column shows which are usable, without reading all
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))
    return rows[np.isfinite(features[rows]).all(axis=1)]


def _predict(features: NDArray[np.float32], codes: Integers, folds: int, seed: int) -> Probabilities:
    """Probabilities `[rows, classes]`, each row's from a classifier that was fitted on the other folds."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    num_rows = len(features) - -(-len(features) // folds)
    kernels = _kernels(features, min(LANDMARKS, -(-num_rows // ROWS_PER_LANDMARK)), seed)
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    probabilities: Probabilities = cross_val_predict(classifier, kernels, codes, cv=splitter, method="predict_proba")
    return probabilities


def _kernels(features: NDArray[np.float32], num_landmarks: int, seed: int) -> NDArray[np.float32]:
    """`[rows, landmarks]`: Gaussian kernels around some rows, which linear discriminants can separate.

    Fitted on all folds, since labels take no part; computed in batches to save memory.
    """
    from sklearn.decomposition import PCA
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    num_rows, num_features = features.shape
    fit_rows = features[np.sort(np.random.default_rng(seed).permutation(num_rows)[:KERNEL_FIT_ROWS])]
    pipeline = make_pipeline(
        StandardScaler(),
        PCA(min(PRINCIPAL_COMPONENTS, *fit_rows.shape), svd_solver="covariance_eigh"),
        # the mean squared distance of two rows is 2 * num_features
        Nystroem(gamma=0.2 / num_features, n_components=num_landmarks, random_state=seed),
    ).fit(fit_rows)
    kernels = np.empty((num_rows, num_landmarks), np.float32)
    for start in range(0, num_rows, KERNEL_BATCH_ROWS):
        batch = slice(start, start + KERNEL_BATCH_ROWS)
        kernels[batch] = pipeline.transform(features[batch])
    return kernels


def _calibrate(probabilities: Probabilities, codes: Integers) -> Probabilities:
    """Temperature scaling (https://arxiv.org/abs/1706.04599) that allows for wrong labels."""
    logs = np.log(np.maximum(probabilities, 1e-30))

    def scale(temperature: float) -> Probabilities:
        powers = np.exp((logs - logs.max(axis=1, keepdims=True)) / temperature)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def loss(temperature: float) -> float:
        likelihoods = scale(temperature)[np.arange(len(codes)), codes]
        return -float(np.log((1 - NOISE) * likelihoods + NOISE / probabilities.shape[1]).mean())

    return scale(min(np.geomspace(*TEMPERATURES).tolist(), key=loss))


def _flag_rows(codes: Integers, probabilities: Probabilities) -> Integers:
    """Positions of rows, by confident learning (https://arxiv.org/abs/1911.00068)."""
    from cleanlab.filter import find_label_issues

    is_flagged = find_label_issues(codes, probabilities, filter_by="confident_learning", n_jobs=1)
    is_other = probabilities.argmax(axis=1) != codes
    return np.flatnonzero(is_flagged & is_other & (probabilities.max(axis=1) >= MIN_CONFIDENCE))
