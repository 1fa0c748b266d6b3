import inspect

import pytest

from headrace import errors
from headrace.errors import HeadraceError, choices

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HeadraceError)]


@pytest.mark.parametrize("kind", KINDS)
def test_exit_code_of_each_error(kind: type[HeadraceError]) -> None:
    assert kind.exit_code == (3 if kind.__name__ == "GateError" else 2)


def test_error_classes_are_complete() -> None:
    names = {"HeadraceError", "ConfigError", "DataError", "GateError", "ClusterError", "TrackingError"}
    assert {kind.__name__ for kind in KINDS} == names


def test_choices_suggests_a_close_match() -> None:
    assert choices("resnt", ["resnet", "cnn"]) == "choose one of ['cnn', 'resnet'] (did you mean 'resnet'?)"


def test_choices_without_a_close_match_only_lists() -> None:
    assert choices("transformer", iter(["resnet", "cnn"])) == "choose one of ['cnn', 'resnet']"
