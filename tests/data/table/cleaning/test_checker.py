import json
import pickle
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contracts import CheckedBatch, Column, Repaired, Spec
from headrace.data.cleaning.checks import rules
from headrace.data.table.cleaning.checker import TableExaminer

OPTIONS = {name: rule.options for name, rule in rules({}, "table").items()}


class Batches:
    """One batch of rows, on the engine of this process."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.batches = batches

    def map(self, work):
        return map(pickle.loads(pickle.dumps(work)), self.batches)


def batch_of(columns: dict[str, list[str | None]]) -> pa.RecordBatch:
    num_rows = len(next(iter(columns.values())))
    ids = [blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(num_rows)]
    arrays = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    return pa.record_batch({"row_id": ids, "label": pa.nulls(num_rows, pa.string()), **arrays})


def spec_of(**kinds: str) -> Spec:
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return Spec(modality="table", task="classification", source="x", format="table", num_rows=0, columns=columns)


def looked_at(batch: pa.RecordBatch, spec: Spec, options: dict) -> tuple[CheckedBatch, Repaired]:
    examiner = TableExaminer()
    survey = json.loads(json.dumps(examiner.survey(Batches(batch), spec, options)))
    return examiner.examine(batch, spec, survey, options), examiner.repair(batch, spec, survey, options)


def test_examine_tells_what_is_wrong_with_cells() -> None:
    numbers = [*map(str, range(20)), "x", "inf", "9999", " 5 ", None]
    dates = [f"2020-01-{day:02d}" for day in range(1, 21)] + ["2020-02-30", "1500-01-01", "soon", " ", None]
    batch = batch_of({"n": numbers, "d": dates})
    examined, _ = looked_at(batch, spec_of(n="numeric", d="date"), OPTIONS)
    assert examined.findings == [
        (20, "mixed_types", "n: 'x' is no number"),
        (20, "impossible_date", "d: '2020-02-30' is no date"),
        (21, "out_of_range", "n: 'inf' is infinite"),
        (21, "impossible_date", "d: '1500-01-01' lies outside the years 1677 to 2261"),
        (22, "outlier", "n: '9999' is 1347.6 robust deviations from the median 9.5"),
        (22, "impossible_date", "d: 'soon' is no date"),
        (24, "empty", "no cell has a value"),
    ]
    assert examined.measures["n"].dtype == np.float32
    assert np.isnan(examined.measures["n"][[20, 21, 24]]).all()
    assert list(examined.measures) == ["n"]


def test_examine_ranges() -> None:
    options = {"out_of_range": {"ranges": {"age": [0, 120], "open": [None, 5]}}}
    batch = batch_of({"age": ["-1", "0", "120", "121", None], "open": ["-1e9", "5", "5.5", "x", "-inf"]})
    examined, repaired = looked_at(batch, spec_of(age="numeric", open="numeric"), options)
    assert [finding[::2] for finding in examined.findings] == [
        (0, "age: '-1' lies outside 0 to 120"),
        (2, "open: '5.5' lies outside -inf to 5"),
        (3, "age: '121' lies outside 0 to 120"),
        (4, "open: '-inf' is infinite"),
    ]
    assert repaired.batch["age"].to_pylist() == [None, 0, 120, None, None]
    assert repaired.batch["open"].to_pylist() == [-1e9, 5, None, None, None]
    assert repaired.originals == ['{"age": "-1"}', None, '{"open": "5.5"}', '{"age": "121"}', '{"open": "-inf"}']


def test_examine_years() -> None:
    options = {"impossible_date": {"from": 2000, "to": 2020}}
    batch = batch_of({"d": ["31/12/1999", "01/01/2000", "31/12/2020", "01/01/2021"]})
    examined, repaired = looked_at(batch, spec_of(d="date"), options)
    assert [finding.row for finding in examined.findings] == [0, 3]
    assert [cell is None for cell in repaired.batch["d"].to_pylist()] == [True, False, False, True]


def test_examine_no_outliers_where_half_the_cells_are_equal() -> None:
    batch = batch_of({"gain": ["0"] * 9 + ["99999"]})
    assert looked_at(batch, spec_of(gain="numeric"), OPTIONS)[0].findings == []


def test_examine_keys_are_of_typed_cells() -> None:
    batch = batch_of({
        "n": ["1", "1.0", " 1e0", "2", None, "x", "0", "-0.0"],
        "c": ["a", " a ", "a", "a", "a", "a", "a", "a"],
    })  # fmt: skip
    keys = looked_at(batch, spec_of(n="numeric", c="categorical"), OPTIONS)[0].keys
    assert keys.dtype == "S16"
    assert keys[0] == keys[1] == keys[2]
    assert keys[4] == keys[5]  # what cannot be read will be missing
    assert keys[6] == keys[7]
    assert len(set(keys.tolist())) == 4


def test_examine_keys_tell_columns_apart() -> None:
    batch = batch_of({"a": ["x", "y", "xy", None], "b": ["y", "x", None, "xy"]})
    assert len(set(looked_at(batch, spec_of(a="categorical", b="categorical"), {})[0].keys.tolist())) == 4


@given(st.lists(st.tuples(st.sampled_from(["1", "2", None]), st.sampled_from(["a", "b", None])), min_size=1))
def test_examine_keys_are_equal_where_rows_are(rows: list[tuple[str | None, str | None]]) -> None:
    numbers, words = zip(*rows, strict=True)
    examined, _ = looked_at(batch_of({"n": [*numbers], "c": [*words]}), spec_of(n="numeric", c="categorical"), OPTIONS)
    by_key = dict(zip(examined.keys.tolist(), rows, strict=True))
    assert [by_key[key] for key in examined.keys.tolist()] == rows
    assert len(by_key) == len(set(rows))
    assert [key == b"" for key in examined.keys.tolist()] == [row == (None, None) for row in rows]


def test_examine_features_are_bounded_and_of_every_kind() -> None:
    columns = {f"n{place}": [str(row * place) for row in range(30)] for place in range(50)}
    columns["c"] = ["ab"[row % 2] for row in range(29)] + [None]
    columns["n1"] = [*map(str, range(28)), "1e300", None]
    spec = spec_of(**dict.fromkeys(columns, "numeric") | {"c": "categorical"})
    features = looked_at(batch_of(columns), spec, OPTIONS)[0].features
    assert features.dtype == np.float32
    assert features.shape == (30, 42)  # 40 of numbers, 2 of categories
    assert np.abs(features).max() <= 5
    assert sorted(features[:2, 40:].tolist()) == [[0, 1], [1, 0]]
    assert features[29, 40:].tolist() == [0, 0]


def test_examine_empty_rows_have_no_features_and_no_key() -> None:
    examined, _ = looked_at(batch_of({"n": ["1", None, " "]}), spec_of(n="numeric"), {})
    assert np.isnan(examined.features).all(axis=1).tolist() == [False, True, True]
    assert examined.keys.tolist()[1:] == [b"", b""]
    assert examined.findings == []


def test_examine_without_columns_finds_nothing() -> None:
    examined, repaired = looked_at(batch_of({"ignored": ["1", "2"]}), spec_of(), OPTIONS)
    assert examined.findings == []
    assert examined.features.shape == examined.hashes.shape == (2, 0)
    assert repaired.batch["ignored"].to_pylist() == ["1", "2"]


def test_repair_types_every_column() -> None:
    batch = batch_of({
        "n": [" 1 ", "2.5", "x", ""], "d": ["2020-01-02 03:04", "31/12/2020", "no", None], "c": [" a ", "b", " ", None],
        "t": ["two  words ", "", "x", None],
    })  # fmt: skip
    spec = spec_of(n="numeric", d="date", c="categorical", t="text")
    _, repaired = looked_at(batch, spec, OPTIONS)
    made = repaired.batch
    assert made.schema == TableExaminer().schema(batch.schema, spec)
    assert made.schema.names == batch.schema.names
    assert made["n"].to_pylist() == [1, 2.5, None, None]
    assert [str(moment) for moment in made["d"].to_pylist()] == [
        "2020-01-02 03:04:00", "2020-12-31 00:00:00", "None", "None",
    ]  # fmt: skip
    assert made["c"].to_pylist() == ["a", "b", None, None]
    assert made["t"].to_pylist() == ["two  words", None, "x", None]
    assert repaired.originals == [None, None, '{"n": "x", "d": "no"}', None]


def test_repair_of_checks_that_are_off_keeps_no_originals() -> None:
    batch = batch_of({"n": ["1", "x", "inf"], "d": ["2020-01-01", "1300-01-01", "x"]})
    _, repaired = looked_at(batch, spec_of(n="numeric", d="date"), {})
    assert repaired.originals == [None, None, None]
    assert repaired.batch["n"].to_pylist() == [1, None, None]
    assert [cell and cell.year for cell in repaired.batch["d"].to_pylist()] == [2020, 1300, None]


def test_dates_of_a_batch_are_read_as_those_of_the_whole_column() -> None:
    first, second = batch_of({"d": ["03/04/2020"] * 3}), batch_of({"d": ["12/25/2020", "05/06/2020", "01/02/2020"]})
    spec = spec_of(d="date")
    survey = TableExaminer().survey(Batches(first, second), spec, OPTIONS)
    repaired = TableExaminer().repair(first, spec, survey, OPTIONS)
    assert {cell.month for cell in repaired.batch["d"].to_pylist()} == {3}


def test_similarity_of_rows_is_not_known() -> None:
    assert TableExaminer().similarity(np.zeros((3, 0), np.uint8), np.zeros((3, 0), np.uint8)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", '"><img src=x>', "&"])
def test_picture_is_safe(value: str) -> None:
    shown = TableExaminer().picture({"row_id": "0", "label": value, value: None})
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.startswith("<table><tr><th>label</th>")
    assert "<i>missing</i>" in shown
    assert "row_id" not in shown


def test_picture_is_short() -> None:
    shown = TableExaminer().picture({f"column{place}": "x" * 500 for place in range(100)})
    assert shown.count("<tr>") == 13
    assert "and 88 more" in shown
    assert len(shown) < 3000
