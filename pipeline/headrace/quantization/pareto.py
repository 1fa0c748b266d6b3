"""The Pareto table: which graphs are dominated in quality, size and latency."""

from __future__ import annotations

from typing import NamedTuple

from headrace.contracts import Json
from headrace.evaluation.result import Table
from headrace.quantization.selection import Measured, Selection, compare_graphs


class ParetoRow(NamedTuple):
    """A graph among all that were measured."""

    name: str
    quality: float
    bytes: int
    latency_ms: float
    """Median time of one row."""
    latency_ratio: float
    """Multiple of fp32's time."""
    dominated_by: str | None
    """A graph that is better in one of quality, size and time beyond doubt, and in none of them worse."""

    def to_json(self, quality: str) -> Json:
        """Returns the row with the name of the quality metric as a key."""
        return {quality if key == "quality" else key: value for key, value in self._asdict().items()}


def make_pareto_table(selection: Selection) -> list[ParetoRow]:
    """Returns a row for each measured graph, the smallest first."""
    graphs = selection.measured
    rows = [
        ParetoRow(
            name,
            each.quality,
            each.metrics.bytes,
            each.metrics.latency_ms,
            each.metrics.latency_ratio.value,
            _find_dominating(name, graphs),
        )
        for name, each in graphs.items()
    ]
    return sorted(rows, key=lambda row: row.bytes)


def tabulate_graphs(selection: Selection) -> Table:
    """Returns the table for `dvc plots`."""
    columns = ["name", selection.quality, *ParetoRow._fields[2:]]
    return Table(columns, [tuple(row) for row in make_pareto_table(selection)])


def _find_dominating(name: str, graphs: dict[str, Measured]) -> str | None:
    for other, measured in graphs.items():
        signs = compare_graphs(measured, graphs[name])
        if min(signs) >= 0 and max(signs) > 0:
            return other
    return None
