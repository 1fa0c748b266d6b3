"""Cells that do not fit the kind of their column are reported by a check, and null afterwards."""

import json
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.table.cleaning.checker import TableChecker
from headrace.data.table.encoding.transform import TableTransform
from headrace.errors import ConfigError

OPTIONS = {name: rule.options for name, rule in resolve_rules({}, "table").items()}
NORMALIZE = {"max_categories": 64, "min_category_rows": 2, "num_quantiles": 32}
NUMBERS = [str(0.5 + row % 17) for row in range(80)]
DATES = [f"2020-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(80)]
WORDS = ["red" if row % 3 else "blue" for row in range(80)]


class Batches:
    """Batches of a table, processed in this process."""

    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self.batches = batches

    def map(self, work):
        return map(work, self.batches)


def table_of(cells: list[str | None], labels: list[str | None] | None = None) -> list[pa.RecordBatch]:
    """Raw rows with a column `bad` of these cells, and a column `good`."""
    ids = [blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(len(cells))]
    labels = labels or ["ab"[int(row_id[0], 16) % 2] for row_id in ids]
    columns = {"row_id": ids, "label": labels, "bad": cells, "good": [str(row % 7) for row in range(len(cells))]}
    return pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}).to_batches(32)


def spec_of(kind: str, task: str = "classification") -> Spec:
    columns = [Column(name="bad", kind=kind), Column(name="good", kind="numeric")]
    return Spec(modality="table", task=task, source="x", format="table", num_rows=80, columns=columns)


def clean_table(batches: list[pa.RecordBatch], spec: Spec, options: dict) -> tuple[list, list[pa.RecordBatch]]:
    """The findings and the clean batches; asserts what every later stage relies on."""
    checker = TableChecker()
    profile = json.loads(json.dumps(checker.survey(Batches(batches), spec, options), allow_nan=False))
    findings = list(checker.check_columns(spec, profile, options))
    clean = []
    for batch in batches:
        checked = checker.check_batch(batch, spec, profile, options)
        assert all("\n" not in finding.reason for finding in checked.findings)
        assert not np.isinf(checked.features).any()
        findings += checked.findings
        repaired = checker.repair(batch, spec, profile, options)
        assert repaired.batch.schema == checker.clean_schema(batch.schema, spec)
        clean.append(repaired.batch)
    return findings, clean


def check_stored(clean: list[pa.RecordBatch], spec: Spec) -> None:
    """Asserts that only missing cells are stored as NaN, with every scaling."""
    for scaling in ("standard", "robust", "quantile", "none"):
        transform = TableTransform().fit(Batches(clean), spec, NORMALIZE | {"scaling": scaling})
        json.dumps(transform, allow_nan=False)
        for entry in transform["inputs"]:
            assert entry["kind"] == "categorical" or entry["scale"] > 0
        columns = {column["name"]: column for column in transform["columns"]}
        for batch in clean:
            stored = TableTransform().apply(batch, transform)
            assert not np.isinf(stored).any()
            if "bad" in columns and columns["bad"]["kind"] != "categorical":
                assert np.isnan(stored[:, 0]).tolist() == batch["bad"].is_null().to_pylist()


CASES = {
    "words among numbers": ("numeric", ["n/k", "abc", "-"], "mixed_types"),
    "thousands separators": ("numeric", ["1,234", "1.234,5", "1 000"], "mixed_types"),
    "percent and currency": ("numeric", ["12%", "$5", "3 EUR"], "mixed_types"),
    "two numbers in a cell": ("numeric", ["1;2", "1/2", "1-2"], "mixed_types"),
    "other digits and signs": ("numeric", ["\u0661\u0662", "\u22125", "\u00bd"], "mixed_types"),
    "NUL and control characters": ("numeric", ["1\x00", "\x1b[31m", "1\n2"], "mixed_types"),
    "infinite": ("numeric", ["inf", "-Infinity", "+inf"], "out_of_range"),
    "too large for float64": ("numeric", ["1e400", "-1e999", "9" * 400], "out_of_range"),
    "too large for float32": ("numeric", ["1e308", "-1e308", "3.4028235e38"], "out_of_range"),
    "days that no month has": ("date", ["2020-02-30", "2021-02-29", "2020-04-31"], "impossible_date"),
    "months that no year has": ("date", ["2020-13-01", "13/13/2020", "2020-00-01"], "impossible_date"),
    "times that no day has": (
        "date",
        ["2020-01-01 25:00", "2020-01-01 10:61", "2020-01-01T10:00:99"],
        "impossible_date",
    ),
    "years out of range": ("date", ["9999-12-31", "0001-01-01", "0000-00-00"], "impossible_date"),
    "words among dates": ("date", ["soon", "Q3 2020", "44197"], "impossible_date"),
    "rows without a cell": ("numeric", [None, "", "nan"], "missing_cell"),
    "white space": ("categorical", [" ", "\t", "\u00a0"], "missing_cell"),
}


