import io

import numpy as np
import pytest
from PIL import Image

from headrace.data.image.cleaning import perceptual_hash as module
from headrace.data.image.cleaning.perceptual_hash import (
    SIDE_PX,
    compare_sketches,
    hash_sketches,
    make_sketches,
    make_thumbnails,
)
from headrace.data.image.cleaning.quality_measures import to_grey


def scenes(number: int, side: int, seed: int = 0) -> np.ndarray:
    """Returns images `[number, side, side, 3]` of soft blobs, as different from each other as photographs."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (number, 6, 6, 3), np.uint8)
    resized = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in small]
    return np.stack(resized)


def thumbnails_of(stack: np.ndarray) -> np.ndarray:
    return make_thumbnails(stack, [Image.fromarray(image[..., 0] if image.shape[2] == 1 else image) for image in stack])


def sketched(stack: np.ndarray) -> np.ndarray:
    return make_sketches(to_grey(thumbnails_of(stack)))


def as_jpeg(pixels: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def shifted(stack: np.ndarray) -> np.ndarray:
    return np.concatenate([stack[:, :, :1], stack[:, :, :-1]], axis=2)


def brighter(stack: np.ndarray) -> np.ndarray:
    return np.clip(stack * 0.8 + 40, 0, 255).astype(np.uint8)


def half(stack: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).reduce(2)) for image in stack])


CHANGES = {
    "re-encoded": lambda stack: np.stack([as_jpeg(image) for image in stack]),
    "shifted": shifted,
    "brighter": brighter,
    "resized": half,
}


# images of at most SIDE_PX pixels are not resized, so reduced copies of them are not detected
@pytest.mark.parametrize(("change", "side"), [(c, s) for c in CHANGES for s in (28, 120) if (c, s) != ("resized", 28)])
def test_near_duplicates_are_similar_and_share_a_hash(change: str, side: int) -> None:
    stack = scenes(60, side)
    first, second = sketched(stack), sketched(CHANGES[change](stack))
    similarities = compare_sketches(first, second)
    assert (similarities >= 0.98).mean() >= 0.95
    shares = (hash_sketches(first) == hash_sketches(second)).any(axis=1)
    assert shares.mean() >= 0.9


def test_different_images_are_not_similar_and_rarely_share_a_hash() -> None:
    first, second = sketched(scenes(400, 28)), sketched(scenes(400, 28, seed=1))
    assert compare_sketches(first, second).max() < 0.9
    assert (hash_sketches(first) == hash_sketches(second)).any(axis=1).mean() < 0.02


def test_similarity_is_the_best_correlation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SPECTRUM_DISTANCE", 1e9)  # compares distant pairs as well
    monkeypatch.setattr(module, "BATCH_PAIRS", 3)
    rng = np.random.default_rng(0)
    first, second = (make_sketches(rng.integers(0, 256, (8, SIDE_PX, SIDE_PX), np.uint8)) for _ in range(2))
    images = [part[:, -SIDE_PX * SIDE_PX :].reshape(-1, SIDE_PX, SIDE_PX).astype(float) for part in (first, second)]
    inner = SIDE_PX - 2
    for result, image, other in zip(compare_sketches(first, second), *images, strict=True):
        best = max(
            np.corrcoef(image[1:-1, 1:-1].ravel(), other[top : top + inner, left : left + inner].ravel())[0, 1]
            for top in range(3)
            for left in range(3)
        )
        assert result == pytest.approx(max(0, best), abs=1e-4)


def test_blank_images_are_similar_to_no_other() -> None:
    flat = sketched(np.full((2, 10, 10, 1), 77, np.uint8))
    assert compare_sketches(flat[:1], flat[1:]).tolist() == [0]


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (32, 32), (5, 31), (33, 2), (600, 400)])
@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails_have_one_shape(shape: tuple[int, int], channels: int) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (2, *shape, channels), np.uint8)
    resized = thumbnails_of(stack)
    assert resized.shape == (2, SIDE_PX, SIDE_PX, channels)
    if max(shape) <= SIDE_PX:
        top, left = (SIDE_PX - shape[0]) // 2, (SIDE_PX - shape[1]) // 2
        assert np.array_equal(resized[:, top : top + shape[0], left : left + shape[1]], stack)
