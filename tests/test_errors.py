import inspect

import pytest

from headrace import errors
from headrace.errors import HeadraceError, choices

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HeadraceError)]


@pytest.mark.parametrize("kind", KINDS)
def test_exit_code_of_each_kind(kind: type[HeadraceError]) -> None:
    assert kind.exit_code == (3 if kind.__name__ == "GateError" else 2)


def test_kinds_are_the_six_that_the_design_names() -> None:
    names = {"HeadraceError", "ConfigError", "DataError", "GateError", "ClusterError", "TrackingError"}
    assert {kind.__name__ for kind in KINDS} == names


def test_choices_of_a_near_miss_says_what_was_meant() -> None:
    assert choices("resnt", ["resnet", "cnn"]) == "choose one of ['cnn', 'resnet'] (did you mean 'resnet'?)"


def test_choices_of_something_else_only_lists() -> None:
    assert choices("transformer", iter(["resnet", "cnn"])) == "choose one of ['cnn', 'resnet']"
