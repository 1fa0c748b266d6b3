import json
import random
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, ColumnFinding, Spec
from headrace.data.cleaning.checks import rules
from headrace.data.table import row_sample
from headrace.data.table.cleaning import column_counts
from headrace.data.table.cleaning.checker import TableExaminer
from headrace.errors import DataError

OPTIONS = {name: rule.options for name, rule in rules({}, "table").items()}
RNG = np.random.default_rng(0)


class Batches:
    """Rows of a table in batches, on the engine of this process."""

    def __init__(self, table: pa.Table, size: int = 64) -> None:
        self.batches = table.to_batches(max_chunksize=size)

    def map(self, work):
        return map(work, self.batches)


def table_of(columns: dict, labels: list[str | None] | None = None) -> pa.Table:
    num_rows = len(next(iter(columns.values())))
    ids = [blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(num_rows)]
    labels = labels or ["ab"[int(row_id[0], 16) % 2] for row_id in ids]
    arrays = [
        pa.array([None if cell is None else str(cell) for cell in cells], pa.string()) for cells in columns.values()
    ]
    return pa.table([pa.array(ids), pa.array(labels, pa.string()), *arrays], names=["row_id", "label", *columns])


def spec_of(task: str = "classification", num_rows: int = 0, **kinds: str) -> Spec:
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return Spec(modality="table", task=task, source="x", format="table", num_rows=num_rows, columns=columns)


def surveyed(table: pa.Table, spec: Spec, size: int = 64) -> dict:
    return TableExaminer().survey(Batches(table, size), spec, OPTIONS)


def found(table: pa.Table, spec: Spec, **options) -> list[ColumnFinding]:
    return TableExaminer().columns(spec, surveyed(table, spec), OPTIONS | options)


def test_survey_counts_and_middles_are_those_of_numpy() -> None:
    values = RNG.lognormal(3, 1, 500)
    cells = [*values.tolist(), *[None] * 20, "x", " ", "inf"]
    facts = surveyed(table_of({"a": cells}), spec_of(a="numeric"))["columns"]["a"]
    assert (facts["missing"], facts["broken"], facts["distinct"]) == (22, 1, 501)
    assert (facts["low"], facts["high"], facts["median"]) == (values.min(), values.max(), np.median(values))
    assert facts["mad"] == np.median(np.abs(values - np.median(values)))
    assert not facts["is_whole"]


def test_survey_is_plain_json_and_does_not_depend_on_order_or_batches() -> None:
    table = table_of({
        "n": [*RNG.normal(size=297).tolist(), None, "x", "inf"],
        "c": [f"value {RNG.integers(40)}" for _ in range(300)],
        "d": [f"{1 + row % 28}/{1 + row % 12}/2020" for row in range(300)],
        "t": [f"some words {row}" for row in range(300)],
    })  # fmt: skip
    spec = spec_of(n="numeric", c="categorical", d="date", t="text")
    whole = surveyed(table, spec)
    json.dumps(whole, allow_nan=False)
    order = list(range(300))
    random.Random(0).shuffle(order)
    assert surveyed(table.take(order), spec, size=7) == whole


def test_survey_samples_the_same_rows_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "MAX_ROWS", 1000)
    table = table_of({"n": RNG.normal(size=12_000).tolist()})
    spec = spec_of(num_rows=12_000, n="numeric")
    whole = surveyed(table, spec, size=500)["columns"]["n"]
    assert surveyed(table.slice(6000), spec)["columns"]["n"] != whole
    assert surveyed(pa.concat_tables([table.slice(6000), table.slice(0, 6000)]), spec)["columns"]["n"] == whole
    exact = np.median(table["n"].to_numpy().astype(float))
    assert whole["median"] != exact
    assert whole["median"] == pytest.approx(exact, abs=0.1)


def test_survey_estimates_many_distinct_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_counts, "MAX_DISTINCT", 1000)
    cells = [row % 5000 for row in range(10_000)]
    facts = surveyed(table_of({"n": cells, "c": cells}), spec_of(n="numeric", c="categorical"))["columns"]
    assert facts["n"]["distinct"] == pytest.approx(5000, rel=0.1)
    assert facts["c"]["distinct"] == pytest.approx(5000, rel=0.1)


def test_survey_without_rows_is_told() -> None:
    with pytest.raises(DataError, match=r"data/raw: no rows"):
        surveyed(table_of({"a": []}), spec_of(a="numeric"))


