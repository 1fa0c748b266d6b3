from typing import get_args

import numpy as np
import pytest

from headrace.explanation.methods.attributions import MethodName, run_network

both_tasks = pytest.mark.parametrize(
    "explained", [("table", "classification"), ("table", "regression")], ids="-".join, indirect=True
)


@both_tasks
def test_gradients_sum_to_the_difference_from_a_row_without_information(explained):
    view, network, inputs = explained.view, explained.network, explained.inputs
    maps = explained.maps("integrated_gradients", num_steps=256)
    reference = run_network(network, view.erase(inputs, view.are_places(inputs)))
    difference = explained.decrease(reference)
    assert maps.sum(axis=1) == pytest.approx(difference, abs=0.02 * float(np.abs(difference).max()))


@both_tasks
def test_columns_that_determine_the_target_have_the_largest_attributions(explained):
    maps = explained.maps("integrated_gradients", num_steps=32)
    assert [part["name"] for part in explained.view.parts(explained.inputs[0], maps[0])] == [
        "size", "noise", "colour", "seen",
    ]  # fmt: skip
    size, noise, colour, seen = np.abs(maps).mean(axis=0)
    assert min(size, colour) > 2 * max(noise, seen)


@both_tasks
def test_erase_fills_numbers_and_makes_categories_unknown(explained):
    view, inputs, entries = explained.view, explained.inputs, explained.transform["inputs"]
    fill = [0 if entry["kind"] == "categorical" else entry["fill"] or 0 for entry in entries]
    assert {entry["kind"] for entry in entries} == {"numeric", "categorical"}
    assert (view.erase(inputs, view.are_places(inputs)) == np.array(fill, np.float32)).all()


@both_tasks
def test_row_is_shown_with_names_and_values(explained):
    view, inputs = explained.view, explained.inputs
    attribution = np.ones(4, np.float32)
    html, parts = view.show(inputs[0], {"occlusion": attribution}), view.parts(inputs[0], attribution)
    assert parts[0]["value"] == f"{inputs[0, 0]:.6g}"
    assert parts[2]["value"] in {"red", "green", "blue"}
    assert f'>colour</span><span class="value" title="{parts[2]["value"]}">' in html
    assert '>seen</span><span class="value" title="202' in html


@both_tasks
def test_row_alone_is_shown_by_its_cells(explained):
    html, row = explained.view.show_input(explained.inputs[0]), explained.inputs[0]
    assert f'size</span> {row[0]:.6g}, <span class="quiet">noise</span>' in html
    assert "more" not in html


@both_tasks
def test_methods_for_other_data_have_a_reason(explained):
    obstacles = {method: explained.view.find_obstacle(method, explained.network) for method in get_args(MethodName)}
    assert {method for method, obstacle in obstacles.items() if not obstacle} == {"integrated_gradients", "occlusion"}


@pytest.mark.parametrize("explained", [("table", "regression")], indirect=True)
def test_overview_sorts_columns_by_their_mean_attribution(explained):
    maps = np.tile(np.array([1, -3, 2, 0], np.float32), (30, 1))
    html = explained.view.overview(explained.inputs, maps, {})
    assert html.index(">noise<") < html.index(">colour<") < html.index(">size<") < html.index(">seen<")
