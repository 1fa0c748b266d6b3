import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.contracts import CheckedBatch, Repaired, Spec
from headrace.data.table.cleaning.checker import TableChecker
from tests.data.table.cleaning.helpers import OPTIONS, Batches, batch_of, spec_of


def check(columns: dict[str, list], spec: Spec, options: dict) -> tuple[CheckedBatch, Repaired]:
    checker, batch = TableChecker(), batch_of(columns)
    survey = json.loads(json.dumps(checker.survey(Batches(batch), spec, options)))
    return checker.check_batch(batch, spec, survey, options), checker.repair(batch, spec, survey, options)


def test_check_batch_reports_every_kind_of_invalid_cell() -> None:
    numbers = [*map(str, range(20)), "x", "inf", "9999", " 5 ", None]
    dates = [f"2020-01-{day:02d}" for day in range(1, 21)] + ["2020-02-30", "1500-01-01", "soon", " ", None]
    columns = {"n": numbers, "d": dates}
    checked, _ = check(columns, spec_of(n="numeric", d="date"), OPTIONS)
    assert [tuple(finding)[:3] for finding in checked.findings] == [
        (20, "mixed_types", "n: 'x' is not a number"),
        (20, "impossible_date", "d: '2020-02-30' is not a valid date"),
        (21, "out_of_range", "n: 'inf' is beyond 1e+37"),
        (21, "impossible_date", "d: '1500-01-01' is outside the years 1677 to 2261"),
        (22, "outlier", "n: '9999' is 1347.6 robust deviations from the median 9.5"),
        (22, "impossible_date", "d: 'soon' is not a valid date"),
        (24, "empty", "no cell has a value"),
    ]
    assert checked.measures["n"].dtype == np.float32
    assert np.isnan(checked.measures["n"][[20, 21, 24]]).all()
    assert list(checked.measures) == ["n"]


def test_check_batch_keys_are_of_typed_cells() -> None:
    columns = {
        "n": ["1", "1.0", " 1e0", "2", None, "x", "0", "-0.0"],
        "c": ["a", " a ", "a", "a", "a", "a", "a", "a"],
    }  # fmt: skip
    keys = check(columns, spec_of(n="numeric", c="categorical"), OPTIONS)[0].keys
    assert keys.dtype == "S16"
    assert keys[0] == keys[1] == keys[2]
    assert keys[4] == keys[5]  # unparsable cells become missing
    assert keys[6] == keys[7]
    assert len(set(keys.tolist())) == 4


def test_check_batch_keys_distinguish_columns() -> None:
    columns = {"a": ["x", "y", "xy", None], "b": ["y", "x", None, "xy"]}
    assert len(set(check(columns, spec_of(a="categorical", b="categorical"), {})[0].keys.tolist())) == 4


@given(st.lists(st.tuples(st.sampled_from(["1", "2", None]), st.sampled_from(["a", "b", None])), min_size=1))
def test_check_batch_keys_are_equal_for_equal_rows(rows: list[tuple[str | None, str | None]]) -> None:
    numbers, words = zip(*rows, strict=True)
    checked, _ = check({"n": [*numbers], "c": [*words]}, spec_of(n="numeric", c="categorical"), OPTIONS)
    by_key = dict(zip(checked.keys.tolist(), rows, strict=True))
    assert [by_key[key] for key in checked.keys.tolist()] == rows
    assert len(by_key) == len(set(rows))
    assert [key == b"" for key in checked.keys.tolist()] == [row == (None, None) for row in rows]


def test_check_batch_empty_rows_have_no_features_and_no_key() -> None:
    checked, _ = check({"n": ["1", None, " "]}, spec_of(n="numeric"), {})
    assert np.isnan(checked.features).all(axis=1).tolist() == [False, True, True]
    assert checked.keys.tolist()[1:] == [b"", b""]
    assert checked.findings == []


def test_check_batch_without_columns_finds_nothing() -> None:
    checked, repaired = check({"ignored": ["1", "2"]}, spec_of(), OPTIONS)
    assert checked.findings == []
    assert checked.features.shape == checked.hashes.shape == (2, 0)
    assert repaired.batch["ignored"].to_pylist() == ["1", "2"]


def test_repair_types_every_column() -> None:
    columns = {
        "n": [" 1 ", "2.5", "x", ""], "d": ["2020-01-02 03:04", "31/12/2020", "no", None], "c": [" a ", "b", " ", None],
        "t": ["two  words ", "", "x", None],
    }  # fmt: skip
    spec = spec_of(n="numeric", d="date", c="categorical", t="text")
    _, repaired = check(columns, spec, OPTIONS)
    clean, raw = repaired.batch, batch_of(columns).schema
    assert clean.schema == TableChecker().clean_schema(raw, spec)
    assert clean.schema.names == raw.names
    assert clean["n"].to_pylist() == [1, 2.5, None, None]
    assert [str(cell) for cell in clean["d"].to_pylist()] == [
        "2020-01-02 03:04:00", "2020-12-31 00:00:00", "None", "None",
    ]  # fmt: skip
    assert clean["c"].to_pylist() == ["a", "b", None, None]
    assert clean["t"].to_pylist() == ["two  words", None, "x", None]
    assert repaired.originals == [None, None, '{"n": "x", "d": "no"}', None]


def test_emptied_cells_have_their_originals_though_the_checks_are_off() -> None:
    columns = {"n": ["1", "x", "inf"], "d": ["2020-01-01", "1300-01-01", "x"]}
    _, repaired = check(columns, spec_of(n="numeric", d="date"), {})
    assert repaired.batch["n"].to_pylist() == [1, None, None]
    assert [str(cell) for cell in repaired.batch["d"].to_pylist()] == [
        "2020-01-01 00:00:00", "1300-01-01 00:00:00", "None",
    ]  # fmt: skip
    assert repaired.originals == [None, '{"n": "x"}', '{"n": "inf", "d": "x"}']
    assert repaired.batch["n"].to_pylist() == [1, None, None]
    assert [cell and cell.year for cell in repaired.batch["d"].to_pylist()] == [2020, 1300, None]


def test_repair_reads_dates_in_the_order_of_the_whole_column() -> None:
    first, second = batch_of({"d": ["03/04/2020"] * 3}), batch_of({"d": ["12/25/2020", "05/06/2020", "01/02/2020"]})
    spec = spec_of(d="date")
    survey = TableChecker().survey(Batches(first, second), spec, OPTIONS)
    repaired = TableChecker().repair(first, spec, survey, OPTIONS)
    assert {cell.month for cell in repaired.batch["d"].to_pylist()} == {3}


def test_similarity_of_rows_is_zero() -> None:
    assert TableChecker().similarity(np.zeros((3, 0), np.uint8), np.zeros((3, 0), np.uint8)).tolist() == [0, 0, 0]


def test_texts_are_repaired_and_their_originals_stored() -> None:
    columns = {"body": ["fine", "<b>bold</b>", None], "n": [1, 2, 3]}
    checks = OPTIONS | {"markup": {}, "control_characters": {}}
    checked, repaired = check(columns, spec_of(body="text", n="numeric"), checks)
    assert [tuple(finding)[:3] for finding in checked.findings] == [(1, "markup", "body: 2 HTML tags, 0 entities")]
    assert repaired.batch.column("body").to_pylist() == ["fine", "bold", None]
    assert repaired.originals == [None, '{"body": "<b>bold</b>"}', None]