def test_columns_constant_and_all_missing() -> None:
    table = table_of({
        "one": ["x"] * 60, "none": [None] * 60, "words": ["abc"] * 60,
        "some": ["x", None] * 30, "spelled": ["1", "1.0"] * 30,
    })  # fmt: skip
    spec = spec_of(one="categorical", none="categorical", words="numeric", some="categorical", spelled="numeric")
    assert [finding[:3] for finding in found(table, spec)] == [
        ("one", "constant_column", "all 60 cells are the same"),
        ("none", "constant_column", "no cell of 60 has a value"),
        ("words", "constant_column", "no cell of 60 has a value that can be read"),
        ("some", "missing_cell", "30 of 60 cells (50.00%)"),
        ("spelled", "constant_column", "all 60 cells are the same"),
    ]


def test_columns_missing_cells_tell_their_share() -> None:
    findings = found(table_of({"a": ["1", "2", None, "x"] * 20}), spec_of(a="numeric"))
    assert findings == [
        ("a", "missing_cell", "40 of 80 cells (50.00%), of which 20 cannot be read as numeric"),
    ]


def test_columns_repeated_up_to_spelling() -> None:
    cells = RNG.integers(0, 9, 80).tolist()
    words = [f"word{cell}" for cell in cells]
    table = table_of({
        "a": cells, "b": [f" {cell}.0" for cell in cells], "c": [f"{cell}.00" for cell in cells],
        "w": words, "v": [word.upper() for word in words], "other": words[::-1],
    })  # fmt: skip
    spec = spec_of(a="numeric", b="numeric", c="categorical", w="categorical", v="categorical", other="categorical")
    assert [finding for finding in found(table, spec) if finding.check == "duplicate_column"] == [
        ("b", "duplicate_column", "the same cells as column 'a'"),
        ("c", "duplicate_column", "the same cells as column 'a'"),
        ("v", "duplicate_column", "the same cells as column 'w'"),
    ]


def test_columns_ids() -> None:
    rows = range(100)
    shuffled = RNG.permutation(100).tolist()
    table = table_of({
        "name": [f"person {row}" for row in rows], "PassengerId": [row + 892 for row in rows], "rank": shuffled,
        "customer_id": [7 * row + 3 for row in shuffled], "width": RNG.normal(size=100).tolist(),
        "town": [row % 40 for row in rows], "paid": [row % 5 for row in rows],
    })  # fmt: skip
    spec = spec_of(
        name="categorical", PassengerId="numeric", rank="numeric", customer_id="numeric", width="numeric",
        town="categorical", paid="numeric",
    )  # fmt: skip
    assert found(table, spec) == [
        ("name", "id_column", "100 distinct values in 100 rows (100%)"),
        ("PassengerId", "id_column", "numbers the rows from 892 to 991"),
        ("customer_id", "id_column", "named as an id, and 100 distinct whole numbers in 100 rows"),
    ]
    assert found(table.slice(0, 50), spec) == []  # too few rows to tell
    share = {"id_column": {"max_share": 0.3}}
    assert ("town", "id_column", "40 distinct values in 100 rows (40%)") in found(table, spec, **share)


def test_columns_that_tell_the_class() -> None:
    labels = RNG.choice(["no", "perhaps", "yes"], 600).tolist()
    places = np.array([["no", "perhaps", "yes"].index(label) for label in labels])
    table = table_of({
        "copy": [label.upper() for label in labels],
        "score": (places + RNG.uniform(0, 0.5, 600)).tolist(),
        "fair": (places + RNG.normal(0, 1, 600)).tolist(),
        "when": [f"{2000 + 3 * place}-01-{1 + row % 28:02d}" for row, place in enumerate(places.tolist())],
    }, labels)  # fmt: skip
    spec = spec_of(copy="categorical", score="numeric", fair="numeric", when="date")
    assert [finding.column for finding in found(table, spec) if finding.check == "leakage"] == ["copy", "score", "when"]


def test_columns_that_tell_the_value() -> None:
    targets = RNG.lognormal(0, 1, 400)
    noisy = targets + RNG.normal(0, 1, 400)
    table = table_of({"in_cents": (targets * 100).tolist(), "noisy": noisy.tolist()}, [repr(float(t)) for t in targets])
    spec = spec_of("regression", in_cents="numeric", noisy="numeric")
    assert [finding.column for finding in found(table, spec)] == ["in_cents"]


def test_columns_checks_that_are_off_find_nothing() -> None:
    table = table_of({"a": [None] * 60, "b": [*range(59), None]})
    spec = spec_of(a="numeric", b="categorical")
    survey = TableExaminer().survey(Batches(table), spec, {})
    assert TableExaminer().columns(spec, survey, {}) == []