@pytest.mark.parametrize("name", CASES)
def test_invalid_cells_are_reported_and_become_null(name: str) -> None:
    kind, broken, check = CASES[name]
    good = {"numeric": NUMBERS, "date": DATES, "categorical": WORDS}[kind]
    batches, spec = table_of([*good, *broken]), spec_of(kind)
    findings, clean = clean_table(batches, spec, OPTIONS)
    cells = [cell for batch in clean for cell in batch["bad"].to_pylist()]
    assert None not in cells[:80]
    if check == "missing_cell":
        assert ("bad", check, "3 of 83 cells (3.61%)") in findings
    else:
        reported = [finding for finding in findings if finding.check == check]
        assert [finding.row for finding in reported] == [16, 17, 18]
    assert cells[80:] == [None] * 3
    check_stored(clean, spec)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [("numeric", [None] * 80), ("numeric", ["x"] * 80), ("numeric", ["inf"] * 80), ("date", ["2020-02-30"] * 80),
     ("categorical", [""] * 80)],
    ids=["missing", "words", "infinite", "no dates", "blank"],
)  # fmt: skip
def test_columns_without_values_are_reported_and_dropped(kind: str, cells: list[str | None]) -> None:
    findings, clean = clean_table(table_of(cells), spec_of(kind), OPTIONS)
    assert ("bad", "constant_column") in {tuple(finding[:2]) for finding in findings}
    assert set(clean[0]["bad"].to_pylist()) == {None}
    transform = TableTransform().fit(Batches(clean), spec_of(kind), NORMALIZE | {"scaling": "standard"})
    assert [column["name"] for column in transform["left_out"]] == ["bad"]


@pytest.mark.parametrize(
    "cells",
    [["5e-324", "1e-310", "0"], ["1e30", "-1e30", "0"], ["1e15", "1000000000000001", "1e15"], ["0.1", "0.1", "0.1"]],
    ids=["almost nothing", "beyond squares in float32", "alike in float32", "constant"],
)
def test_numbers_at_the_edge_of_float32(cells: list[str]) -> None:
    spec = spec_of("numeric")
    _, clean = clean_table(table_of(cells * 20), spec, {})
    check_stored(clean, spec)


@pytest.mark.parametrize(
    "cells",
    [["<b>", "&amp;", "\x00"], ["\U0001f600" * 50, "x" * 100_000, "'\";--"], ["a", "A", "\u00e4"]],
    ids=["markup", "long", "accents"],
)
def test_categories_may_be_anything(cells: list[str]) -> None:
    spec = spec_of("categorical")
    _, clean = clean_table(table_of(cells * 20), spec, OPTIONS)
    assert set(clean[0]["bad"].to_pylist()) == set(cells)
    check_stored(clean, spec)


@pytest.mark.parametrize(
    ("task", "labels"),
    [("classification", ["only"] * 80), ("classification", [None] * 80),
     ("classification", [str(row) for row in range(80)]), ("regression", ["nan", "inf", "x", None] * 20),
     ("regression", ["1"] * 80), ("regression", ["1e308", "-1e308"] * 40)],
    ids=["one class", "no labels", "one class per row", "no numbers", "one number", "huge numbers"],
)  # fmt: skip
def test_labels_without_information_give_no_findings(task: str, labels: list[str | None]) -> None:
    findings, _ = clean_table(table_of(NUMBERS, labels), spec_of("numeric", task), OPTIONS)
    assert findings == []


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            {"bda": [0, 1]},
            r"ranges: 'bda' is not a numeric column; choose one of \['bad', 'good'\] \(did you mean 'bad'\?\)",
        ),
        ({"bad": [1, 0]}, r"ranges\.bad: got \[1, 0\]; must be \[low, high\]; null means no limit"),
        ({"bad": [0]}, r"ranges\.bad: got \[0\]; must be"),
        ({"bad": ["0", "1"]}, r"ranges\.bad: got \['0', '1'\]; must be"),
        ({"bad": 5}, r"ranges\.bad: got 5; must be"),
        ({"bad": [True, False]}, r"ranges\.bad: got \[True, False\]; must be"),
    ],
)
def test_invalid_ranges_raise(ranges: object, message: str) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: clean\.checks\.out_of_range\." + message):
        clean_table(table_of(NUMBERS), spec_of("numeric"), {"out_of_range": {"ranges": ranges}})


def test_single_row() -> None:
    spec = spec_of("numeric")
    findings, clean = clean_table(table_of(["3"]), spec, OPTIONS)
    assert [finding.check for finding in findings] == ["constant_column"] * 2
    check_stored(clean, spec)
