"""The nouns that every room shares: what data say of themselves, and what models, tasks and modalities must offer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from headrace.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

ModalityName = Literal["image", "text", "table"]
TaskName = Literal["classification", "multilabel", "regression"]
ColumnKind = Literal["numeric", "categorical", "date", "text", "image"]
T = TypeVar("T")
Json = dict[str, Any]
Metrics = dict[str, float | int]
Draw: TypeAlias = "Callable[[int], NDArray[np.float64]]"
"""How many random numbers a row needs -> `[rows, count]` in [0, 1), of those rows alone."""


class Column(BaseModel):
    """A column of a table that a model may learn from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """In `data/raw` and after."""
    kind: ColumnKind
    date_order: Literal["dmy", "mdy"] | None = None
    """What `3/4/2024` means in a column of dates that are written so; `clean` finds it."""


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
    target: str = ""
    """The source's column that is to be predicted; empty where a folder tells it, or where there are several."""
    targets: list[str] = []
    """The source's columns that are predicted together, in the order of the outputs; empty for one alone."""
    columns: list[Column] = []
    """What a table's rows hold beside the target, in the source's order; empty for images and text."""
    classes: list[str] = []
    """Names of the classes; a target is an index into it, or with several labels a row, a 0 or 1 for each.

    Known from `clean` on; empty for regression.
    """
    input_shape: list[int] = []
    """Shape of one input as it is stored and served. Known from `normalize` on.

    Images: height, width, channel (uint8). Text: the most tokens (int32 ids, 0 pads). Tables: columns (float32).
    """

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


class OpenedSource(NamedTuple):
    """A source that a reader has looked into."""

    spec: Spec
    """What the rows are; `num_rows` is 0 until they have been counted."""
    schema: pa.Schema
    """`row_id` (32 hex characters), `label` and `split` (strings or null), and what the modality's rows hold."""
    batches: Iterator[pa.RecordBatch]


class Finding(NamedTuple):
    """What a check has to say of one row."""

    row: int
    """Its position in the batch."""
    check: str
    """A name in `CHECKS`."""
    reason: str


class ColumnFinding(NamedTuple):
    """What a check has to say of a whole column."""

    column: str
    check: str
    reason: str


class CheckedBatch(NamedTuple):
    """What a look at a batch found; every array has a row's place first."""

    findings: list[Finding]
    """By the checks that judge a row by itself."""
    keys: NDArray[np.bytes_]
    """`[rows]` S16: equal where the content is equal (the label left aside); empty for content that is unusable."""
    hashes: NDArray[np.uint64]
    """`[rows, hashes]`: near-duplicates share at least one with high probability; `[rows, 0]`: none are looked for."""
    sketches: NDArray[np.uint8]
    """`[rows, bytes]`: what `similarity` compares two rows by."""
    features: NDArray[np.float32]
    """`[rows, features]`: cheap ones, that labels are guessed from to find wrong ones; NaN for an unusable row."""
    measures: dict[str, NDArray[np.float32]]
    """`[rows]` each: lengths, sizes, brightness; what the report shows and outliers are found by. NaN: none."""


class Repaired(NamedTuple):
    """A batch whose values are as later stages expect them."""

    batch: pa.RecordBatch
    """Of the clean schema, without the column `original`."""
    originals: list[str | None]
    """By row: what the repaired values were, as text or JSON; None where nothing was repaired."""


class Batch(NamedTuple):
    """What one worker sees of one optimizer step."""

    inputs: Tensor
    """`[rows, *input_shape]`, as stored (images: uint8, tables: float32; text: int32, as long as the longest row)."""
    targets: Tensor
    """`[rows]`: class indices (int64), or values (float32) for regression; `[rows, targets]`: of several values, or
    for multilabel 0 and 1 (float32)."""
    weights: Tensor
    """`[rows]`: 1, or 0 for a row that only keeps a worker busy that has none of its own."""
    num_rows: int
    """Rows of the step over all workers: what the loss is divided by."""
    partner_targets: Tensor | None = None
    """As `targets`: of the rows that these are mixed with (mixup, CutMix); None where they are not."""
    mix_weights: Tensor | None = None
    """`[rows]`: weight of the row itself in the mixed one, in [0, 1]; the partner has the rest."""


class Augmenter(Protocol):
    """Makes other, equally true, rows of train rows."""

    def __call__(self, inputs: NDArray[Any], rows: NDArray[np.int64], epoch: int) -> NDArray[Any]:
        """Inputs of a batch and the positions of its rows -> inputs of the same shape, which stay as they are.

        A row depends on itself, the epoch and the seed alone: not on the batch, nor on what was drawn before.
        """
        ...


class RowMixer(Protocol):
    """Makes one row of two."""

    def __call__(
        self, inputs: NDArray[Any], partners: NDArray[Any], shares: NDArray[np.float64], draw: Draw
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Mixed rows, `shares` of which should be `inputs`', and what their shares became."""
        ...


class Rows(Protocol):
    """Rows of a folder, a batch at a time, on whatever engine: processes of this machine, or a Ray cluster."""

    def map(self, work: Callable[[pa.RecordBatch], T]) -> Iterator[T]:
        """`work(batch)` of every batch, in order; it and its results are pickled."""
        ...


class RowChecker(Protocol):
    """The checks of one modality that look at the content of rows."""

    similarity_threshold: float
    """From here on two rows are near-duplicates, unless the settings say otherwise."""

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """What must be known of all raw rows before one can be judged (a table's medians); `{}` where nothing must."""
        ...

    def check_batch(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:
        """Looks at every row; `options`: those of each check that is not off, by its name."""
        ...

    def check_columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
        """What the checks of columns find; images and text: nothing."""
        ...

    def clean_schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:
        """Of the clean rows, without the column `original`."""
        ...

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:
        """Raw rows to clean ones; `options`: those of each check whose severity is `repair`, by its name."""
        ...

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Sketches `[pairs, bytes]` of two rows each -> `[pairs]` in [0, 1]."""
        ...

    def render_html(self, row: Json) -> str:
        """HTML (safe) that shows a raw row to a person; `row` is column -> value."""
        ...


class Transform(Protocol):
    """Fits on train rows, then turns clean rows into stored arrays."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Learns from train rows only; the result is plain JSON (`transform.json`) and has `input_shape`."""
        ...

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[Any] | list[NDArray[np.int32]]:
        """Clean rows -> `[rows, *input_shape]` (images: uint8, tables: float32); text: a list of ids a row."""
        ...


class Model(Protocol):
    """A network's settings that can build it: one class and one line in MODELS, or `my_package.module:Thing`."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """A network from preprocessed inputs to `[batch, outputs]`.

        Images: float32 `[batch, channel, height, width]`, `input_shape` is height, width, channel. Tables: float32
        `[batch, features]`, `input_shape` is [features]. Text: int64 ids `[batch, tokens]` with 0 as padding,
        `input_shape` is [most tokens, vocabulary]. A build with a keyword `layout` is told, for a table, the stored
        column of every feature (of a categorical one: as many features as it has values).
        """
        ...
