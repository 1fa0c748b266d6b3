"""What a benchmark measured: one row of the table, and how large a run is."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Literal

Size = Literal["full", "quick"]
NUM_RUNS: dict[Size, int] = {"full": 3, "quick": 1}


@dataclass(frozen=True)
class Row:
    """One figure, its bar, and what it was made of."""

    name: str
    """What it is asked for by: `python benchmarks/run.py NAME`."""
    what: str
    figure: float
    unit: str = ""
    bar: float | None = None
    aim: float | None = None
    is_upper: bool = False
    """Whether the figure must not pass the bar, or must reach it."""
    runs: dict[str, list[float]] = field(default_factory=dict)
    """Program -> the values of its runs, in the order they were made."""
    runs_unit: str = ""
    accuracies: dict[str, list[float]] = field(default_factory=dict)
    """Program -> accuracy on the test rows, of the runs that were trained to their end."""
    conditions: dict[str, bool] = field(default_factory=dict)
    """What else must hold for the figure to count."""
    unequal: str = ""
    """What was not the same for both sides."""
    failure: str = ""
    """Why there is no figure."""

    @property
    def is_met(self) -> bool | None:
        """Whether figure and conditions hold; None where there is no bar."""
        if self.failure:
            return False
        if self.bar is None:
            return None
        is_right = self.figure <= self.bar if self.is_upper else self.figure >= self.bar
        return is_right and all(self.conditions.values())

    def as_json(self) -> dict:
        """Plain values."""
        return asdict(self) | {"is_met": self.is_met}


def row_of(values: dict) -> Row:
    """Of what `as_json` made; other keys are left out."""
    return Row(**{key: value for key, value in values.items() if key in Row.__dataclass_fields__})


def failed(name: str, reason: str) -> Row:
    """Stands where a figure could not be measured."""
    return Row(name, name, 0.0, failure=reason)


def ratio(runs: dict[str, list[float]]) -> float:
    """Median of the first program's runs by that of the second's."""
    first, second = (statistics.median(values) for values in runs.values())
    return first / second
