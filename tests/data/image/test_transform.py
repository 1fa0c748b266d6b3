import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.contracts import Spec
from headrace.data.image.transform import ImageTransform
from headrace.data.transforms import TRANSFORMS
from headrace.errors import DataError

SPEC = Spec(modality="image", task="classification", source="drawn", format="folder", num_rows=9)
AUTO = {"image_size": None, "resize": "pad"}


def batch_of(*images: np.ndarray) -> pa.RecordBatch:
    encoded = []
    for pixels in images:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    return pa.record_batch({"row_id": [str(i) for i in range(len(encoded))], "image": pa.array(encoded, pa.binary())})


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


class Batches(list[pa.RecordBatch]):
    """Rows that are mapped in this process."""

    def map(self, work: Callable[[pa.RecordBatch], Any]) -> Iterator[Any]:
        return map(work, self)


def fit(*batches: pa.RecordBatch, **options: Any) -> dict[str, Any]:
    return TRANSFORMS["image"].fit(Batches(batches), SPEC, AUTO | options)


def test_fit_learns_the_shared_size_and_exact_statistics() -> None:
    images = [noise(5, 7, seed=seed) for seed in range(4)]
    fitted = fit(batch_of(*images))
    assert fitted["input_shape"] == [5, 7, 1]
    assert fitted["mean"] == pytest.approx([np.mean(images) / 255], rel=1e-12)
    assert fitted["std"] == pytest.approx([np.std(images) / 255], rel=1e-12)
    assert fitted["resize"] == "pad"


def test_fit_does_not_depend_on_batches_or_order() -> None:
    images = [noise(4, 4, 3, seed=seed) for seed in range(5)]
    fitted = fit(batch_of(*images))
    assert fit(*(batch_of(image) for image in reversed(images))) == fitted
    assert len(fitted["mean"]) == 3


def test_fit_with_one_coloured_image_gives_three_channels() -> None:
    grey, colour = noise(4, 4), noise(4, 4, 3, seed=1)
    fitted = fit(batch_of(grey, colour))
    assert fitted["input_shape"] == [4, 4, 3]
    stored = TRANSFORMS["image"].apply(batch_of(grey, colour), fitted)
    assert np.array_equal(stored[0], np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(stored[1], colour)
    assert fitted["mean"] == pytest.approx(list(stored.mean(axis=(0, 1, 2)) / 255), rel=1e-12)


def test_fit_of_different_sizes_gives_64_square_and_statistics_of_the_stored_pixels() -> None:
    batches = [batch_of(noise(80, 70)), batch_of(noise(70, 80, seed=1), noise(80, 70, seed=2))]
    fitted = fit(*batches)
    assert fitted["input_shape"] == [64, 64, 1]
    stored = np.concatenate([TRANSFORMS["image"].apply(batch, fitted) for batch in batches])
    assert fitted["mean"] == pytest.approx([stored.mean() / 255], rel=1e-12)
    assert fitted["std"] == pytest.approx([stored.std() / 255], rel=1e-12)


@pytest.mark.parametrize(("image_size", "shape"), [(8, [8, 8, 1]), ([6, 9], [6, 9, 1])])
def test_fit_uses_the_requested_size(image_size: int | list[int], shape: list[int]) -> None:
    assert fit(batch_of(noise(5, 7)), image_size=image_size)["input_shape"] == shape


def test_fit_of_constant_pixels_has_a_deviation_of_one() -> None:
    assert fit(batch_of(np.full((3, 3), 51, np.uint8))) | {"input_shape": []} == {
        "input_shape": [], "mean": [0.2], "std": [1.0], "resize": "pad",
    }  # fmt: skip


@pytest.mark.parametrize("image_size", [None, 8])
def test_fit_without_rows_is_refused(image_size: int | None) -> None:
    with pytest.raises(DataError, match=r"no train rows to fit on; give split\.fractions a larger first part"):
        fit(batch_of(), image_size=image_size)


def test_apply_converts_colour_to_grey_if_train_rows_are_grey() -> None:
    fitted = fit(batch_of(noise(4, 4)))
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert (TRANSFORMS["image"].apply(batch_of(red), fitted) == 76).all()


def test_apply_to_no_rows_returns_an_empty_array() -> None:
    fitted = fit(batch_of(noise(4, 5)))
    assert ImageTransform().apply(batch_of(), fitted).shape == (0, 4, 5, 1)


def test_apply_names_an_undecodable_row() -> None:
    broken = pa.record_batch({"row_id": ["abc"], "image": pa.array([b"x"], pa.binary())})
    with pytest.raises(DataError, match=r"data/clean: row abc cannot be decoded \(none of the formats .*; run: dvc"):
        ImageTransform().apply(broken, {"input_shape": [4, 4, 1], "resize": "pad"})


def test_fit_detects_sizes_that_differ_between_batches() -> None:
    fitted = fit(batch_of(noise(4, 4)), batch_of(), batch_of(noise(5, 4, seed=1)))
    assert fitted["input_shape"] == [64, 64, 1]


def test_fit_maps_a_picklable_function() -> None:
    class Pickled(Batches):
        def map(self, work: Callable[[pa.RecordBatch], Any]) -> Iterator[Any]:
            return (pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(work))(batch))) for batch in self)

    batches = [batch_of(noise(5, 7)), batch_of(noise(5, 7, seed=1))]
    assert TRANSFORMS["image"].fit(Pickled(batches), SPEC, AUTO) == fit(*batches)
