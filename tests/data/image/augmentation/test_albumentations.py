import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.data.image.augmentation.albumentations import ImageAugmenter
from headrace.errors import ConfigError

TRANSFORMS = [
    {"name": "Affine", "rotate": [-30, 30], "scale": [0.8, 1.2], "translate_percent": [-0.1, 0.1], "p": 1.0},
    {"name": "RandomBrightnessContrast", "p": 0.5},
    {"name": "GaussNoise", "p": 0.5},
]
ROWS = np.array([5, 0, 17, 3, 123_456_789])


def images(channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (len(ROWS), 16, 12, channels), dtype=np.uint8)


def augmented(epoch: int = 1, seed: int = 0, rows: NDArray[np.int64] = ROWS) -> NDArray[np.uint8]:
    return ImageAugmenter(TRANSFORMS, seed)(images(), rows, epoch)


@pytest.mark.parametrize("channels", [1, 3])
def test_augment_keeps_shape_and_type_and_changes_every_row(channels: int) -> None:
    inputs = images(channels)
    given = inputs.copy()
    outputs = ImageAugmenter(TRANSFORMS, 0)(inputs, ROWS, 0)
    assert outputs.shape == inputs.shape
    assert outputs.dtype == np.uint8
    assert (outputs != inputs).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(inputs, given)


def test_augment_reads_read_only_inputs() -> None:
    inputs = images()
    inputs.flags.writeable = False
    np.testing.assert_array_equal(ImageAugmenter(TRANSFORMS, 0)(inputs, ROWS, 1), augmented())


def test_augment_differs_between_epochs() -> None:
    assert (augmented(1) != augmented(2)).any(axis=(1, 2, 3)).all()


def test_augment_differs_between_seeds() -> None:
    assert (augmented(seed=0) != augmented(seed=1)).any(axis=(1, 2, 3)).all()


def test_augment_differs_between_rows() -> None:
    assert (augmented() != augmented(rows=ROWS + 1)).any(axis=(1, 2, 3)).all()


def test_augment_is_the_same_in_every_run() -> None:
    np.testing.assert_array_equal(augmented(), augmented())
    augmenter = ImageAugmenter(TRANSFORMS, 0)
    augmenter(images(), ROWS, 0)  # earlier draws have no influence
    np.testing.assert_array_equal(augmenter(images(), ROWS, 1), augmented())


def test_augment_of_a_row_does_not_depend_on_its_batch() -> None:
    augmenter, batch = ImageAugmenter(TRANSFORMS, 0), augmented()
    for index in (3, 0, 4):
        alone = augmenter(images()[index : index + 1], ROWS[index : index + 1], 1)
        np.testing.assert_array_equal(alone[0], batch[index])
    np.testing.assert_array_equal(augmenter(images()[::-1], ROWS[::-1], 1), batch[::-1])


def test_augment_does_not_use_the_global_generators() -> None:
    import random

    np.random.seed(7)  # noqa: NPY002 - the test is about the global generator
    random.seed(7)
    augmented()
    drawn = (np.random.random(), random.random())  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    assert drawn == (np.random.random(), random.random())  # noqa: NPY002


def error_message(transforms: list[dict[str, object]]) -> str:
    with pytest.raises(ConfigError) as caught:
        ImageAugmenter(transforms, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "Affine", "rotate": "far"}, "rotate"),
        ({"name": "RandomCrop"}, "height"),
        ({"name": "HorizontalFlip", "p": 7}, "p"),
    ],
)
def test_invalid_argument_gives_one_line(entry: dict[str, object], problem: str) -> None:
    line = error_message([entry])
    assert line.startswith(f"params.yaml: train.augmentation.0: {entry['name']} does not take these arguments: ")
    assert problem in line.partition("arguments: ")[2]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "Resize", "height": 8, "width": 8}, "turns uint8 (16, 12, 1) into uint8 (8, 8, 1); use transforms"),
        ({"name": "Transpose", "p": 1.0}, "turns uint8 (16, 12, 1) into uint8 (12, 16, 1); use transforms"),
        ({"name": "ToFloat", "p": 1.0}, "turns uint8 (16, 12, 1) into float32 (16, 12, 1); use transforms"),
        ({"name": "RandomCrop", "height": 99, "width": 99}, "cannot transform an image of shape (16, 12, 1): "),
    ],
)
def test_transform_that_changes_shape_or_type_is_refused(entry: dict[str, object], problem: str) -> None:
    augmenter = ImageAugmenter([entry], 0)
    with pytest.raises(ConfigError) as caught:
        augmenter(images(), ROWS, 0)
    assert str(caught.value).startswith(f"params.yaml: train.augmentation: {problem}")
