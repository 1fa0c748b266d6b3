import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.errors import Terminated
from headrace.training.resume.stop_requests import FileStop, SignalStop, make_stop_request


class Raised(BaseException):
    pass


@pytest.fixture
def handler() -> Iterator[object]:
    """Handles SIGTERM by an exception, as the command line does."""

    def handle(*_: object) -> None:
        raise Raised

    before = signal.signal(signal.SIGTERM, handle)
    yield handle
    signal.signal(signal.SIGTERM, before)


def test_signal_acts_after_the_step_and_a_second_one_at_once(handler: object) -> None:
    with SignalStop() as stop:
        stop.begin()
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_set()
        with pytest.raises(Raised):
            stop.act()
        with pytest.raises(Raised):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_signal_acts_at_once_before_the_first_step(handler: object) -> None:  # noqa: ARG001 it is installed
    with SignalStop(), pytest.raises(Raised):
        os.kill(os.getpid(), signal.SIGTERM)


def test_file_stops_a_training_of_another_process(tmp_path: Path) -> None:
    with make_stop_request(tmp_path, is_remote=True) as stop:
        stop.begin()
        assert not stop.is_set()
        (tmp_path / FileStop.NAME).touch()
        assert stop.is_set()
        with pytest.raises(Terminated):
            stop.act()
    assert isinstance(make_stop_request(tmp_path, is_remote=False), SignalStop)
