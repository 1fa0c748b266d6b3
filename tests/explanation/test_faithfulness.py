import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.evaluation.metrics.classification import softmax
from headrace.explanation.attributions import IMAGE_METHODS, AttributionRequest, attribute_images
from headrace.explanation.faithfulness import area_under_curve, compute_deletion_curve, compute_similarity
from headrace.explanation.views.image import ImageView
from headrace.models.network import load_network
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle


def brightness(inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean level of each row, in [0, 1]."""
    return inputs.reshape(len(inputs), -1).mean(axis=1) / 255


def fill_with(level: float):
    """Returns a function that replaces pixels by a level in [0, 1]."""
    return ImageView({"mean": [level]}).erase


INPUTS = np.array([[[0], [255], [0], [255]]], np.uint8)[:, None]  # one row of 1 x 4 places
ORDERS = {"best first": [0, 2, 1, 3], "worst first": [3, 1, 2, 0]}


def curve_of(order: list[int]) -> NDArray[np.float64]:
    attributions = np.array(order, np.float32).reshape(1, 1, 4)
    return compute_deletion_curve(brightness, INPUTS, attributions, erase=fill_with(0.0), num_steps=4)


def test_deletion_curve_and_area_by_hand() -> None:
    assert curve_of(ORDERS["best first"]) == pytest.approx([0.5, 0.25, 0, 0, 0])
    assert curve_of(ORDERS["worst first"]) == pytest.approx([0.5, 0.5, 0.5, 0.25, 0])
    assert area_under_curve(curve_of(ORDERS["best first"])) == pytest.approx((0.25 + 0.25) / 4)
    assert area_under_curve(np.ones(5)) == 1


def test_deletion_leaves_the_inputs_unchanged_and_ends_at_the_fill() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 2), dtype=np.uint8)
    before = inputs.copy()
    order = np.random.default_rng(1).random((6, 3, 5), dtype=np.float32)
    erase = ImageView({"mean": [10 / 255, 20 / 255]}).erase
    curve = compute_deletion_curve(brightness, inputs, order, erase=erase, num_steps=7)
    assert (inputs == before).all()
    assert len(curve) == 8
    assert curve[0] == pytest.approx(inputs.mean() / 255)
    assert curve[-1] == pytest.approx(15 / 255)


def test_deletion_skips_places_that_a_row_does_not_have() -> None:
    order = np.array([[3, 2, 1, 0], [5, -np.inf, 6, -np.inf]])
    erased = []

    def erase(inputs: NDArray[np.float64], places: NDArray[np.bool_]) -> NDArray[np.float64]:
        erased.append(places)
        return inputs

    compute_deletion_curve(lambda inputs: inputs[:, 0], np.ones((2, 4)), order, erase=erase, num_steps=2)
    assert [places.astype(int).tolist() for places in erased] == [
        [[0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 1, 0, 0], [0, 0, 1, 0]],
        [[1, 1, 1, 1], [1, 0, 1, 0]],
    ]


def test_similarity_is_one_for_the_same_value_and_half_at_one_spread() -> None:
    similarity = compute_similarity(np.array([5.0, 7.0, 3.0, 11.0]), np.full(4, 5.0), 2.0)
    assert similarity == pytest.approx([1, 0.5, 0.5, 0.25])


@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_attributions_of_a_trained_network_beat_a_random_order(method: str, trained: Paths) -> None:
    bundle = read_bundle(trained.trained_dir)
    graph, inputs = bundle.graph(), np.array(open_arrays(trained.normalized_dir / "val").inputs[:40])
    classes = graph.predict(inputs).argmax(axis=1)
    maps = attribute_images(AttributionRequest(load_network(bundle), inputs, classes, method, 16))  # type: ignore[arg-type]
    chance = np.random.default_rng(0).random(maps.shape, dtype=np.float32)
    rows = np.arange(len(inputs))

    def probability(left: NDArray[np.uint8]) -> NDArray[np.float64]:
        return softmax(graph.predict(left))[rows, classes]

    erase = ImageView(bundle.card.transform).erase
    areas = [
        area_under_curve(compute_deletion_curve(probability, inputs, order, erase=erase))
        for order in (maps, chance, -maps)
    ]
    assert areas[0] < areas[1] - 0.1
    assert areas[1] < areas[2]
