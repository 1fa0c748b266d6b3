"""Metrics of two models on the same rows, with the difference and its 95 % interval.

Intervals are paired: both models answered the same rows, and most of the chance that made a test row easy or hard
cancels out. Means over rows have the interval of the mean difference by row, areas under curves that of the difference
of the rows' influence, and all others the bootstrap, with the same drawn rows for both models.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.comparison.aligned_rows import AlignedRows, Answers
from headrace.contracts import TaskName
from headrace.evaluation.comparison import Z_95_TWO_SIDED, difference_interval, proportion_difference_interval
from headrace.evaluation.metrics.bootstrap import percentile_interval, resample_sums
from headrace.evaluation.metrics.intervals import macro_f1_of_sums
from headrace.evaluation.metrics.ranking import Rank, area_under_roc, average_precision
from headrace.evaluation.multi_target_regression import metric_suffixes
from headrace.storage.label_codec import decode_names

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SMALLEST_PROBABILITY = 1e-12
MAX_RANKED = 100
"""Classes up to which the areas under curves are computed."""
SEED = 0


class PairedMetric(NamedTuple):
    """A metric of both models; the difference is the second's value minus the first's."""

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    is_higher_better: bool = True
    is_share: bool = True
    """Whether it lies in 0 to 1, so that differences are shown in points (hundredths)."""

    @property
    def effect(self) -> int:
        """1 if the second model is better beyond chance, -1 if it is worse, 0 if neither is shown."""
        if self.low <= 0 <= self.high:
            return 0
        return 1 if (self.low > 0) == self.is_higher_better else -1


def measure_paired(rows: AlignedRows, task: TaskName) -> list[PairedMetric]:
    """Returns the metrics that the stored answers allow; the first decides. Needs at least two rows."""
    measure = {"classification": _measure_classes, "multilabel": _measure_labels, "regression": _measure_values}[task]
    return measure(rows)


def _measure_classes(rows: AlignedRows) -> list[PairedMetric]:
    first, second = rows.first, rows.second
    metrics = [_compare_shares("accuracy", first.outcomes, second.outcomes)]
    if first.has("predicted", "target") and second.has("predicted"):
        columns = [first.read("target"), first.read("predicted"), second.read("predicted")]
        classes, codes = np.unique(np.concatenate(columns).astype(str), return_inverse=True)
        targets, *predicted = np.split(codes, len(columns))
        metrics.append(_compare_f1("macro_f1", targets, predicted, len(classes)))
    if first.classes and first.classes == second.classes and first.has("target"):
        places = {name: index for index, name in enumerate(first.classes)}
        positions = np.array([places.get(name, -1) for name in first.read("target")])
        one_hot = np.asarray(positions[:, None] == np.arange(len(places)))
        metrics += _compare_rankings({"auroc": area_under_roc}, first.probabilities, second.probabilities, one_hot)
        losses = [_log_loss(each.probabilities[np.arange(len(rows)), positions]) for each in (first, second)]
        metrics.append(_compare_means("log_loss", *losses, is_higher_better=False, is_share=False))
    return metrics


def _measure_labels(rows: AlignedRows) -> list[PairedMetric]:
    first, second = rows.first, rows.second
    metrics = []
    if first.has("predicted", "target") and second.has("predicted"):
        lists = [[decode_names(text) for text in column] for column in _read_label_columns(first, second)]
        labels = sorted({name for column in lists for names in column for name in names})
        targets, *predicted = (_flag_labels(column, labels) for column in lists)
        metrics += _compare_label_f1(targets, predicted)
        is_exact = [(flags == targets).all(axis=1).astype(np.float64) for flags in predicted]
        metrics.append(_compare_shares("exact_match", *is_exact))
        if first.classes and first.classes == second.classes:
            flags = _flag_labels(lists[0], first.classes)
            ranks = {"mean_average_precision": average_precision, "auroc": area_under_roc}
            metrics += _compare_rankings(ranks, first.probabilities, second.probabilities, flags)
    metrics.append(_compare_means("accuracy", 1 - first.outcomes, 1 - second.outcomes))
    return metrics


def _measure_values(rows: AlignedRows) -> list[PairedMetric]:
    first, second = rows.first, rows.second
    if not first.targets:
        targets = first.read("target").astype(np.float64) if first.has("target") else None
        return _compare_errors("", first.outcomes, second.outcomes, targets)
    metrics = _compare_errors("", first.outcomes, second.outcomes, None)[:1]  # errors by row have no sign here
    for name, suffix in zip(first.targets, metric_suffixes(first.targets), strict=True):
        if second.has(f"predicted {name}"):
            targets = first.read(f"target {name}")
            errors = [each.read(f"predicted {name}") - targets for each in (first, second)]
            metrics += _compare_errors(f"_{suffix}", errors[0], errors[1], targets)
    return metrics


def _compare_means(
    name: str, first: Floats, second: Floats, *, is_higher_better: bool = True, is_share: bool = True
) -> PairedMetric:
    interval = difference_interval(second, first)
    return PairedMetric(name, float(first.mean()), float(second.mean()), *interval, is_higher_better, is_share)


def _compare_shares(name: str, first: Floats, second: Floats) -> PairedMetric:
    """The shares of rows that are right: 1 or 0 by row."""
    interval = proportion_difference_interval(second > 0, first > 0)
    return PairedMetric(name, float(first.mean()), float(second.mean()), *interval)


def _compare_f1(
    name: str, targets: NDArray[np.intp], predicted: list[NDArray[np.intp]], num_classes: int
) -> PairedMetric:
    from scipy.sparse import csr_array, hstack

    rows, ones = np.arange(len(targets)), np.ones(len(targets))

    def indicate(classes: NDArray[np.intp], values: Floats) -> csr_array:
        return csr_array((values, (rows, classes)), shape=(len(targets), num_classes))

    columns = [
        part
        for each in predicted
        for part in (
            indicate(targets, (each == targets).astype(np.float64)),
            indicate(targets, ones) + indicate(each, ones),
        )
    ]
    return _bootstrap_f1(name, hstack(columns, format="csr"), num_classes)


def _compare_label_f1(targets: Bools, predicted: list[Bools]) -> list[PairedMetric]:
    """`[rows, labels]` flags."""
    columns = [part for each in predicted for part in (each & targets, each.astype(np.float64) + targets)]
    totals = [part.sum(axis=1, keepdims=True, dtype=np.float64) for part in columns]
    micro = _bootstrap_f1("micro_f1", np.hstack(totals), 1)
    return [micro, _bootstrap_f1("macro_f1", np.hstack(columns), targets.shape[1])]


def _bootstrap_f1(name: str, columns: object, num_classes: int) -> PairedMetric:
    """`[rows, 4 * classes]`: hits and occurrences of the first model, then of the second."""
    observed = np.asarray(columns.sum(axis=0), np.float64)[None]  # type: ignore[attr-defined]
    values = [_f1_of_models(sums, num_classes) for sums in (observed, resample_sums(columns, seed=SEED))]
    (first, second), resampled = (float(part[0]) for part in values[0]), values[1][1] - values[1][0]
    low, high = percentile_interval(second - first, resampled)
    return PairedMetric(name, first, second, second - first, low, high)


def _f1_of_models(sums: Floats, num_classes: int) -> tuple[Floats, Floats]:
    parts = np.split(sums, [num_classes, 2 * num_classes, 3 * num_classes], axis=1)
    return macro_f1_of_sums(parts[0], parts[1]), macro_f1_of_sums(parts[2], parts[3])


def _compare_errors(suffix: str, first: Floats, second: Floats, targets: Floats | None) -> list[PairedMetric]:
    """Root mean square error, mean absolute error and R2, if the targets are known, of errors by row."""
    squares = [np.square(errors) for errors in (first, second)]
    centered = np.zeros(len(first)) if targets is None else targets - targets.mean()
    sums = resample_sums(np.column_stack([*squares, np.square(centered), centered]), seed=SEED)
    means = sums / len(first)
    values = [float(np.sqrt(part.mean())) for part in squares]
    ends = percentile_interval(values[1] - values[0], np.sqrt(means[:, 1]) - np.sqrt(means[:, 0]))
    metrics = [
        PairedMetric(f"rmse{suffix}", values[0], values[1], values[1] - values[0], ends[0], ends[1], False, False)
    ]
    absolute = [np.abs(errors) for errors in (first, second)]
    metrics.append(_compare_means(f"mae{suffix}", *absolute, is_higher_better=False, is_share=False))
    total = float(np.square(centered).mean())
    if total > 0:
        shares = [1 - float(part.mean()) / total for part in squares]
        variance = means[:, 2] - np.square(means[:, 3])
        resampled = (means[:, 0] - means[:, 1]) / np.where(variance > 0, variance, total)
        ends = percentile_interval(shares[1] - shares[0], resampled)
        difference = shares[1] - shares[0]
        metrics.append(PairedMetric(f"r2{suffix}", shares[0], shares[1], difference, ends[0], ends[1], True, False))
    return metrics


def _compare_rankings(ranks: Mapping[str, Rank], first: Floats, second: Floats, flags: Bools) -> list[PairedMetric]:
    """Means over the classes `[rows, classes]` whose flags vary; none for very many classes."""
    columns = np.flatnonzero(flags.any(axis=0) & ~flags.all(axis=0))
    if not 0 < len(columns) <= MAX_RANKED:
        return []
    return [
        _compare_ranking(name, rank, first[:, columns], second[:, columns], flags[:, columns])
        for name, rank in ranks.items()
    ]


def _compare_ranking(name: str, rank: Rank, first: Floats, second: Floats, flags: Bools) -> PairedMetric:
    pairs = [[rank(scores[:, at], flags[:, at]) for at in range(flags.shape[1])] for scores in (first, second)]
    values = [float(np.mean([metric.value for metric in metrics])) for metrics in pairs]
    influence = np.mean([b.influence - a.influence for a, b in zip(*pairs, strict=True)], axis=0)
    difference, slack = values[1] - values[0], Z_95_TWO_SIDED * sqrt(float(np.square(influence).sum())) / len(flags)
    return PairedMetric(name, values[0], values[1], difference, difference - slack, difference + slack)


def _log_loss(probabilities: Floats) -> Floats:
    return np.asarray(-np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)))


def _read_label_columns(first: Answers, second: Answers) -> list[NDArray[np.object_]]:
    return [first.read("target"), first.read("predicted"), second.read("predicted")]


def _flag_labels(rows: list[list[str]], labels: list[str]) -> Bools:
    """`[rows, labels]`: which labels each row has."""
    places = {name: index for index, name in enumerate(labels)}
    flags = np.zeros((len(rows), len(labels)), bool)
    pairs = [(row, places[name]) for row, names in enumerate(rows) for name in names if name in places]
    if pairs:
        flags[tuple(np.array(pairs).T)] = True
    return flags
