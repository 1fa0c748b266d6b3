from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.data.image.augmentation.mixup import cutmix, mixup
from headrace.data.row_random import STREAMS, draw_uniforms

NUM_ROWS = 400
INPUTS, PARTNERS = np.full((NUM_ROWS, 10, 14, 3), 200, np.uint8), np.full((NUM_ROWS, 10, 14, 3), 50, np.uint8)
SHARES = np.random.default_rng(0).beta(1.0, 1.0, NUM_ROWS)
DRAW = partial(draw_uniforms, 0, STREAMS["mix"], 0, np.arange(NUM_ROWS))


def test_mixup_is_the_weighted_mean_of_the_pixels() -> None:
    rng = np.random.default_rng(1)
    inputs, partners = rng.integers(0, 256, (2, 5, 4, 3, 1), dtype=np.uint8)
    shares = np.array([0.0, 1.0, 0.25, 0.5, 0.8])
    mixed, new_shares = mixup(inputs, partners, shares, DRAW)
    np.testing.assert_array_equal(mixed[:2], [partners[0], inputs[1]])
    for row in range(5):
        wanted = shares[row] * inputs[row] + (1 - shares[row]) * partners[row]
        assert np.abs(mixed[row] - wanted).max() <= 0.5 + 1e-4
    np.testing.assert_array_equal(new_shares, shares)
    assert mixed.dtype == np.uint8


def boxes(mixed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (mixed == 50).all(axis=3)


def test_cutmix_pastes_a_rectangle_and_returns_the_shares() -> None:
    mixed, shares = cutmix(INPUTS, PARTNERS, SHARES, DRAW)
    assert set(np.unique(mixed)) == {50, 200}
    for pasted, share in zip(boxes(mixed), shares, strict=True):
        assert share == pytest.approx(1 - pasted.mean())
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        np.testing.assert_array_equal(pasted, rows[:, None] & columns)  # a rectangle
        assert (np.diff(np.flatnonzero(rows)) == 1).all()
        assert (np.diff(np.flatnonzero(columns)) == 1).all()
    np.testing.assert_array_equal(INPUTS, np.full_like(INPUTS, 200))


def test_cutmix_of_a_rectangle_inside_the_image_has_the_requested_share() -> None:
    shares = np.full(NUM_ROWS, 1 - 0.6**2)  # sides of 0.6: 6 and 8.4 pixels
    mixed, new_shares = cutmix(INPUTS, PARTNERS, shares, DRAW)
    inner = [pasted for pasted in boxes(mixed) if not (pasted[[0, -1]].any() or pasted[:, [0, -1]].any())]
    assert len(inner) > 10
    assert all(pasted.any(axis=1).sum() == 6 and pasted.any(axis=0).sum() in {8, 9} for pasted in inner)
    assert (new_shares >= shares - 0.03).all()  # cutting the rectangle leaves more of the original image


def test_cutmix_reaches_every_pixel() -> None:
    mixed, _ = cutmix(INPUTS, PARTNERS, np.full(NUM_ROWS, 0.9), DRAW)
    assert boxes(mixed).any(axis=0).all()


@pytest.mark.parametrize(("share", "value"), [(1.0, 200), (0.0, 50)])
def test_cutmix_of_nothing_and_of_everything(share: float, value: int) -> None:
    mixed, new_shares = cutmix(
        INPUTS, PARTNERS, np.full(NUM_ROWS, share), lambda count: np.full((NUM_ROWS, count), 0.5)
    )
    assert (mixed == value).all()
    assert (new_shares == share).all()
