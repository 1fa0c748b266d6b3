import numpy as np
import pytest

from headrace.data.image.cleaning.features import CELLS, NUM_FEATURES, extract_features
from headrace.data.image.cleaning.quality_measures import to_grey

CELL_COUNT = CELLS * CELLS


def features_of(stack: np.ndarray) -> np.ndarray:
    return extract_features(stack, to_grey(stack))


def edges(stack: np.ndarray) -> np.ndarray:
    """`[rows, directions, cells]`."""
    return features_of(stack)[:, : -3 * CELL_COUNT].reshape(len(stack), -1, CELL_COUNT)


def test_features_of_grey_and_of_colour_have_one_shape() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    assert features_of(grey).shape == (3, NUM_FEATURES)
    colour = np.repeat(grey, 3, axis=3)
    np.testing.assert_allclose(features_of(colour), features_of(grey), rtol=1e-5)


def test_features_hold_the_colours_of_cells() -> None:
    stack = np.zeros((1, 32, 32, 3), np.uint8)
    stack[0, :8, 8:16] = (255, 51, 0)
    colours = features_of(stack)[0, -3 * CELL_COUNT :].reshape(3, CELL_COUNT)
    assert colours[:, 1] == pytest.approx([1, 0.2, 0])
    assert colours.sum() == pytest.approx(1.2)


def test_features_separate_directions_and_positions_of_edges() -> None:
    vertical = np.zeros((1, 32, 32, 1), np.uint8)
    vertical[:, :, 4:] = 200
    horizontal = vertical.transpose(0, 2, 1, 3)
    across, down = edges(vertical)[0], edges(horizontal)[0]
    assert across[0].reshape(CELLS, CELLS)[:, 0].min() > 0.1  # strength of vertical edges, in the left column
    assert across[:, 1::CELLS].max() == 0  # and none to its right
    assert across[1].max() == 0  # no horizontal edges
    np.testing.assert_allclose(down[1].reshape(CELLS, CELLS), across[0].reshape(CELLS, CELLS).T, rtol=1e-5)


def test_features_hardly_depend_on_contrast() -> None:
    stack = np.random.default_rng(0).integers(0, 100, (2, 32, 32, 1), np.uint8)
    np.testing.assert_allclose(edges(stack * 2), edges(stack), atol=1e-3)


def test_features_of_a_blank_image_are_finite() -> None:
    assert np.isfinite(features_of(np.full((1, 32, 32, 1), 9, np.uint8))).all()
