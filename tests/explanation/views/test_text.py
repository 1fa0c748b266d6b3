import numpy as np
import pytest
import torch
from torch import nn

from headrace.errors import ConfigError
from headrace.explanation.attributions import AttributionRequest
from headrace.explanation.views import VIEWS
from headrace.storage.bundle import read_bundle
from tests.projects import BLAME, NEUTRAL, PRAISE

both_tasks = pytest.mark.parametrize(
    "explained", [("text", "classification"), ("text", "regression")], ids="-".join, indirect=True
)


@both_tasks
def test_gradients_sum_to_the_difference_from_empty_tokens(explained):
    network, inputs = explained.network, explained.inputs
    maps = explained.maps("integrated_gradients", num_steps=256)
    with torch.no_grad():
        empty = network[1].embed(network[0](torch.from_numpy(inputs))) * 0
        reference = network[2:](network[1].forward_embedded(empty, torch.from_numpy(inputs != 0))).numpy()
    difference = explained.decrease(reference)
    assert maps.sum(axis=1) == pytest.approx(difference, abs=0.02 * float(np.abs(difference).max()))


@both_tasks
def test_words_that_determine_the_target_have_the_largest_attributions(explained):
    maps = explained.maps("integrated_gradients", num_steps=32)
    rows = [explained.view.parts(*row) for row in zip(explained.inputs, maps, strict=True)]
    strongest = [max(parts, key=lambda part: abs(part["attribution"]))["name"].strip() for parts in rows]
    assert np.isin(strongest, PRAISE + BLAME).mean() > 0.9


@both_tasks
def test_erase_makes_tokens_unknown_and_leaves_padding(explained):
    inputs, unknown = explained.inputs, explained.transform["unknown"]
    assert (explained.view.erase(inputs, np.ones_like(inputs, bool)) == np.where(inputs == 0, 0, unknown)).all()


@both_tasks
def test_row_is_shown_token_by_token_without_padding(explained):
    view, row = explained.view, explained.inputs[0]
    attribution = (row != 0).astype(np.float32)
    html, words = view.show(row, attribution), [part["name"] for part in view.parts(row, attribution)]
    assert len(words) == (row != 0).sum() == html.count("<span")
    assert all(f">{word}</span>" in html for word in words)
    assert {word.strip() for word in words} <= {*PRAISE, *BLAME, *NEUTRAL}


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_model_without_embeddings_raises_with_the_remedy(project):
    view = VIEWS["text"](read_bundle(project.trained_dir).card.transform)
    network = nn.Sequential(nn.Identity(), nn.Flatten())
    request = AttributionRequest(network, np.ones((1, 3), np.int32), np.zeros(1, int), "integrated_gradients", 2)
    with pytest.raises(ConfigError, match=r"explain\.method: .*forward_embedded, got Flatten; .*choose occlusion"):
        view.attribute(request)
