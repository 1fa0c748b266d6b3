from typing import get_args

import numpy as np
import pytest
import torch

from headrace.explanation.methods.attributions import AttributionRequest, MethodName, run_network
from headrace.explanation.views.table import TableView
from headrace.explanation.views.text_table import TextTableView, make_table_view
from headrace.models.network import build_network
from headrace.models.text_columns import EmbeddedTexts
from tests.text_tables import make_text_table

TABLE = make_text_table()
INPUTS = TABLE.inputs[:40]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network({"name": "mlp", "dense": [16]}, TABLE.spec, TABLE.transform).eval()


@pytest.fixture(scope="module")
def maps(network):
    outputs = run_network(network, INPUTS).argmax(axis=1)
    return TextTableView(TABLE.transform).attribute(AttributionRequest(network, INPUTS, outputs, num_steps=256))


def test_view_of_a_table_depends_on_its_columns():
    assert isinstance(make_table_view(TABLE.transform), TextTableView)
    numbers = {"columns": [{"name": "x", "kind": "numeric"}], "inputs": [{"column": "x", "kind": "numeric", "fill": 0}]}
    assert isinstance(make_table_view(numbers), TableView)


def test_places_are_columns_and_the_tokens_that_a_row_has():
    view = TextTableView(TABLE.transform)
    assert {name: len(places) for name, places in view.places.items()} == {
        "title": 16, "size": 1, "body": 16, "colour": 1,
    }  # fmt: skip
    places = view.are_places(INPUTS)
    assert places.shape == (40, 34)
    assert places[:, [16, 33]].all()
    assert not places[0, :16].any(), "the title of the first row is missing"
    assert (places[:, 17:33] == (INPUTS[:, 17:33] != 0)).all()


def test_erase_makes_numbers_the_fill_value_and_tokens_unknown():
    view = TextTableView(TABLE.transform)
    erased = view.erase(INPUTS, np.ones((40, 34), bool))
    size = next(entry for entry in TABLE.transform["inputs"] if entry["name"] == "size")
    assert (erased[:, 16] == np.float32(size["fill"])).all()
    assert (erased[:, 33] == 0).all()
    assert (erased[:, 17:33] == np.where(INPUTS[:, 17:33] != 0, TABLE.transform["unknown"], 0)).all()
    nothing = np.zeros((40, 34), bool)
    nothing[:, 16] = True
    assert (view.erase(INPUTS, nothing)[:, 17:] == INPUTS[:, 17:]).all()


def test_gradients_sum_to_the_difference_from_a_row_without_information(network, maps):
    view, prepare, model = TextTableView(TABLE.transform), network[0], network[1]
    with torch.no_grad():
        reference = prepare(torch.from_numpy(view.erase(INPUTS, np.ones((40, 34), bool))))
        rows = model.embed(prepare(torch.from_numpy(INPUTS)))
        empty = EmbeddedTexts(model.split(reference)[0], [text * 0 for text in rows.embedded], rows.masks)
        differences = run_network(network, INPUTS) - model.forward_embedded(empty).numpy()
    difference = differences[np.arange(40), run_network(network, INPUTS).argmax(axis=1)]
    assert maps.sum(axis=1) == pytest.approx(difference, abs=0.02 * float(np.abs(difference).max()))
    assert (maps[~view.are_places(INPUTS)] == 0).all()


def test_occlusion_agrees_with_the_gradients(network, maps):
    view, outputs = TextTableView(TABLE.transform), run_network(network, INPUTS).argmax(axis=1)
    occluded = view.attribute(AttributionRequest(network, INPUTS, outputs, "occlusion"))
    places = view.are_places(INPUTS)
    assert np.corrcoef(occluded[places], maps[places])[0, 1] > 0.5


def test_parts_are_columns_with_their_values_and_the_words_of_texts(maps):
    title, size, body, colour = TextTableView(TABLE.transform).parts(INPUTS[1], maps[1])
    row = TABLE.clean.slice(1, 1).to_pylist()[0]
    assert (title["value"], body["value"], colour["value"]) == (row["title"], row["body"], row["colour"])
    assert [word["name"].strip() for word in body["words"]] == row["body"].split()
    assert sum(word["attribution"] for word in body["words"]) == pytest.approx(body["attribution"], abs=1e-5)
    assert "words" not in size
    assert TextTableView(TABLE.transform).parts(INPUTS[0], maps[0])[0] == {
        "name": "title", "value": "missing", "attribution": 0.0, "words": [],
    }  # fmt: skip


def test_row_is_shown_with_bars_and_words(maps):
    view = TextTableView(TABLE.transform)
    html = view.show(INPUTS[1], {"integrated_gradients": maps[1]})
    assert html.count('<span class="value"') == 4
    assert html.count('aria-label="text with the words of') == 2
    assert 'the words of title"' not in view.show(INPUTS[0], {"integrated_gradients": maps[0]})
    assert '<span class="quiet">title</span> missing' in view.show_input(INPUTS[0])


def test_overview_has_columns_and_the_words_of_each_class(maps):
    is_great = TABLE.targets[:40] > 0
    html = TextTableView(TABLE.transform).overview(INPUTS, maps, {"a": ~is_great, "b": is_great})
    columns, _, words = html.partition('<div class="grid">')
    assert all(f">{name}</span>" in columns for name in ("title", "size", "body", "colour"))
    assert ">great</span>" in words
    assert ">size</span>" not in words


def test_methods_for_other_data_have_a_reason(network):
    view = TextTableView(TABLE.transform)
    usable = {method for method in get_args(MethodName) if not view.find_obstacle(method, network)}
    assert usable == {"integrated_gradients", "occlusion"}


def test_table_of_nothing_but_texts_is_attributed():
    columns = [column for column in TABLE.transform["columns"] if column["kind"] == "text"]
    inputs = [entry for entry in TABLE.transform["inputs"] if entry["kind"] == "token"]
    transform = TABLE.transform | {"columns": columns, "inputs": inputs}
    texts = np.delete(INPUTS, [16, 33], axis=1)
    network = build_network({"name": "linear"}, TABLE.spec, transform).eval()
    request = AttributionRequest(network, texts, np.zeros(40, np.int64), num_steps=8)
    assert np.abs(TextTableView(transform).attribute(request)).sum(axis=1).min() > 0
