"""What every view guarantees about attributions and erased places."""

from typing import get_args

import numpy as np
import pytest

from headrace.contracts import ModalityName
from headrace.explanation.methods.attributions import run_network
from headrace.explanation.views import VIEWS

PROJECTS = [(modality, task) for modality in ("table", "text") for task in ("classification", "regression")]
every_project = pytest.mark.parametrize("explained", PROJECTS, ids="-".join, indirect=True)


def test_every_modality_has_a_view():
    assert VIEWS.keys() == set(get_args(ModalityName))


@every_project
def test_attributions_have_the_shape_of_places_and_are_zero_elsewhere(explained):
    places = explained.view.are_places(explained.inputs)
    for method in ("integrated_gradients", "occlusion"):
        maps = explained.maps(method)
        assert maps.shape == places.shape
        assert (maps[~places] == 0).all()
        assert maps.any()


@every_project
def test_occlusion_is_the_decrease_without_a_place(explained):
    view, network, inputs = explained.view, explained.network, explained.inputs
    maps = explained.maps("occlusion")
    places = view.are_places(inputs) & (np.arange(maps.shape[1]) == 2)
    without = run_network(network, view.erase(inputs, places))
    assert maps[:, 2] == pytest.approx(explained.decrease(without), abs=1e-5)


@every_project
def test_erase_leaves_its_argument_and_other_places_unchanged(explained):
    view, inputs = explained.view, explained.inputs
    before, places = inputs.copy(), np.zeros(view.are_places(inputs).shape, bool)
    assert np.array_equal(view.erase(inputs, places), before, equal_nan=True)
    places[:, 0] = True
    erased = view.erase(inputs, places)
    assert erased.dtype == inputs.dtype
    assert np.array_equal(inputs, before, equal_nan=True)
    assert np.array_equal(erased[:, 1:], before[:, 1:], equal_nan=True)
    assert not np.array_equal(erased[:, 0], before[:, 0], equal_nan=True)


@every_project
def test_overview_escapes_the_names_of_groups(explained):
    view, inputs = explained.view, explained.inputs
    maps = view.are_places(inputs).astype(np.float32)
    assert "<low>" not in view.overview(inputs, maps, {"<low>": np.ones(len(inputs), bool)})
