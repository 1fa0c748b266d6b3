import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from headrace.explanation.views import VIEWS
from headrace.explanation.views.word_pieces import WordPieces
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
def test_row_is_shown_word_by_word_without_padding(explained):
    view, row = explained.view, explained.inputs[0]
    attribution = (row != 0).astype(np.float32)
    html, parts = view.show(row, {"occlusion": attribution}), view.parts(row, attribution)
    words = [part["name"] for part in parts]
    assert len(words) == html.count("<span")
    assert all(f">{word}</span>" in html for word in words)
    assert {word.strip() for word in words} <= {*PRAISE, *BLAME, *NEUTRAL}
    assert sum(part["attribution"] for part in parts) == (row != 0).sum()
    assert "".join(words).strip() == view.show_input(row).split(">")[1].split("<")[0]


@both_tasks
def test_attributions_of_the_pieces_of_a_word_are_summed(explained):
    view, words = (
        explained.view,
        WordPieces(load_tokenizer(explained.transform), explained.transform["tokenizer"]["model"]),
    )
    ids = np.array(load_tokenizer(explained.transform).encode("the goodness was fine").ids, np.int32)
    assert len(words.split(ids.tolist())) == 4 < len(ids), "one word has several pieces"
    parts = view.parts(ids, np.arange(len(ids), dtype=np.float32))
    assert [part["name"].strip() for part in parts] == ["the", "goodness", "was", "fine"]
    assert sum(part["attribution"] for part in parts) == sum(range(len(ids)))


@both_tasks
def test_model_without_attention_has_a_reason(explained):
    assert explained.view.find_obstacle("integrated_gradients", explained.network) == ""
    assert explained.view.find_obstacle("occlusion", explained.network) == ""
    assert explained.view.find_obstacle("attention", explained.network) == "the model has no attention"
    assert explained.view.find_obstacle("grad_cam", explained.network) == "only for images"


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_model_without_embeddings_has_a_reason(project):
    view = VIEWS["text"](read_bundle(project.trained_dir).card.transform)
    network = nn.Sequential(nn.Identity(), nn.Flatten())
    assert "forward_embedded" in view.find_obstacle("integrated_gradients", network)


def load_tokenizer(transform):
    return Tokenizer.from_str(json.dumps(transform["tokenizer"]))
