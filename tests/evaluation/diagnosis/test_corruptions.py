import itertools

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from headrace.evaluation.diagnosis.corruptions import CORRUPTIONS, corrupt_images

PHOTO = np.asarray(Image.fromarray(load_sample_image("china.jpg")).resize((48, 40), Image.Resampling.BOX))
PIXELS = np.stack([PHOTO, PHOTO[::-1], PHOTO[:, ::-1] // 2])


def generators(num_rows=3):
    return [np.random.default_rng(row) for row in range(num_rows)]


def distances(name, pixels):
    """Mean difference from the clean images at each strength."""
    corrupted = [corrupt_images(name, pixels, strength, generators()) for strength in range(5)]
    assert all(each.shape == pixels.shape and each.dtype == np.uint8 for each in corrupted)
    return [float(np.abs(each.astype(float) - pixels).mean()) for each in corrupted]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupt_images_changes_more_with_each_strength(name):
    for pixels in (PIXELS, PIXELS[..., 2:]):
        changes = distances(name, pixels)
        assert changes[4] > changes[0]
        assert changes[4] > 1
        assert all(later >= earlier * 0.95 for earlier, later in itertools.pairwise(changes))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupt_images_treats_each_row_by_itself(name):
    together = corrupt_images(name, PIXELS, 3, generators())
    for row in range(3):
        alone = corrupt_images(name, PIXELS[[row]], 3, generators()[row : row + 1])
        assert alone[0].tolist() == together[row].tolist()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 3), (8, 5, 1), (100, 70, 3)], ids=str)
def test_corrupt_images_of_any_shape(name, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8)
    for level in (pixels, np.zeros_like(pixels), np.full_like(pixels, 255)):
        assert corrupt_images(name, level, 4, generators(1)).shape == pixels.shape


def test_noise_has_its_deviation():
    grey = np.full((3, 64, 64, 3), 128, np.uint8)
    gaussian = corrupt_images("gaussian_noise", grey, 4, generators()).astype(float)
    assert gaussian.std() == pytest.approx(0.1 * 255, rel=0.02)
    shot = corrupt_images("shot_noise", grey, 4, generators()).astype(float)
    assert shot.std() == pytest.approx(np.sqrt(128 / 255 / 50) * 255, rel=0.03)
    impulse = corrupt_images("impulse_noise", grey, 4, generators())
    assert (impulse != 128).mean() == pytest.approx(0.07, abs=0.005)
    assert {0, 128, 255} == set(np.unique(impulse).tolist())


def test_brightness_and_contrast_follow_their_formulas():
    pixels = np.array([[[[100, 50, 0]], [[200, 200, 200]]]], np.uint8)
    bright = corrupt_images("brightness", pixels, 4, generators(1))
    assert bright[0, 0, 0].tolist() == pytest.approx([176, 88, 0], abs=1)  # 100 + 0.3 * 255, same hue
    assert bright[0, 1, 0].tolist() == [255, 255, 255]
    flat = corrupt_images("contrast", pixels, 4, generators(1))
    assert flat[0, :, 0, 0].tolist() == pytest.approx([150 - 7.5, 150 + 7.5], abs=1)


def test_blurs_do_not_change_a_flat_image():
    flat = np.full((3, 32, 32, 3), 90, np.uint8)
    for name in ("defocus_blur", "motion_blur", "zoom_blur", "pixelate"):
        assert np.abs(corrupt_images(name, flat, 4, generators()).astype(int) - 90).max() <= 1
