"""Engines: the same results in the same order, in this process, in others, and on Ray.

Rows that stream past are counted for who watches, and passed on as they are.
"""

import io
import os
import signal
import subprocess
import sys
import time

import psutil
import pyarrow as pa
import pytest

from headrace.cluster.batch_engine import Selection, StoredRows, open_engine, show_row_progress
from headrace.cluster.process_pool import Processes
from headrace.errors import ClusterError, DataError
from headrace.paths import Paths
from headrace.storage.parquet import write_shards

SCHEMA = pa.schema([("row_id", pa.string()), ("value", pa.int64())])


def batch(start, size):
    numbers = range(start, start + size)
    return pa.RecordBatch.from_arrays([pa.array([f"{n:032x}" for n in numbers]), pa.array(numbers)], schema=SCHEMA)


@pytest.fixture
def rows_dir(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    write_shards(folder, SCHEMA, [batch(start, 10) for start in range(0, 200, 10)])
    return folder


def total(rows):
    return os.getpid(), sum(rows.column("value").to_pylist())


def refuse(rows):
    if rows.column("value")[0].as_py() == 50:
        raise DataError("rows: 50 is refused; take another")
    return 1


def kill_itself(rows):  # noqa: ARG001 the signature of work
    os.kill(os.getpid(), signal.SIGKILL)


def wait_long(rows):  # noqa: ARG001 the signature of work
    time.sleep(600)


@pytest.fixture
def no_serial(monkeypatch):
    monkeypatch.setattr("headrace.cluster.batch_engine.SERIAL_BYTES", 0)
    monkeypatch.setattr("headrace.cluster.batch_engine.num_local_cpus", lambda: 2)


EXPECTED = [sum(range(start, start + 10)) for start in range(0, 200, 10)]


def test_small_folder_is_worked_on_in_this_process(rows_dir, tmp_path):
    with open_engine("auto", rows_dir, Paths(tmp_path)) as run:
        results = list(StoredRows(rows_dir, run).map(total))
    assert results == [(os.getpid(), value) for value in EXPECTED]


@pytest.mark.usefixtures("no_serial")
def test_processes_give_the_same_results_in_order_and_serve_more_than_once(rows_dir, tmp_path):
    with open_engine("local", rows_dir, Paths(tmp_path)) as run:
        rows = StoredRows(rows_dir, run)
        results = list(rows.map(total))
        assert [value for _, value in results] == EXPECTED
        assert os.getpid() not in {pid for pid, _ in results}
        assert [value for _, value in rows.map(total)] == EXPECTED


@pytest.mark.usefixtures("no_serial")
def test_what_the_work_refuses_is_told_by_the_caller(rows_dir, tmp_path):
    with open_engine("local", rows_dir, Paths(tmp_path)) as run, pytest.raises(DataError, match="50 is refused"):
        list(StoredRows(rows_dir, run).map(refuse))


def test_killed_process_is_told_in_one_line():
    with pytest.raises(ClusterError, match="a process that worked on the data was killed"):
        list(Processes(2)(kill_itself, [1, 2]))


@pytest.mark.faults
def test_processes_do_not_outlive_a_killed_caller(tmp_path):
    script = tmp_path / "caller.py"
    script.write_text(
        "import time\nfrom headrace.cluster.process_pool import Processes\n"
        "if __name__ == '__main__':\n    print('go', flush=True)\n    list(Processes(2)(time.sleep, [600, 600]))\n"
    )
    caller = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert caller.stdout.readline() == "go\n"
    children = []
    for _ in range(300):
        # one of the children tracks what they share; it ends when they all do
        children = psutil.Process(caller.pid).children(recursive=True)
        if len(children) >= 3 and all(child.num_threads() > 1 for child in children[1:]):
            break
        time.sleep(0.1)
    assert len(children) >= 3
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert not psutil.wait_procs(children, timeout=30)[1]


def test_selection_sees_the_rows_of_its_split_only(rows_dir, tmp_path):
    split_dir = tmp_path / "split"
    split_dir.mkdir()
    schema = pa.schema([("row_id", pa.string()), ("split", pa.string())])
    ids = [f"{n:032x}" for n in range(200)]
    splits = ["train" if n % 3 else "test" for n in range(200)]
    write_shards(split_dir, schema, pa.table([ids, splits], schema=schema).to_batches())
    with open_engine("local", rows_dir, Paths(tmp_path)) as run:
        rows = StoredRows(rows_dir, run, selection=Selection(split_dir, "train"))
        assert sum(value for _, value in rows.map(total)) == sum(n for n in range(200) if n % 3)


@pytest.mark.ray
@pytest.mark.slow
def test_ray_data_gives_the_same_results_in_order_and_tells_what_is_refused(rows_dir, tmp_path):
    with open_engine("ray", rows_dir, Paths(tmp_path)) as run:
        rows = StoredRows(rows_dir, run)
        results = list(rows.map(total))
        assert [value for _, value in results] == EXPECTED
        assert os.getpid() not in {pid for pid, _ in results}
        with pytest.raises(DataError, match="50 is refused"):
            list(rows.map(refuse))


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch):
    """Makes stderr a terminal; to be called in the test itself, since pytest puts its own stderr before each."""

    def begin():
        made = Terminal()
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        return made

    return begin


def test_results_are_passed_on_in_silence_where_nobody_watches(capsys):
    assert list(show_row_progress(iter("abc"), [1, 2, 3], "clean")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_terminal_is_shown_how_many_rows_are_done(watch):
    terminal = watch()
    assert list(show_row_progress(iter("abc"), [10, 20, 5], "clean")) == ["a", "b", "c"]
    assert "clean" in terminal.getvalue()
    assert "35/35" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K"), "the bar is gone at the end"


def test_without_a_title_a_terminal_is_shown_nothing(watch):
    terminal = watch()
    assert list(show_row_progress(iter("abc"), [1, 1, 1], "")) == ["a", "b", "c"]
    assert terminal.getvalue() == ""


def test_results_are_drawn_one_by_one_and_what_they_raise_is_raised(watch):
    watch()
    drawn = []

    def results():
        for number in range(3):
            drawn.append(number)
            yield number
        raise ValueError("broken")

    stream = show_row_progress(results(), [1, 1, 1, 1], "clean")
    assert next(stream) == 0
    assert drawn == [0]
    with pytest.raises(ValueError, match="broken"):
        list(stream)


def test_a_stream_that_is_left_ends_its_source(watch):
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
