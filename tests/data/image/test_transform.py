import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.contracts import Spec
from headrace.data.image.transform import ImageTransform, measure_pixels
from headrace.data.transforms import TRANSFORMS
from headrace.errors import DataError

SPEC = Spec(modality="image", task="classification", source="drawn", format="folder", num_rows=9)
AUTO = {"image_size": "auto", "image_range": "auto", "resize": "pad"}


def batch_of(*images: np.ndarray) -> pa.RecordBatch:
    encoded = []
    for pixels in images:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG" if pixels.dtype != np.float32 else "TIFF")
        encoded.append(buffer.getvalue())
    return pa.record_batch({"row_id": [str(i) for i in range(len(encoded))], "image": pa.array(encoded, pa.binary())})


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


class Batches(list[pa.RecordBatch]):
    """Rows that are mapped in this process."""

    def map(self, work: Callable[[pa.RecordBatch], Any]) -> Iterator[Any]:
        return map(work, self)


def fit(*batches: pa.RecordBatch, **options: Any) -> dict[str, Any]:
    """What `normalize` stores: the fit, and the statistics of the stored images."""
    fitted = TRANSFORMS["image"].fit(Batches(batches), SPEC, AUTO | options)
    return fitted | measure_pixels(np.concatenate([TRANSFORMS["image"].apply(batch, fitted) for batch in batches]))


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


def test_fit_of_different_sizes_gives_their_median_and_statistics_of_the_stored_pixels() -> None:
    batches = [batch_of(noise(80, 70)), batch_of(noise(70, 80, seed=1), noise(80, 70, seed=2))]
    fitted = fit(*batches)
    assert fitted["input_shape"] == [72, 72, 1]  # the root of 80 * 70, in eights; nearly square
    assert fitted["automatic"] == {"num_sizes": 2, "median_size": [80, 70]}
    stored = np.concatenate([TRANSFORMS["image"].apply(batch, fitted) for batch in batches])
    assert fitted["mean"] == pytest.approx([stored.mean() / 255], rel=1e-12)
    assert fitted["std"] == pytest.approx([stored.std() / 255], rel=1e-12)


@pytest.mark.parametrize(("image_size", "shape"), [(8, [8, 8, 1]), ([6, 9], [6, 9, 1])])
def test_fit_uses_the_requested_size(image_size: int | list[int], shape: list[int]) -> None:
    fitted = fit(batch_of(noise(5, 7), noise(9, 7)), image_size=image_size)
    assert fitted["input_shape"] == shape
    assert "automatic" not in fitted


def test_fit_learns_the_range_of_deep_images_from_train_rows() -> None:
    deep = noise(8, 8).astype(np.uint16) * 16
    batch = batch_of(deep, noise(8, 8, seed=1))
    fitted = fit(batch)
    assert fitted["image_range"] == [0, 4095]
    assert fitted["automatic"] == {"num_deep": 1}
    stored = TRANSFORMS["image"].apply(batch, fitted)[..., 0]
    assert np.array_equal(stored[0], np.rint(deep / 4095 * 255))
    assert np.array_equal(stored[1], noise(8, 8, seed=1))
    assert TRANSFORMS["image"].apply(batch_of(np.full((8, 8), 9999, np.uint16)), fitted).min() == 255


def test_fit_uses_the_requested_range() -> None:
    fitted = fit(batch_of(noise(4, 4).astype(np.float32)), image_range=[-10.0, 500.0])
    assert fitted["image_range"] == [-10, 500]
    assert "automatic" not in fitted


def test_fit_of_eight_bits_stores_no_range() -> None:
    assert fit(batch_of(noise(4, 4))).keys() == {"input_shape", "resize", "mean", "std"}


def test_fit_of_constant_pixels_has_a_deviation_of_one() -> None:
    fitted = fit(batch_of(np.full((3, 3), 51, np.uint8)))
    assert (fitted["mean"], fitted["std"]) == ([0.2], [1.0])


@pytest.mark.parametrize("image_size", ["auto", 8])
def test_fit_without_rows_is_refused(image_size: int | str) -> None:
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
    assert fitted["input_shape"] == [8, 8, 1]


def test_statistics_do_not_depend_on_the_number_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = noise(7, 5, 4, 3)
    together = measure_pixels(inputs)
    monkeypatch.setattr("headrace.data.image.transform.ROWS_AT_ONCE", 2)
    assert measure_pixels(inputs) == together


def test_fit_maps_a_picklable_function() -> None:
    class Pickled(Batches):
        def map(self, work: Callable[[pa.RecordBatch], Any]) -> Iterator[Any]:
            return (pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(work))(batch))) for batch in self)

    batches = [batch_of(noise(5, 7)), batch_of(noise(5, 7, seed=1))]
    assert TRANSFORMS["image"].fit(Pickled(batches), SPEC, AUTO).items() <= fit(*batches).items()
