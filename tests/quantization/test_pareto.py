"""The Pareto table: a graph is dominated only by one that is nowhere worse and somewhere better, beyond doubt."""

import numpy as np

from headrace.quantization.benchmark import GraphMetrics, Interval
from headrace.quantization.pareto import make_pareto_table, tabulate_graphs
from headrace.quantization.selection import Measured, Selection, SelectionLimits, select_candidate


def measured(num_bytes: int, low: float, high: float, *, wrong: int = 0) -> Measured:
    correct = np.ones(1000)
    correct[1000 - wrong :] = 0
    return Measured(GraphMetrics(num_bytes, low, 10.0, Interval((low + high) / 2, low, high), 9.0), correct, 0.99, 0.0)


def select(**candidates: Measured) -> Selection:
    limits = SelectionLimits(max_loss=0.005, max_latency=1.25, max_size=0.6)
    graphs = {"fp32": measured(1000, 1.0, 1.0), **candidates}
    return select_candidate(graphs, {"broken": "could not be made"}, limits=limits, quality="accuracy")


def test_rows_say_which_graph_dominates() -> None:
    selection = select(
        small=measured(260, 0.95, 1.05),
        quick=measured(270, 0.4, 0.5),
        slow=measured(400, 1.5, 1.6),
        wrong=measured(270, 0.4, 0.5, wrong=300),
        quickest=measured(270, 0.2, 0.3, wrong=300),
    )
    rows = {row.name: row for row in make_pareto_table(selection)}
    assert list(rows) == ["small", "quick", "wrong", "quickest", "slow", "fp32"]
    dominated = {name: row.dominated_by for name, row in rows.items()}
    assert dominated == {
        "small": "quick", "quick": None, "wrong": "quick", "quickest": None, "slow": "small", "fp32": "small",
    }  # fmt: skip
    assert rows["wrong"].to_json("accuracy") == {
        "name": "wrong", "accuracy": 0.7, "bytes": 270, "latency_ms": 0.4, "latency_ratio": 0.45,
        "dominated_by": "quick",
    }  # fmt: skip


def test_differences_within_the_noise_dominate_nothing() -> None:
    selection = select(first=measured(260, 0.8, 1.0, wrong=3), second=measured(265, 0.75, 0.95, wrong=2))
    assert {row.name: row.dominated_by for row in make_pareto_table(selection)} == {
        "first": None, "second": None, "fp32": "first",
    }  # fmt: skip


def test_table_for_plots_has_the_name_of_the_metric() -> None:
    table = tabulate_graphs(select(small=measured(260, 0.95, 1.05)))
    assert table.columns == ["name", "accuracy", "bytes", "latency_ms", "latency_ratio", "dominated_by"]
    assert [row[0] for row in table.rows] == ["small", "fp32"]
