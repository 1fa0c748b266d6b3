"""Engines: the same results in the same order, in this process and in others, and the rows counted on a terminal."""

import io
import os
import sys

import pyarrow as pa
import pytest

from headrace.cluster.batch_engine import Selection, StoredRows, open_engine, show_row_progress
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage.parquet import write_shards
from tests.cluster.row_work import EXPECTED, refuse, sum_values


@pytest.fixture
def no_serial(monkeypatch):
    monkeypatch.setattr("headrace.cluster.batch_engine.SERIAL_BYTES", 0)
    monkeypatch.setattr("headrace.cluster.batch_engine.num_local_cpus", lambda: 2)


def test_small_folder_is_processed_in_this_process(rows_dir, tmp_path):
    with open_engine("auto", rows_dir, Paths(tmp_path)) as run:
        results = list(StoredRows(rows_dir, run).map(sum_values))
    assert results == [(os.getpid(), value) for value in EXPECTED]


@pytest.mark.usefixtures("no_serial")
def test_processes_give_the_same_results_in_order_more_than_once(rows_dir, tmp_path):
    with open_engine("local", rows_dir, Paths(tmp_path)) as run:
        rows = StoredRows(rows_dir, run)
        results = list(rows.map(sum_values))
        assert [value for _, value in results] == EXPECTED
        assert os.getpid() not in {pid for pid, _ in results}
        assert [value for _, value in rows.map(sum_values)] == EXPECTED


@pytest.mark.usefixtures("no_serial")
def test_large_images_are_worked_on_by_threads(rows_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.cluster.batch_engine.THREAD_ROW_BYTES", 0)
    with open_engine("local", rows_dir, Paths(tmp_path), "image") as run:
        rows = StoredRows(rows_dir, run)
        assert list(rows.map(sum_values)) == [(os.getpid(), value) for value in EXPECTED]
        with pytest.raises(DataError, match="50 is refused"):
            list(rows.map(refuse))
    with open_engine("local", rows_dir, Paths(tmp_path), "text") as run:
        assert os.getpid() not in {pid for pid, _ in StoredRows(rows_dir, run).map(sum_values)}


@pytest.mark.usefixtures("no_serial")
def test_error_in_a_process_is_raised_by_the_caller(rows_dir, tmp_path):
    with open_engine("local", rows_dir, Paths(tmp_path)) as run, pytest.raises(DataError, match="50 is refused"):
        list(StoredRows(rows_dir, run).map(refuse))


def test_selection_has_only_the_rows_of_its_split(rows_dir, tmp_path):
    split_dir = tmp_path / "split"
    split_dir.mkdir()
    schema = pa.schema([("row_id", pa.string()), ("split", pa.string())])
    ids = [f"{n:032x}" for n in range(200)]
    splits = ["train" if n % 3 else "test" for n in range(200)]
    write_shards(split_dir, schema, pa.table([ids, splits], schema=schema).to_batches())
    with open_engine("local", rows_dir, Paths(tmp_path)) as run:
        rows = StoredRows(rows_dir, run, selection=Selection(split_dir, "train"))
        assert sum(value for _, value in rows.map(sum_values)) == sum(n for n in range(200) if n % 3)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch):
    """Makes stderr a terminal. Call it in the test itself, since pytest replaces stderr before each test."""

    def begin():
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        return terminal

    return begin


def test_row_progress_without_a_terminal_prints_nothing(capsys):
    assert list(show_row_progress(iter("abc"), [1, 2, 3], "clean")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_row_progress_on_a_terminal_shows_the_rows_done(watch):
    terminal = watch()
    assert list(show_row_progress(iter("abc"), [10, 20, 5], "clean")) == ["a", "b", "c"]
    assert "clean" in terminal.getvalue()
    assert "35/35" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K"), "the bar is gone at the end"


def test_row_progress_without_a_title_prints_nothing(watch):
    terminal = watch()
    assert list(show_row_progress(iter("abc"), [1, 1, 1], "")) == ["a", "b", "c"]
    assert terminal.getvalue() == ""


def test_row_progress_consumes_results_one_by_one_and_raises_their_errors(watch):
    watch()
    consumed = []

    def results():
        for number in range(3):
            consumed.append(number)
            yield number
        raise ValueError("broken")

    stream = show_row_progress(results(), [1, 1, 1, 1], "clean")
    assert next(stream) == 0
    assert consumed == [0]
    with pytest.raises(ValueError, match="broken"):
        list(stream)


def test_row_progress_that_is_closed_closes_its_source(watch):
    watch()
    ended = []

    def results():
        try:
            yield from range(9)
        finally:
            ended.append(True)

    stream = show_row_progress(results(), [1] * 9, "clean")
    next(stream)
    stream.close()
    del stream
    assert ended == [True]
