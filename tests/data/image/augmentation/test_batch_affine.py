import os
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import numpy as np
import pytest
from albumentations.augmentations.geometric.functional import center, create_affine_transformation_matrix
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from headrace.data.image.augmentation.batch_affine import BatchAffine

NUM_ROWS, HEIGHT, WIDTH = 60, 20, 24
WIDE = {"rotate": (-30, 40), "scale": (0.7, 1.3), "shear": {"x": (-10, 5), "y": (3, 9)}}
AFFINES: list[dict[str, Any]] = [
    {},
    WIDE | {"translate_percent": (-0.2, 0.3), "p": 1.0},
    {"translate_px": {"x": (-4, 3), "y": (0, 5)}, "p": 0.7},
    WIDE | {"keep_ratio": True, "border_mode": 4, "interpolation": 0, "p": 1.0},
    {"rotate": 15, "scale": 0.8, "fill": 77, "p": 1.0},
]


def images(channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (NUM_ROWS, HEIGHT, WIDTH, channels), dtype=np.uint8)


def draws(count: int, num_rows: int = NUM_ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(1).random((num_rows, count))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", AFFINES)
def test_affine_gives_the_pixels_of_albumentations(options: dict[str, Any], channels: int) -> None:
    transform, given = albumentations.Affine(**options), images(channels)
    affine, drawn = BatchAffine(transform), draws(8)
    outputs, matrices = affine(given, drawn), affine.matrices(drawn[:, 1:], (HEIGHT, WIDTH))
    for row, matrix in enumerate(matrices):
        square = np.vstack([matrix, [0, 0, 1]])
        applied = transform.apply(given[row], matrix=square, output_shape=(HEIGHT, WIDTH))
        np.testing.assert_array_equal(outputs[row], applied if drawn[row, 0] < transform.p else given[row])


def test_affine_fills_with_a_colour() -> None:
    transform = albumentations.Affine(translate_px={"x": (9, 9), "y": (0, 0)}, fill=(1, 2, 3), p=1.0)
    assert (BatchAffine(transform)(images(), draws(8))[:, :, :9] == [1, 2, 3]).all()


def test_affine_matrices_are_those_of_albumentations() -> None:
    transform, drawn = albumentations.Affine(**WIDE, translate_percent=(-0.2, 0.3)), draws(7)
    matrices = BatchAffine(transform).matrices(drawn, (HEIGHT, WIDTH))
    for numbers, matrix in zip(drawn, matrices, strict=True):
        right, down, shear_x, shear_y, scale_x, scale_y, turn = numbers.tolist()
        wanted = create_affine_transformation_matrix(
            {"x": int((-0.2 + 0.5 * right) * WIDTH), "y": int((-0.2 + 0.5 * down) * HEIGHT)},
            {"x": 10 - 15 * shear_x, "y": -3 - 6 * shear_y},
            {"x": 0.7 + 0.6 * scale_x, "y": 0.7 + 0.6 * scale_y},
            -30 + 70 * turn,
            center((HEIGHT, WIDTH)),
        )
        np.testing.assert_allclose(matrix, wanted[:2], atol=1e-12)


@pytest.mark.parametrize("options", AFFINES[1:4])
def test_affine_draws_from_the_distribution_of_albumentations(options: dict[str, Any]) -> None:
    transform, num_rows = albumentations.Affine(**options), 2_000
    transform.set_random_seed(5)
    params = [transform.get_params_dependent_on_data({"shape": (HEIGHT, WIDTH)}, {}) for _ in range(num_rows)]
    theirs = np.stack([drawn_params["matrix"][:2] for drawn_params in params]).reshape(num_rows, 6)
    ours = BatchAffine(transform).matrices(draws(7, num_rows), (HEIGHT, WIDTH)).reshape(num_rows, 6)
    for our_entries, their_entries in zip(ours.T.round(9), theirs.T.round(9), strict=True):
        assert ks_2samp(our_entries, their_entries).pvalue > 0.001
