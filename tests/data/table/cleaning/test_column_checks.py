import numpy as np
import pyarrow as pa

from headrace.contracts import ColumnFinding, Spec
from headrace.data.table.cleaning.column_checks import check_columns
from headrace.data.table.cleaning.profile import profile_table
from tests.data.table.cleaning.helpers import OPTIONS, Batches, spec_of, table_of

RNG = np.random.default_rng(0)


def check(table: pa.Table, spec: Spec, **options) -> list[ColumnFinding]:
    survey = profile_table(Batches(*table.to_batches(64)), spec, OPTIONS)
    return check_columns(spec, survey, OPTIONS | options)


def test_constant_and_empty_columns() -> None:
    table = table_of({
        "one": ["x"] * 60, "none": [None] * 60, "words": ["abc"] * 60,
        "some": ["x", None] * 30, "spelled": ["1", "1.0"] * 30,
    })  # fmt: skip
    spec = spec_of(one="categorical", none="categorical", words="numeric", some="categorical", spelled="numeric")
    assert [finding[:3] for finding in check(table, spec)] == [
        ("one", "constant_column", "all 60 cells are the same"),
        ("none", "constant_column", "no cell of 60 has a value"),
        ("words", "constant_column", "no cell of 60 has a value that can be parsed"),
        ("some", "missing_cell", "30 of 60 cells (50.00%)"),
        ("spelled", "constant_column", "all 60 cells are the same"),
    ]


def test_columns_with_missing_cells_report_their_fraction() -> None:
    findings = check(table_of({"a": ["1", "2", None, "x"] * 20}), spec_of(a="numeric"))
    assert findings == [
        ("a", "missing_cell", "40 of 80 cells (50.00%), of which 20 cannot be parsed as numeric"),
    ]


def test_duplicate_columns_ignore_spelling() -> None:
    cells = RNG.integers(0, 9, 80).tolist()
    words = [f"word{cell}" for cell in cells]
    table = table_of({
        "a": cells, "b": [f" {cell}.0" for cell in cells], "c": [f"{cell}.00" for cell in cells],
        "w": words, "v": [word.upper() for word in words], "other": words[::-1],
    })  # fmt: skip
    spec = spec_of(a="numeric", b="numeric", c="categorical", w="categorical", v="categorical", other="categorical")
    assert [finding for finding in check(table, spec) if finding.check == "duplicate_column"] == [
        ("b", "duplicate_column", "the same cells as column 'a'"),
        ("c", "duplicate_column", "the same cells as column 'a'"),
        ("v", "duplicate_column", "the same cells as column 'w'"),
    ]


def test_id_columns() -> None:
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
    assert check(table, spec) == [
        ("name", "id_column", "100 distinct values in 100 rows (100%)"),
        ("PassengerId", "id_column", "counts the rows from 892 to 991"),
        ("customer_id", "id_column", "named as an id, and 100 distinct integers in 100 rows"),
    ]
    assert check(table.slice(0, 50), spec) == []  # too few rows
    share = {"id_column": {"max_share": 0.3}}
    assert ("town", "id_column", "40 distinct values in 100 rows (40%)") in check(table, spec, **share)


def test_columns_that_leak_the_class() -> None:
    labels = RNG.choice(["no", "perhaps", "yes"], 600).tolist()
    codes = np.array([["no", "perhaps", "yes"].index(label) for label in labels])
    table = table_of({
        "copy": [label.upper() for label in labels],
        "score": (codes + RNG.uniform(0, 0.5, 600)).tolist(),
        "fair": (codes + RNG.normal(0, 1, 600)).tolist(),
        "when": [f"{2000 + 3 * code}-01-{1 + row % 28:02d}" for row, code in enumerate(codes.tolist())],
    }, labels)  # fmt: skip
    spec = spec_of(copy="categorical", score="numeric", fair="numeric", when="date")
    assert [finding.column for finding in check(table, spec) if finding.check == "leakage"] == ["copy", "score", "when"]


def test_columns_that_leak_the_value() -> None:
    targets = RNG.lognormal(0, 1, 400)
    noisy = targets + RNG.normal(0, 1, 400)
    table = table_of({"in_cents": (targets * 100).tolist(), "noisy": noisy.tolist()}, [repr(float(t)) for t in targets])
    spec = spec_of("regression", in_cents="numeric", noisy="numeric")
    assert [finding.column for finding in check(table, spec)] == ["in_cents"]


def test_check_columns_with_checks_off_finds_nothing() -> None:
    table = table_of({"a": [None] * 60, "b": [*range(59), None]})
    spec = spec_of(a="numeric", b="categorical")
    assert check_columns(spec, profile_table(Batches(*table.to_batches()), spec, {}), {}) == []


def test_texts_are_no_ids() -> None:
    texts = [f"this is the text number {index}" for index in range(100)]
    table = table_of({"body": texts, "name": texts[::-1], "n": [index % 9 for index in range(100)]})
    findings = check(table, spec_of(body="text", name="categorical", n="numeric"))
    assert [finding[:2] for finding in findings] == [("name", "id_column")]
