"""Rows that stream past are counted for who watches, and passed on as they are."""

import io
import sys

import pytest

from headrace.cluster.counting import counted


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
    assert list(counted(iter("abc"), [1, 2, 3], "clean")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_terminal_is_shown_how_many_rows_are_done(watch):
    terminal = watch()
    assert list(counted(iter("abc"), [10, 20, 5], "clean")) == ["a", "b", "c"]
    assert "clean" in terminal.getvalue()
    assert "35/35" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K"), "the bar is gone at the end"


def test_without_a_title_a_terminal_is_shown_nothing(watch):
    terminal = watch()
    assert list(counted(iter("abc"), [1, 1, 1], "")) == ["a", "b", "c"]
    assert terminal.getvalue() == ""


def test_results_are_drawn_one_by_one_and_what_they_raise_is_raised(watch):
    watch()
    drawn = []

    def results():
        for number in range(3):
            drawn.append(number)
            yield number
        raise ValueError("broken")

    stream = counted(results(), [1, 1, 1, 1], "clean")
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

    stream = counted(results(), [1] * 9, "clean")
    next(stream)
    stream.close()
    del stream
    assert ended == [True]
