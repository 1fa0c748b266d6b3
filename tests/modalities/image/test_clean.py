import io

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.contracts import Fault
from pipeline.modalities.image.clean import examine

PIXELS = np.arange(48, dtype=np.uint8).reshape(6, 8)


def encoded(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def batch_of(*images: bytes) -> pa.RecordBatch:
    return pa.record_batch({"image": pa.array(images, pa.binary())})


def test_examine_tells_empty_and_undecodable() -> None:
    faults, keys = examine(batch_of(encoded(PIXELS), b"", encoded(PIXELS)[:45]))
    assert faults[0] is None
    assert faults[1] == Fault("empty", "0 bytes")
    assert faults[2] is not None
    assert faults[2].check == "undecodable"
    assert "0x" not in faults[2].reason  # no memory address: the same bytes give the same reason
    assert len(keys[0]) == 32
    assert keys[1:] == ["", ""]


def test_examine_key_is_of_pixels_and_shape() -> None:
    images = [
        encoded(PIXELS),
        encoded(PIXELS, compress_level=0),  # other bytes, same pixels
        encoded(PIXELS.reshape(8, 6)),  # same values, another shape
        encoded(PIXELS + 1),
    ]
    keys = examine(batch_of(*images)).content_keys
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
