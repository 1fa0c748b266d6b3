"""Parts of the test rows on which two models differ, with intervals, and corrected for the number of parts."""

from __future__ import annotations

from math import erfc, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.comparison.aligned_rows import AlignedRows
from headrace.contracts import TaskName
from headrace.evaluation.comparison import Z_95_TWO_SIDED, difference_interval, proportion_difference_interval
from headrace.evaluation.diagnosis.worst_slices import SIGNIFICANCE, correct_by_holm
from headrace.evaluation.slice_definitions import MIN_ROWS
from headrace.evaluation.slices import SliceKey, Slices, tercile_slices
from headrace.storage.label_codec import decode_names

Floats = NDArray[np.float64]


class SliceChange(NamedTuple):
    """The metric on a part of the rows; the difference is the second model's value minus the first's."""

    column: str
    value: str
    rows: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    """Probability of a difference this large by chance, over all parts that were compared (Holm)."""
    effect: int
    """1 if the second model is better beyond chance, -1 if it is worse, 0 if neither is shown."""

    @property
    def name(self) -> str:
        """The column and the value."""
        return f"{self.column}={self.value}"


def find_changed_slices(rows: AlignedRows, task: TaskName, slices: Slices) -> list[SliceChange]:
    """Compares all parts of at least MIN_ROWS rows, also by class, label or third of the target; the clearest first.

    The metric is accuracy, or for regression the root mean square error, whose difference has the interval of its
    linear approximation (the delta method).
    """
    parts = {key: flags for key, flags in (_slice_by_target(rows, task) | dict(slices)).items() if not flags.all()}
    large = {key: flags for key, flags in parts.items() if flags.sum() >= MIN_ROWS}
    changes = [_compare_slice(key, flags, rows, task) for key, flags in large.items()]
    p_values = correct_by_holm(np.array([change.p for change in changes], np.float64))
    corrected = [
        change._replace(p=p, effect=change.effect if p < SIGNIFICANCE else 0)
        for change, p in zip(changes, p_values.tolist(), strict=True)
    ]
    return sorted(corrected, key=lambda change: (change.p, -abs(change.difference), change.name))


def _slice_by_target(rows: AlignedRows, task: TaskName) -> dict[SliceKey, NDArray[np.bool_]]:
    first = rows.first
    if not first.has("target"):
        thirds = [tercile_slices(name, first.read(f"target {name}").astype(np.float64)) for name in first.targets]
        return {key: flags for part in thirds for key, flags in part.items()}
    targets = first.read("target")
    if task == "regression":
        return tercile_slices("target", targets.astype(np.float64))
    if task == "classification":
        return {SliceKey("class", str(name)): np.asarray(targets == name) for name in np.unique(targets.astype(str))}
    labels = [frozenset(decode_names(text)) for text in targets]
    names = sorted(frozenset[str]().union(*labels))
    return {SliceKey("label", name): np.array([name in row for row in labels], bool) for name in names}


def _compare_slice(key: SliceKey, flags: NDArray[np.bool_], rows: AlignedRows, task: TaskName) -> SliceChange:
    outcomes = [each.outcomes[flags] for each in (rows.first, rows.second)]
    if task == "regression":
        values, interval = _compare_root_mean_squares(*outcomes)
    elif task == "multilabel":
        values = [float(1 - part.mean()) for part in outcomes]
        interval = difference_interval(outcomes[0], outcomes[1])
    else:
        values = [float(part.mean()) for part in outcomes]
        interval = proportion_difference_interval(outcomes[1] > 0, outcomes[0] > 0)
    difference, low, high = interval
    side = 0 if low <= 0 <= high else 1 if low > 0 else -1
    effect = -side if task == "regression" else side
    return SliceChange(
        *key, int(flags.sum()), values[0], values[1], difference, low, high, _find_p(low, high), effect
    )  # fmt: skip


def _compare_root_mean_squares(first: Floats, second: Floats) -> tuple[list[float], tuple[float, float, float]]:
    values = [sqrt(float(np.square(errors).mean())) for errors in (first, second)]
    # the derivative of a root mean square by each row's weight
    parts = [np.square(errors) / (2 * value or 1.0) for errors, value in zip((first, second), values, strict=True)]
    _, low, high = difference_interval(parts[1], parts[0])
    difference, slack = values[1] - values[0], (high - low) / 2
    return values, (difference, difference - slack, difference + slack)


def _find_p(low: float, high: float) -> float:
    """The two-sided p-value of no difference that belongs to a symmetric 95 % interval."""
    center, error = (low + high) / 2, (high - low) / (2 * Z_95_TWO_SIDED)
    if error == 0:
        return 1.0 if center == 0 else 0.0
    return erfc(abs(center) / error / sqrt(2))
