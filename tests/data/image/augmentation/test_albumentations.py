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
    made = ImageAugmenter(TRANSFORMS, 0)(inputs, ROWS, 0)
    assert made.shape == inputs.shape
    assert made.dtype == np.uint8
    assert (made != inputs).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(inputs, given)


def test_augment_of_a_read_only_map_works() -> None:
    inputs = images()
    inputs.flags.writeable = False
    np.testing.assert_array_equal(ImageAugmenter(TRANSFORMS, 0)(inputs, ROWS, 1), augmented())


def test_augment_differs_from_epoch_to_epoch() -> None:
    assert (augmented(1) != augmented(2)).any(axis=(1, 2, 3)).all()


def test_augment_differs_by_seed() -> None:
    assert (augmented(seed=0) != augmented(seed=1)).any(axis=(1, 2, 3)).all()


def test_augment_differs_by_row() -> None:
    assert (augmented() != augmented(rows=ROWS + 1)).any(axis=(1, 2, 3)).all()


def test_augment_is_the_same_from_run_to_run() -> None:
    np.testing.assert_array_equal(augmented(), augmented())
    augmenter = ImageAugmenter(TRANSFORMS, 0)
    augmenter(images(), ROWS, 0)  # what was drawn before has no part in it
    np.testing.assert_array_equal(augmenter(images(), ROWS, 1), augmented())


def test_augment_of_a_row_alone_is_that_of_the_row_in_a_batch() -> None:
    augmenter, whole = ImageAugmenter(TRANSFORMS, 0), augmented()
    for index in (3, 0, 4):
        alone = augmenter(images()[index : index + 1], ROWS[index : index + 1], 1)
        np.testing.assert_array_equal(alone[0], whole[index])
    np.testing.assert_array_equal(augmenter(images()[::-1], ROWS[::-1], 1), whole[::-1])


def test_augment_leaves_the_global_generators_alone() -> None:
    import random

    np.random.seed(7)  # noqa: NPY002 the global generator is what is asked about
    random.seed(7)
    augmented()
    drawn = (np.random.random(), random.random())  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    assert drawn == (np.random.random(), random.random())  # noqa: NPY002


def refusal(transforms: list[dict[str, object]]) -> str:
    with pytest.raises(ConfigError) as caught:
        ImageAugmenter(transforms, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "meant"), [("Afine", "Affine"), ("HorizontalFlp", "HorizontalFlip")])
def test_augment_of_an_unknown_transform_says_what_was_meant(name: str, meant: str) -> None:
    assert refusal([{"name": "Affine"}, {"name": name}]) == (
        f"params.yaml: train.augmentation.1.name: {name!r} is no transform of albumentations; did you mean {meant!r}?; "
        "see https://albumentations.ai/docs"
    )


@pytest.mark.parametrize("name", ["Compose", "BasicTransform", "os", "__doc__", "zzzzzz"])
def test_augment_of_what_is_no_transform_is_refused(name: str) -> None:
    assert refusal([{"name": name}]).startswith(f"params.yaml: train.augmentation.0.name: {name!r} is no transform ")


def test_augment_of_an_unknown_argument_says_what_was_meant() -> None:
    line = refusal([{"name": "Affine"}, {"name": "HorizontalFlip", "q": 0.5}])
    assert line == "params.yaml: train.augmentation.1.q: unknown argument of HorizontalFlip; choose one of ['p']"
    line = refusal([{"name": "Affine", "rotat": [-9, 9]}])
    assert line.startswith("params.yaml: train.augmentation.0.rotat: unknown argument of Affine; choose one of ['bal")
    assert line.endswith("(did you mean 'rotate'?)")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"name": "Affine", "rotate": "far"}, "rotate"),
        ({"name": "RandomCrop"}, "height"),
        ({"name": "HorizontalFlip", "p": 7}, "p"),
    ],
)
def test_augment_of_an_argument_out_of_range_is_one_line(entry: dict[str, object], told: str) -> None:
    line = refusal([entry])
    assert line.startswith(f"params.yaml: train.augmentation.0: {entry['name']} does not take these arguments: ")
    assert told in line.partition("arguments: ")[2]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"name": "Resize", "height": 8, "width": 8}, "makes uint8 (8, 8, 1) of uint8 (16, 12, 1); use transforms"),
        ({"name": "Transpose", "p": 1.0}, "makes uint8 (12, 16, 1) of uint8 (16, 12, 1); use transforms"),
        ({"name": "ToFloat", "p": 1.0}, "makes float32 (16, 12, 1) of uint8 (16, 12, 1); use transforms"),
        ({"name": "RandomCrop", "height": 99, "width": 99}, "cannot transform an image of shape (16, 12, 1): "),
    ],
)
def test_augment_that_changes_shape_or_type_is_refused(entry: dict[str, object], told: str) -> None:
    augmenter = ImageAugmenter([entry], 0)
    with pytest.raises(ConfigError) as caught:
        augmenter(images(), ROWS, 0)
    assert str(caught.value).startswith(f"params.yaml: train.augmentation: {told}")
