"""What a look at single images finds: which cannot be used, and which are the same."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from pipeline.contracts import Examined, Fault
from pipeline.modalities.image.decode import UndecodableError, map_decoded

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def examine(batch: pa.RecordBatch) -> Examined:
    """Decodes every image of a batch; two have the same key where their pixels and shapes are the same."""
    images = batch.column("image").to_pylist()
    keys = map_decoded(images, _content_key)
    return Examined(
        [_fault(image, key) for image, key in zip(images, keys, strict=True)],
        ["" if isinstance(key, UndecodableError) else key for key in keys],
    )


def _content_key(pixels: NDArray[np.uint8]) -> str:
    return blake2b(pixels.tobytes(), digest_size=16, key=repr(pixels.shape).encode()).hexdigest()


def _fault(image: bytes, key: str | UndecodableError) -> Fault | None:
    if not image:
        return Fault("empty", "0 bytes")
    return Fault("undecodable", str(key)) if isinstance(key, UndecodableError) else None
