"""The package itself: its version, and its public functions."""

from importlib.metadata import version

import pytest

import headrace
from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays


def test_version_is_that_of_the_distribution() -> None:
    assert headrace.__version__ == version("headrace")


def test_public_functions_load_model_and_spec_of_a_project(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained.root)
    assert headrace.load_spec() == Spec.read(trained.normalized_dir)
    images = open_arrays(trained.normalized_dir / "val").inputs[:5]
    assert headrace.load_model("models/trained").predict(images).shape == (5, 3)


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'headrace' has no attribute 'load_modle'"):
        headrace.load_modle  # noqa: B018
