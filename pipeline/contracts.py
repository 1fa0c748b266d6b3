"""The nouns that every room shares: what data say of themselves, and what models, tasks and modalities must offer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor, nn

ModalityName = Literal["image"]
TaskName = Literal["classification"]
Json = dict[str, Any]
Metrics = dict[str, float | int]


class Spec(BaseModel):
    """What the data say of themselves; `ingest` begins it, later stages add what they learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: ModalityName
    task: TaskName
    source: str
    """Where the rows came from: a built-in name, a path or a URL."""
    format: str
    """The reader that was used."""
    num_rows: int
    classes: list[str] = []
    """Names of the classes; a target is an index into it. Known from `clean` on."""
    input_shape: list[int] = []
    """Shape of one input as it is stored and served; images: height, width, channel. Known from `normalize` on."""

    @classmethod
    def read(cls, folder: Path) -> Spec:
        """Reads `folder/spec.json`; raises DataError when it is missing or unusable."""
        path = folder / "spec.json"
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
        except ValidationError as error:
            raise DataError(f"{path}: not a spec ({error.error_count()} mistakes); run: dvc repro --force") from None

    def text(self) -> str:
        """The JSON that `read` takes."""
        return json.dumps(self.model_dump(), indent=2) + "\n"


class Fault(NamedTuple):
    """Why one row may not go on."""

    check: str
    reason: str


class Examined(NamedTuple):
    """What a look at a batch of rows found; the lists are aligned with the rows."""

    faults: list[Fault | None]
    content_keys: list[str]
    """Equal where the decoded content is equal; empty where it could not be decoded."""


class Batch(NamedTuple):
    """What one worker sees of one optimizer step."""

    inputs: Tensor
    """`[rows, *input_shape]`, as stored (images: uint8)."""
    targets: Tensor
    """`[rows]`: class indices (int64)."""
    weights: Tensor
    """`[rows]`: 1, or 0 for a row that only keeps a worker busy that has none of its own."""
    num_rows: int
    """Rows of the step over all workers: what the loss is divided by."""


class Reader(Protocol):
    """Reads a source into Arrow batches of the modality's raw schema."""

    def __call__(self, source: str, root: Path) -> Iterator[pa.RecordBatch]:
        """Yields batches; raises DataError for a source that cannot be read."""
        ...


class Transform(Protocol):
    """Fits on train rows, then turns raw rows into stored arrays."""

    def fit(self, batches: Iterable[pa.RecordBatch], options: Json) -> Json:
        """Learns from train rows only; the result is plain JSON (`transform.json`)."""
        ...

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.uint8]:
        """Raw rows -> `[rows, *transform["input_shape"]]`."""
        ...


class Model(Protocol):
    """A network's settings that can build it: one class and one line in MODELS, or `my_package.module:Thing`."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """A network from preprocessed inputs (images: float32 `[batch, channel, height, width]`) to `[batch, outputs]`.

        `input_shape` is that of one stored input (images: height, width, channel).
        """
        ...


class Task(Protocol):
    """What a network is asked for: loss, figures, output size."""

    def num_outputs(self, spec: Spec) -> int:
        """Width of the network's last layer."""
        ...

    def loss(self, outputs: Tensor, batch: Batch, options: Mapping[str, float]) -> Tensor:
        """Weighted sum of the rows' losses (a scalar); the caller divides by rows."""
        ...

    def num_correct(self, outputs: Tensor, batch: Batch) -> Tensor:
        """How many rows are right (a scalar)."""
        ...
