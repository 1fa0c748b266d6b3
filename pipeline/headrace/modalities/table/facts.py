"""From counts and a sample to what the survey says of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.contracts import Column, Json, Spec
from headrace.modalities.table import codes, column_part, leakage
from headrace.modalities.table.column_part import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headrace.modalities.table.sample import Sample

    Floats = NDArray[np.float64]
    Codes = NDArray[np.uint64]

NORMAL_MAD = 1.4826
"""Of a normal distribution's standard deviation to its median absolute deviation (Rousseeuw & Croux, JASA 1993)."""
MAX_FREQUENT = 16
"""Frequent values of a column that rows are compared by."""


class Sampled(NamedTuple):
    """The sample of a table, `[rows]` a column."""

    quantities: dict[str, Floats]
    """Of numeric columns and dates."""
    codes: dict[str, Codes]
    targets: NDArray[Any]
    """Classification: codes of labels. Regression: float64 `[rows, targets]`, NaN where there is none."""

    @classmethod
    def of(cls, sample: Sample, spec: Spec) -> Sampled:
        """By the order in which the columns were stacked."""
        quantities, all_codes, targets = sample.rows()
        measured = [column.name for column in spec.columns if column.kind in {"numeric", "date"}]
        return cls(
            {name: quantities[:, index] for index, name in enumerate(measured)},
            {column.name: all_codes[:, index] for index, column in enumerate(spec.columns)},
            targets,
        )


def facts(part: Part, column: Column, sampled: Sampled) -> Json:
    """Plain JSON; figures of quantities are None where the column has none."""
    told: Json = {
        "missing": part.num_missing,
        "broken": part.num_broken,
        "distinct": column_part.num_distinct(part),
        "digest": f"{part.digest:016x}",
        "frequent": _frequent(sampled.codes[column.name]),
        "is_counting": part.is_counting,
        "is_whole": part.is_whole and part.low <= part.high,
    }
    if column.name not in sampled.quantities or part.low > part.high:
        return told | {"low": None, "high": None, "median": None, "mad": None, "spread": None}
    return told | {"low": part.low, "high": part.high} | _middle(sampled.quantities[column.name])


def _middle(quantities: Floats) -> Json:
    """Median, and two measures of spread; the second is never 0, for what is scaled by it."""
    import numpy as np

    values = quantities[~np.isnan(quantities)]
    if not len(values):  # there are some, but in no row of the sample
        return {"median": None, "mad": None, "spread": None}
    with np.errstate(over="ignore"):
        median = float(np.median(values))
        mad = float(np.median(np.abs(values - median)))
        spread = NORMAL_MAD * mad or float(np.std(values))
    is_usable = np.isfinite([median, mad, spread]).all() and spread > 0
    return {"median": median, "mad": mad, "spread": spread if is_usable else 1.0}


def _frequent(column: Codes) -> list[int]:
    """Codes of the most frequent cells, sorted."""
    import numpy as np

    values, counts = np.unique(column[column != codes.MISSING], return_counts=True)
    return sorted(values[np.argsort(-counts, kind="stable")[:MAX_FREQUENT]].tolist())


def scores(sampled: Sampled, spec: Spec) -> dict[str, float]:
    """How well each column tells the target, or one of several, in [0, 1]."""
    import numpy as np

    if spec.task == "regression":
        return {
            name: max(_correlation(sampled.quantities.get(name), column, targets) for targets in sampled.targets.T)
            for name, column in sampled.codes.items()
        }
    known = sampled.targets != codes.MISSING
    labels = np.unique(sampled.targets[known], return_inverse=True)[1].astype(np.int64)
    return {
        name: max(
            leakage.interval_score(sampled.quantities[name][known], labels) if name in sampled.quantities else 0.0,
            leakage.purity(column[known], labels),
        )
        for name, column in sampled.codes.items()
    }


def _correlation(quantities: Floats | None, column: Codes, targets: Floats) -> float:
    by_group = leakage.group_correlation(column, targets)
    return by_group if quantities is None else max(leakage.rank_correlation(quantities, targets), by_group)
