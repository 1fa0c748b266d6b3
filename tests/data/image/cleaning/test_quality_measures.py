import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from headrace.data.image.cleaning import quality_measures as module
from headrace.data.image.cleaning.quality_measures import make_grey, measure_quality, to_grey

STACKS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(1)))


def reference(pixels: np.ndarray) -> dict[str, float]:
    """Computes the measures of a grey image `[height, width]` from their definitions."""
    inner = pixels.astype(float)
    laplacian = (
        4 * inner[1:-1, 1:-1] - inner[:-2, 1:-1] - inner[2:, 1:-1] - inner[1:-1, :-2] - inner[1:-1, 2:]
        if min(pixels.shape) > 2
        else np.array(np.nan)
    )
    return {
        "brightness": inner.mean(),
        "contrast": inner.std(),
        "percentile_1": np.percentile(pixels, 1, method="inverted_cdf"),
        "percentile_99": np.percentile(pixels, 99, method="inverted_cdf"),
        "sharpness": laplacian.std(),
    }


@settings(deadline=None)  # a busy machine is slow
@given(STACKS)
def test_measures_are_those_of_each_image(stack: np.ndarray) -> None:
    measured = measure_quality(to_grey(stack))
    for row, image in enumerate(stack):
        expected = reference(image[..., 0])
        assert {name: values[row] for name, values in measured.items()} == pytest.approx(
            expected, rel=1e-4, abs=1e-3, nan_ok=True
        )


@pytest.mark.parametrize("strip_pixels", [1, 50, 200])
def test_measures_do_not_depend_on_strips(strip_pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (2, 13, 9, 3), np.uint8)
    at_once = measure_quality(to_grey(stack))
    monkeypatch.setattr(module, "STRIP_PIXELS", strip_pixels)
    for name, values in measure_quality(to_grey(stack)).items():
        np.testing.assert_allclose(values, at_once[name], rtol=1e-5)


def test_grey_levels_are_those_of_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
    assert np.abs(to_grey(pixels).astype(int) - expected).max() <= 1
    assert to_grey(np.full((1, 1, 3), 255, np.uint8)).item() == 255


@pytest.mark.parametrize("shape", [(1, 70, 90, 3), (2, 7, 9, 3), (1, 7, 9, 1)])
def test_grey_levels_by_pillow_are_the_same(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images = [Image.fromarray(image[..., 0] if image.shape[2] == 1 else image) for image in pixels]
    assert np.array_equal(make_grey(pixels, images), to_grey(pixels))
