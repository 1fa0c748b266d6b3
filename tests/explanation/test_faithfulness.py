import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.evaluation.metrics.classification import softmax
from headrace.explanation.faithfulness import (
    MIN_GAIN,
    Curves,
    area_under_curve,
    compare_with_random,
    compute_deletion_curves,
    compute_similarity,
    find_shown_kinds,
    judge_faithfulness,
    measure_faithfulness,
)
from headrace.explanation.methods.attributions import IMAGE_METHODS, AttributionRequest, attribute_images
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
    return compute_deletion_curves(brightness, INPUTS, attributions, erase=fill_with(0.0), num_steps=4)[0]


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
    curve = compute_deletion_curves(brightness, inputs, order, erase=erase, num_steps=7).mean(axis=0)
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

    compute_deletion_curves(lambda inputs: inputs[:, 0], np.ones((2, 4)), order, erase=erase, num_steps=2)
    assert [places.astype(int).tolist() for places in erased] == [
        [[0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 1, 0, 0], [0, 0, 1, 0]],
        [[1, 1, 1, 1], [1, 0, 1, 0]],
    ]


def curves_of(deletion: NDArray[np.float64], insertion: NDArray[np.float64]) -> Curves:
    """Flat curves of these areas; those of the random order are 0.5 with a little noise by row."""
    random = 0.5 + np.random.default_rng(0).normal(0, 0.01, len(deletion))
    return Curves(*(np.repeat(areas[:, None], 5, axis=1) for areas in (deletion, insertion, random)))


def test_gains_are_paired_differences_of_areas_with_their_interval() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 50)
    curves = curves_of(0.3 + noise, 0.6 + noise)
    metrics = measure_faithfulness(curves)
    gains = curves.random[:, 0] - curves.most_first[:, 0]
    error = gains.std(ddof=1) / 50**0.5
    assert metrics["deletion"] == pytest.approx(gains.mean())
    assert metrics["deletion_low"] == pytest.approx(gains.mean() - 1.96 * error)
    assert metrics["deletion_high"] == pytest.approx(gains.mean() + 1.96 * error)
    assert metrics["insertion"] == pytest.approx((curves.least_first - curves.random).mean())
    assert metrics["insertion_auc"] == pytest.approx(curves.least_first.mean())
    assert metrics["random_auc"] - metrics["deletion_auc"] == pytest.approx(metrics["deletion"])


def test_least_attributed_first_read_backwards_is_insertion_of_the_most_attributed() -> None:
    attributions = np.array(ORDERS["best first"], np.float32).reshape(1, 1, 4)
    backwards = compute_deletion_curves(brightness, INPUTS, -attributions, erase=fill_with(0.0), num_steps=4)[0, ::-1]
    ranks = np.argsort(np.argsort(-attributions.ravel()))
    inserted = [INPUTS[0, 0, :, 0] * (ranks < number) for number in range(5)]
    assert backwards == pytest.approx([pixels.mean() / 255 for pixels in inserted])


def test_attributions_equal_to_the_random_order_gain_nothing() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    view = ImageView({"mean": [0.0]})
    strengths = np.random.default_rng(5).random((30, 4, 4), dtype=np.float32)
    metrics = measure_faithfulness(compare_with_random(brightness, inputs, strengths, view, seed=5))
    assert metrics["deletion"] == 0
    assert judge_faithfulness(metrics) == "not shown"
    by_brightness = inputs[..., 0].astype(np.float32)
    assert (
        judge_faithfulness(measure_faithfulness(compare_with_random(brightness, inputs, by_brightness, view, seed=5)))
        == "shown"
    )


@pytest.mark.parametrize(
    ("deletion", "insertion", "spread", "shown"),
    [
        (0.3, 0.7, 0.1, ["deletion", "insertion"]),
        (0.3, 0.5, 0.1, ["deletion"]),
        (0.5, 0.7, 0.1, ["insertion"]),
        (0.5 - MIN_GAIN / 2, 0.5 + MIN_GAIN / 2, 0.001, []),  # certain, and too small
        (0.3, 0.7, 3.0, []),  # large, and uncertain
        (0.7, 0.3, 0.1, []),  # worse than a random order
    ],
)
def test_claims_need_a_certain_gain_of_some_size(
    deletion: float, insertion: float, spread: float, shown: list[str]
) -> None:
    noise = np.tile([-spread, spread], 25)
    metrics = measure_faithfulness(curves_of(deletion + noise, insertion + noise))
    assert find_shown_kinds(metrics) == shown
    assert judge_faithfulness(metrics) == ("not shown", "partly shown", "shown")[len(shown)]


def test_one_row_has_no_interval_and_shows_nothing() -> None:
    metrics = measure_faithfulness(curves_of(np.zeros(1), np.ones(1)))
    assert "deletion_low" not in metrics
    assert judge_faithfulness(metrics) == "not shown"


def test_similarity_is_one_for_the_same_value_and_half_at_one_spread() -> None:
    similarity = compute_similarity(np.array([5.0, 7.0, 3.0, 11.0]), np.full(4, 5.0), 2.0)
    assert similarity == pytest.approx([1, 0.5, 0.5, 0.25])


# Grad-CAM's map is that of the last feature map, here of a few pixels, which says little
@pytest.mark.parametrize("method", [name for name in IMAGE_METHODS if name != "grad_cam"])
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
        area_under_curve(compute_deletion_curves(probability, inputs, order, erase=erase)).mean()
        for order in (maps, chance, -maps)
    ]
    assert areas[0] < areas[1] - 0.1
    assert areas[1] < areas[2]
