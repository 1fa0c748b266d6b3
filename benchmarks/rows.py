"""One measured row of the results table, and the size of a benchmark run."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Size = Literal["full", "quick"]
NUM_RUNS: dict[Size, int] = {"full": 3, "quick": 1}


@dataclass(frozen=True)
class Row:
    """A measured value with its target and the runs behind it."""

    name: str
    """`BENCHMARK` or `BENCHMARK: DETAIL`, where BENCHMARK is an argument of `python benchmarks/run.py`."""
    title: str
    value: float
    unit: str = ""
    target: float | None = None
    stretch_target: float | None = None
    lower_is_better: bool = False
    runs: dict[str, list[float]] = field(default_factory=dict)
    """Program -> the value of each run, in the order of the runs."""
    runs_unit: str = ""
    accuracies: dict[str, list[float]] = field(default_factory=dict)
    """Program -> accuracy on the test rows, for full-length trainings only."""
    conditions: dict[str, bool] = field(default_factory=dict)
    """Further requirements of the target -> whether they hold."""
    notes: str = ""
    """How it was measured, and what differs between the programs."""
    failure: str = ""
    """Why there is no value; empty if there is one."""

    @property
    def benchmark(self) -> str:
        """The benchmark that the row belongs to."""
        return self.name.partition(":")[0]

    @property
    def is_met(self) -> bool | None:
        """Whether the value reaches its target and all conditions hold; None without a target."""
        if self.failure:
            return False
        if self.target is None:
            return None
        reaches_target = self.value <= self.target if self.lower_is_better else self.value >= self.target
        return reaches_target and all(self.conditions.values())

    def to_json(self) -> dict[str, Any]:
        """Returns the fields, `benchmark` and `is_met`."""
        return asdict(self) | {"benchmark": self.benchmark, "is_met": self.is_met}


def row_from_json(values: dict[str, Any]) -> Row:
    """Returns the row that `to_json` wrote; other keys are ignored."""
    return Row(**{key: value for key, value in values.items() if key in Row.__dataclass_fields__})


def failed_row(name: str, reason: str) -> Row:
    """Returns the row of a benchmark that could not be measured."""
    return Row(name, name, 0.0, failure=reason)


def median_ratio(runs: dict[str, list[float]]) -> float:
    """Divides the median of the first program's runs by that of the second program's."""
    first, second = (statistics.median(values) for values in runs.values())
    return first / second
