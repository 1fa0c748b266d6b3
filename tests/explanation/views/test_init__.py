"""Views of texts and tables: what gradients add up to, what erasing leaves, and what is shown."""

import numpy as np
import pytest

from headrace.errors import ConfigError
from headrace.explanation.attributions import AttributionRequest, run_network
from headrace.explanation.html_marks import marked, top_bars
from headrace.explanation.views import VIEWS
from headrace.models.network import load_network
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle

KINDS = [(modality, task) for modality in ("table", "text") for task in ("classification", "regression")]


@pytest.fixture(params=KINDS, ids="-".join)
def explained(request, made_project):
    """View, network, inputs and the outputs to explain."""
    paths = made_project(*request.param)
    bundle = read_bundle(paths.trained_dir)
    inputs = open_arrays(paths.normalized_dir / "val").inputs[:30]
    network = load_network(bundle)
    return VIEWS[bundle.spec.modality](bundle.card.transform), network, inputs, run_network(network, inputs)


def test_gradients_add_up_to_the_rise_from_nothing(explained):
    view, network, inputs, answers = explained
    outputs = answers.argmax(axis=1)
    maps = view.attribute(AttributionRequest(network, inputs, outputs, "integrated_gradients", 256))
    places = view.are_places(inputs)
    assert maps.shape == places.shape
    assert (maps[~places] == 0).all()
    if inputs.dtype == np.int32:  # texts: from as many tokens of zeros
        model, mask = network[1], inputs != 0
        import torch

        with torch.no_grad():
            ids = network[0](torch.from_numpy(inputs))
            nothing = network[2:](model.forward_embedded(model.embed(ids) * 0, torch.from_numpy(mask))).numpy()
    else:
        nothing = run_network(network, view.erase(inputs, places))
    rows = np.arange(len(inputs))
    rise = (answers - nothing)[rows, outputs]
    assert maps.sum(axis=1) == pytest.approx(rise, abs=0.02 * float(np.abs(rise).max()))


def test_occlusion_is_the_fall_without_a_place(explained):
    view, network, inputs, answers = explained
    outputs = answers.argmax(axis=1)
    maps = view.attribute(AttributionRequest(network, inputs, outputs, "occlusion", 2))
    places = view.are_places(inputs) & (np.arange(maps.shape[1]) == 2)
    left = run_network(network, view.erase(inputs, places))
    rows = np.arange(len(inputs))
    assert maps[:, 2] == pytest.approx((answers - left)[rows, outputs], abs=1e-5)


def test_what_made_the_data_is_found(explained):
    """Tables: `size` and `colour`, not `noise`; texts: the one word that tells."""
    view, network, inputs, answers = explained
    maps = view.attribute(AttributionRequest(network, inputs, answers.argmax(axis=1), "integrated_gradients", 32))  # fmt: skip
    strongest = np.abs(maps).argmax(axis=1)
    if inputs.dtype == np.int32:
        telling = np.isin(inputs[np.arange(len(inputs)), strongest], [2, 3, 5, 6, 7, 9])
        assert telling.mean() > 0.9
    else:
        names = [part["name"] for part in view.parts(inputs[0], maps[0])]
        assert names == ["size", "noise", "colour", "seen"]
        mean = np.abs(maps).mean(axis=0)
        assert min(mean[0], mean[2]) > 2 * max(mean[1], mean[3])


def test_erasing_leaves_the_argument_and_other_places(explained):
    view, _, inputs, _ = explained
    before, places = inputs.copy(), np.zeros(view.are_places(inputs).shape, bool)
    assert np.array_equal(view.erase(inputs, places), before, equal_nan=True)
    places[:, 0] = True
    left, everything = view.erase(inputs, places), view.erase(inputs, np.ones_like(places))
    assert left.dtype == inputs.dtype
    assert np.array_equal(inputs, before, equal_nan=True)
    assert np.array_equal(left[:, 1:], before[:, 1:], equal_nan=True)
    if inputs.dtype == np.int32:
        assert (left[:, 0] == 1).all()
        assert (everything == (inputs != 0)).all()  # padding stays
    else:
        assert (everything == [0, 0.5, 0, 0, 0]).all()


def test_rows_are_shown_with_names_and_values(explained):
    view, _, inputs, _ = explained
    maps = np.where(view.are_places(inputs), 1.0, 0.0).astype(np.float32)
    shown, parts = view.show(inputs[0], maps[0]), view.parts(inputs[0], maps[0])
    overview = view.overview(inputs, maps, {"<low>": np.ones(len(inputs), bool)})
    assert "<low>" not in overview
    if inputs.dtype == np.int32:
        words = [part["name"] for part in parts]
        assert len(words) == (inputs[0] != 0).sum()
        assert all(word in shown for word in words)
        assert set(words) <= {"awful", "bad", "film", "fine", "good", "great", "plot", "poor", "story", "the", "was"}
    else:
        assert parts[0]["value"] == f"{inputs[0, 0]:.6g}"
        assert f"colour = {parts[2]['value']}" in shown
        assert parts[2]["value"] in {"red", "green", "blue"}
        assert "seen = 202" in shown


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_model_without_embeddings_is_told_what_to_do(project):
    from torch import nn

    bundle = read_bundle(project.trained_dir)
    view = VIEWS["text"](bundle.card.transform)
    network = nn.Sequential(nn.Identity(), nn.Flatten())
    with pytest.raises(ConfigError, match=r"explain\.method: .*forward_embedded, got Flatten; .*choose occlusion"):
        view.attribute(
            AttributionRequest(network, np.ones((1, 3), np.int32), np.zeros(1, int), "integrated_gradients", 2)
        )


def test_marks_escape_what_they_show():
    assert "&lt;script&gt;" in marked([("<script>", 1.0), ("fine", -0.5)])
    bars = top_bars([("<b>", '"x"', 0.0), ("plain", "", -2.0)])
    assert "<b>" not in bars
    assert "&quot;x&quot;" in bars
    assert "width:100.0%" in bars
    assert top_bars([]) == '<div class="bars"></div>'
