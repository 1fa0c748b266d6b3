"""Which checks a row must pass by itself. EXAMINERS: modality -> a look at a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.contracts import Examined
from pipeline.modalities.image.clean import examine as examine_images

if TYPE_CHECKING:
    import pyarrow as pa

EXAMINERS: dict[str, Callable[[pa.RecordBatch], Examined]] = {"image": examine_images}
