import os
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from headrace.data.image.augmentation.albumentations import ImageAugmenter
from headrace.data.image.augmentation.batch_transforms import (
    BATCH_TRANSFORMS,
    BatchCoarseDropout,
    BatchCrop,
    BatchFlip,
    BatchPad,
    to_batch_transform,
)
from headrace.errors import ConfigError

NUM_ROWS, HEIGHT, WIDTH = 60, 20, 24


def images(channels: int = 3, num_rows: int = NUM_ROWS) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (num_rows, HEIGHT, WIDTH, channels), dtype=np.uint8)


def draws(count: int, num_rows: int = NUM_ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(1).random((num_rows, count))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["Affine", "CoarseDropout", "HorizontalFlip", "VerticalFlip"])
def test_a_fraction_p_of_the_rows_is_transformed(name: str, p: float) -> None:
    options = {"translate_px": {"x": (5, 5), "y": (0, 0)}} if name == "Affine" else {}
    augmenter, num_rows = ImageAugmenter([{"name": name, "p": p} | options], 0), 2_000
    given = images(1, num_rows)
    changed = (augmenter(given, np.arange(num_rows), 0) != given).any(axis=(1, 2, 3)).mean()
    assert changed == pytest.approx(p, abs=0.04 if 0 < p < 1 else 0)


@pytest.mark.parametrize(("kind", "axis"), [(albumentations.VerticalFlip, 0), (albumentations.HorizontalFlip, 1)])
def test_flip_gives_the_pixels_of_albumentations(kind: Any, axis: int) -> None:
    transform, given, drawn = kind(p=0.5), images(), draws(1)
    outputs = BatchFlip(transform, axis)(given, drawn)
    for row in range(NUM_ROWS):
        np.testing.assert_array_equal(outputs[row], transform.apply(given[row]) if drawn[row, 0] < 0.5 else given[row])


@pytest.mark.parametrize("border_mode", range(5))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "entry",
    [
        {"name": "Pad", "padding": 3},
        {"name": "Pad", "padding": [1, 2, 3, 4], "fill": 9},
        {"name": "PadIfNeeded", "min_height": 25, "min_width": 20, "position": "top_left"},
        {"name": "PadIfNeeded", "min_height": 30, "min_width": 31},
    ],
)
def test_padding_gives_the_pixels_of_albumentations(entry: dict[str, Any], border_mode: int, channels: int) -> None:
    options = {key: value for key, value in entry.items() if key != "name"} | {"border_mode": border_mode, "p": 1.0}
    transform, given = getattr(albumentations, entry["name"])(**options), images(channels)
    wanted = np.stack([transform(image=image)["image"] for image in given])
    np.testing.assert_array_equal(BatchPad(transform)(given, draws(0)), wanted)


def test_crop_gives_the_pixels_of_albumentations_at_every_position() -> None:
    transform, num_rows = albumentations.RandomCrop(HEIGHT - 2, WIDTH - 1), 600
    given = np.repeat(images(1, 1), num_rows, axis=0)
    outputs = BatchCrop(transform)(given, draws(2, num_rows))
    windows = {
        (top, left): transform.apply(given[0], crop_coords=(left, top, left + WIDTH - 1, top + HEIGHT - 2))
        for top in range(3)
        for left in range(2)
    }
    counts = [(outputs == window).all(axis=(1, 2, 3)).sum() for window in windows.values()]
    assert sum(counts) == num_rows
    assert min(counts) > 70  # of 100


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_holes_range": (1, 4), "hole_height_range": (2, 6), "hole_width_range": (1, 30), "fill": 200},
        {"num_holes_range": (2, 2), "hole_height_range": (0.1, 0.5), "hole_width_range": (0.3, 0.3)},
    ],
)
def test_holes_are_those_of_albumentations(options: dict[str, Any]) -> None:
    transform, num_rows = albumentations.CoarseDropout(**options, p=1.0), 2_000
    transform.set_random_seed(3)
    dropout, drawn = BatchCoarseDropout(transform), draws(2 + 4 * transform.num_holes_range[1], num_rows)
    holes = dropout.holes(drawn, (HEIGHT, WIDTH))
    outputs = dropout(images(num_rows=20), drawn[:20])
    for (row, boxes), given, image in zip(holes, images(num_rows=20), outputs, strict=False):
        assert row < 20
        np.testing.assert_array_equal(image, transform.apply(given, holes=np.array(boxes), seed=0))
    their_holes = [
        transform.get_params_dependent_on_data({"shape": (HEIGHT, WIDTH)}, {})["holes"] for _ in range(num_rows)
    ]
    assert ks_2samp([len(boxes) for _, boxes in holes], list(map(len, their_holes))).pvalue > 0.001
    ours = np.concatenate([boxes for _, boxes in holes])
    theirs = np.concatenate(their_holes)
    for our_sides, their_sides in zip(ours.T, theirs.T, strict=True):
        assert ks_2samp(our_sides, their_sides).pvalue > 0.001


def test_holes_larger_than_the_image_are_refused() -> None:
    entry = {"name": "CoarseDropout", "hole_height_range": [30, 40], "hole_width_range": [1, 2]}
    with pytest.raises(ConfigError, match=r"shape \(20, 24, 3\): holes of at least \[30, 1\] pixels are larger than"):
        ImageAugmenter([entry], 0)(images(), np.arange(NUM_ROWS), 0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Affine", {"fit_output": True}),
        ("Affine", {"balanced_scale": True}),
        ("CoarseDropout", {"fill": "random"}),
        ("GaussNoise", {}),
        ("Pad", {"padding": 2, "p": 0.5}),
        ("PadIfNeeded", {"position": "random"}),
        ("RandomCrop", {"height": 4, "width": 4, "pad_if_needed": True}),
        ("SafeRotate", {}),
    ],
)
def test_unsupported_settings_have_no_batch_version(name: str, options: dict[str, Any]) -> None:
    assert to_batch_transform(getattr(albumentations, name)(**options)) is None


def test_registry_has_only_names_of_albumentations() -> None:
    assert all(hasattr(albumentations, name) for name in BATCH_TRANSFORMS)


def test_padding_and_crop_move_an_image_by_a_few_pixels() -> None:
    entries = [{"name": "Pad", "padding": 2}, {"name": "RandomCrop", "height": HEIGHT, "width": WIDTH}]
    given, num_rows = np.zeros((200, HEIGHT, WIDTH, 1), np.uint8), 200
    given[:, 10, 10] = 255
    moved = ImageAugmenter(entries, 0)(given, np.arange(num_rows), 0)
    places = np.argwhere(moved[..., 0] == 255)[:, 1:]
    assert len(places) == num_rows
    assert sorted(set(map(tuple, places.tolist()))) == [(y, x) for y in range(8, 13) for x in range(8, 13)]


def test_transforms_after_an_unbatched_one_do_not_depend_on_the_batch() -> None:
    entries = [{"name": "HorizontalFlip"}, {"name": "GaussNoise", "p": 1.0}, {"name": "VerticalFlip"}]
    augmenter, rows = ImageAugmenter(entries, 0), np.arange(NUM_ROWS)
    batch = augmenter(images(), rows, 3)
    np.testing.assert_array_equal(augmenter(images()[7:9], rows[7:9], 3), batch[7:9])
    assert (batch != images()).any(axis=(1, 2, 3)).all()
