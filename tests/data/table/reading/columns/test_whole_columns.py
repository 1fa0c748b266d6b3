from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.format_counts import count_formats
from headrace.data.table.number_format import NumberFormat
from headrace.data.table.reading.columns.guess import ColumnGuess
from headrace.data.table.reading.columns.whole_columns import ColumnWatch, decide_targets, find_placeholder_labels
from headrace.errors import DataError
from headrace.storage.parquet import write_shards

COMMA = {"decimal": ",", "thousands": "", "affix": ""}
THOUSANDS = {"decimal": ".", "thousands": ",", "affix": ""}


def batches_of(parts: list[list[str | None]]) -> Iterator[pa.RecordBatch]:
    for cells in parts:
        padded = pa.array(["999", *cells], pa.string()).slice(1)  # a slice, as the reader yields them
        yield pa.record_batch({"x": padded})


def finish(tmp_path: Path, *parts: list[str | None], likely: str | None = None, **column: object) -> Spec:
    """The final spec of a column whose first rows are the first part."""
    columns = [Column(**{"name": "x", "kind": "numeric"} | column)]
    spec = Spec(modality="table", task="regression", source="x", format="table", num_rows=9, columns=columns)
    watch = ColumnWatch(columns, ReadOptions(), likely)
    batches = list(batches_of(list(parts)))
    for batch in batches:
        watch.observe(batch)
    write_shards(tmp_path, pa.schema([("x", pa.string())]), batches)
    return watch.finish(tmp_path, spec)


def test_plain_columns_stay_as_they_are(tmp_path: Path) -> None:
    spec = finish(tmp_path, ["1", "2.5", None], ["-1e-3", "0.30000000000000004"])
    assert spec.columns == [Column(name="x", kind="numeric")]
    assert spec.assumptions == []


def test_a_later_cell_decides(tmp_path: Path) -> None:
    spec = finish(tmp_path, ["1,234"] * 50, ["12,5"], number_format=THOUSANDS)
    assert spec.columns == [Column(name="x", kind="numeric", number_format=COMMA)]
    assert [(a.text, a.is_warning) for a in spec.assumptions] == [("numbers are written with decimal ','", False)]


def test_a_notation_that_no_first_row_shows_is_read(tmp_path: Path) -> None:
    spec = finish(tmp_path, ["1", "2"] * 20, ["12,5", "3"])
    assert spec.columns == [Column(name="x", kind="numeric", number_format=COMMA)]


def test_thousands_that_no_first_row_shows_are_read_beside_a_decimal_comma(tmp_path: Path) -> None:
    spec = finish(tmp_path, ["999", "2"], ["1.234"], likely=",")
    assert spec.columns[0].number_format == {"decimal": ",", "thousands": ".", "affix": ""}


def test_an_ambiguous_column_is_a_warning(tmp_path: Path) -> None:
    (assumption,) = finish(tmp_path, ["1,234", "5,678"], number_format=THOUSANDS).assumptions
    assert assumption.is_warning
    assert assumption.text.startswith("numbers are written with decimal '.', thousands ','; ',' as the decimal mark")
    assert assumption.setting == "ingest.table.decimal: ','"


def test_later_placeholders_are_missing_and_other_cells_are_named(tmp_path: Path) -> None:
    spec = finish(tmp_path, ["1"] * 90, ["-"] * 5, ["x"])
    assert spec.columns == [Column(name="x", kind="numeric", missing=["-"])]
    assert [a.text for a in spec.assumptions] == [
        "5 of 96 cells are taken for missing: '-' (5)", "1 of 96 cells are no numbers: 'x' (1)",
    ]  # fmt: skip


def test_later_mixtures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'x' contains numbers with decimal point \('1\.5'\) and with decimal"):
        finish(tmp_path, ["1.5"] * 50, ["2,5"] * 50)


def test_later_integers_beyond_float64_make_ids(tmp_path: Path) -> None:
    spec = finish(tmp_path, ["1", "2"], [str(123456789012345678 + index) for index in range(9)])
    assert spec.columns == [Column(name="x", kind="categorical")]
    assert "compared as text" in spec.assumptions[0].text


def test_placeholders_among_numbered_classes_are_missing() -> None:
    cells = ["1", "2", "-", "-"]
    notations = find_placeholder_labels(
        {"stars": ColumnGuess("numeric", missing=("-",), counts=count_formats(pa.array(cells)))}
    )
    assert notations.missing == ["-"]
    assert notations.assumptions[0].text == "these labels are taken for missing: '-' (2), in the first rows"
    assert find_placeholder_labels({"stars": ColumnGuess("numeric")}).missing == []


def test_targets_are_decided_by_all_cells() -> None:
    counts = {"price": count_formats(pa.array(["1,234", "EUR 12,5", "-"]))}
    notations = decide_targets(counts, ReadOptions(), None)
    guess = notations.guesses["price"]
    assert (guess.number_format, guess.missing) == (NumberFormat(",", "", "EUR"), ("-",))
    assert [assumption.subject for assumption in notations.assumptions] == ["column 'price'"] * 2
