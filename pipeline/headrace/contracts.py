"""Types shared by all packages: the description of the data, and the protocols of models and modalities."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from headrace.errors import DataError

if TYPE_CHECKING:  # only for annotations: settings and `headrace status` use this module without reading any row
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor, nn

ModalityName = Literal["image", "text", "table"]
TaskName = Literal["classification", "multilabel", "regression"]
ColumnKind = Literal["numeric", "categorical", "date", "time", "text", "image"]
T = TypeVar("T")
Json = dict[str, Any]
Metrics = dict[str, float | int]
Draw: TypeAlias = "Callable[[int], NDArray[np.float64]]"
"""Number of random numbers per row -> `[rows, count]` in [0, 1), which depend on nothing but the rows."""


class Column(BaseModel):
    """An input column of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    """Its name in the source; files of rows may have another (storage/column_names.py)."""
    kind: ColumnKind
    date_order: Literal["dmy", "mdy"] | None = None
    """The meaning of `3/4/2024` in a column of such dates; set by `clean`."""
    number_format: dict[str, str] = {}
    """Fields of a NumberFormat (data/table/number_format.py); empty for plain notation."""
    missing: list[str] = []
    """Cells that stand for a missing value in this column, in addition to those of the table."""


class Assumption(BaseModel):
    """A decision about the data that a person may want to correct."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    stage: str
    subject: str
    """For example: column 'price'."""
    text: str
    """What was assumed, and why."""
    setting: str
    """The key of `params.yaml` that changes it, with an example of a value."""
    is_warning: bool = False
    """Whether it may well be wrong: such ones are shown on the terminal."""


class Spec(BaseModel):
    """The description of the data: created by `ingest`, extended by later stages."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    modality: ModalityName
    task: TaskName
    source: str
    """A built-in name, a path or a URL."""
    format: str
    """The name of the reader."""
    num_rows: int
    assumptions: list[Assumption] = []
    """Those of the stages so far, in their order."""
    target: str = ""
    """The column to predict; empty if folders name the classes, or if there are several columns."""
    targets: list[str] = []
    """The columns to predict together, in the order of the outputs; empty for a single one."""
    columns: list[Column] = []
    """The input columns of a table, in the order of the source; empty for images and text."""
    missing: list[str] = []
    """Cells of a table's source that stand for a missing value."""
    input_column: str = ""
    """The column of a table's source with the texts, or the places of the images; empty for other sources."""
    other_columns: list[str] = []
    """Columns of a table's source that are no inputs: the target, the split, and ignored ones."""
    classes: list[str] = []
    """The class names, known from `clean` on; empty for regression.

    A target is an index into them; for multilabel it is a 0 or 1 for each.
    """
    input_shape: list[int] = []
    """The shape of one stored input, known from `normalize` on.

    Images: height, width, channels (uint8). Text: maximum tokens (int32 ids, padded with 0). Tables: columns, with one
    for each token of a text (float32).
    """

    @classmethod
    def read(cls, folder: Path) -> Spec:
        """Reads `folder/spec.json`; raises DataError if it is missing or invalid."""
        path = folder / "spec.json"
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
        except ValidationError as error:
            raise DataError(f"{path}: not a spec ({error.error_count()} errors); run: dvc repro --force") from None

    def to_json(self) -> str:
        """Returns the content of `spec.json`."""
        return json.dumps(self.model_dump(), indent=2) + "\n"


class OpenedSource(NamedTuple):
    """A source that a reader has opened."""

    spec: Spec
    """`num_rows` is 0 until the rows have been counted."""
    schema: pa.Schema
    """`row_id` (32 hex characters), `label` and `split` (strings or null), `source` (its place in the source:
    file and line, file and index, or path), and the columns of the modality."""
    batches: Iterator[pa.RecordBatch]
    finish: Callable[[Path, Spec], Spec] | None = None
    """Completes the spec by what only all rows show, given their folder, once they are written."""


class Finding(NamedTuple):
    """A row that a check objects to."""

    row: int
    """The position in the batch."""
    check: str
    """A name in `CHECKS`."""
    reason: str
    repeats: int = -1
    """The position of the row whose content this one repeats; -1 for other findings."""


class ColumnFinding(NamedTuple):
    """A column that a check objects to."""

    column: str
    check: str
    reason: str


class CheckedBatch(NamedTuple):
    """The results of the checks of one batch."""

    findings: list[Finding]
    """From the checks that consider one row at a time."""
    keys: NDArray[np.bytes_]
    """`[rows]` S16: equal for equal content (without the label); empty for unusable content."""
    hashes: NDArray[np.uint64]
    """`[rows, hashes]`: near-duplicates share at least one with high probability; `[rows, 0]` without that check."""
    sketches: NDArray[np.uint8]
    """`[rows, bytes]`: the input of `similarity`."""
    features: NDArray[np.float32]
    """`[rows, features]`: simple features for finding label errors; NaN for unusable rows."""
    measures: dict[str, NDArray[np.float32]]
    """`[rows]` each, such as length or brightness, for the report and for finding outliers; NaN if undefined."""


class Repaired(NamedTuple):
    """A batch with its values repaired."""

    batch: pa.RecordBatch
    """In the clean schema, without the column `original`."""
    originals: list[str | None]
    """Per row: the original values, as text or JSON; None if nothing was repaired."""


class Batch(NamedTuple):
    """One worker's part of an optimizer step."""

    inputs: Tensor
    """`[rows, *input_shape]`, as stored (images: uint8; tables: float32; text: int32, padded to the longest row)."""
    targets: Tensor
    """`[rows]`: class indices (int64), or values for regression (float32); `[rows, targets]`: several values, or 0 and
    1 for multilabel (float32)."""
    weights: Tensor
    """`[rows]`: 1, or 0 for a filler row of a worker that has no row of its own."""
    num_rows: int
    """Rows of the step over all workers; the loss is divided by it."""
    partner_targets: Tensor | None = None
    """Targets of the rows that these are mixed with (mixup, CutMix); None without mixing."""
    mix_weights: Tensor | None = None
    """`[rows]`: weight of the row itself in the mixed one, in [0, 1]; the partner has the rest."""
    first_row: int = 0
    """Index of the first of these rows in the global batch of the step."""


class Augmenter(Protocol):
    """Augments train rows in ways that preserve their labels."""

    def __call__(self, inputs: NDArray[Any], rows: NDArray[np.int64], epoch: int) -> NDArray[Any]:
        """Returns augmented copies of a batch's inputs; `rows` are the positions of its rows in the split.

        The result for a row depends on the row, the epoch and the seed only, not on the batch or on earlier calls.
        """
        ...


class RowMixer(Protocol):
    """Mixes pairs of rows."""

    def __call__(
        self, inputs: NDArray[Any], partners: NDArray[Any], weights: NDArray[np.float64], draw: Draw
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Returns mixed rows, and the weights of `inputs` in them, which may differ from the requested `weights`."""
        ...


class Rows(Protocol):
    """The rows of a folder in batches, on any engine: processes of this machine, or a Ray cluster."""

    def map(self, work: Callable[[pa.RecordBatch], T]) -> Iterator[T]:
        """Yields `work(batch)` for every batch, in order; `work` and its results are pickled."""
        ...


class RowChecker(Protocol):
    """The checks of one modality on the content of rows."""

    similarity_threshold: float
    """Default similarity from which on two rows are near-duplicates."""

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Collects statistics of all raw rows that the checks need, such as medians; may be `{}`."""
        ...

    def check_batch(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:
        """Checks every row; `options` has the options of each check that is not off, by name."""
        ...

    def check_columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
        """Checks the columns of a table; returns nothing for images and text."""
        ...

    def clean_schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:
        """Returns the schema of the clean rows, without the column `original`."""
        ...

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:
        """Repairs raw rows; `options` has the options of each check whose severity is `repair`, by name."""
        ...

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Sketches of the first and second rows, `[pairs, bytes]` each -> `[pairs]` in [0, 1]."""
        ...

    def render_html(self, row: Json) -> str:
        """Returns escaped HTML that displays a raw row (column -> value)."""
        ...


class Transform(Protocol):
    """Is fitted on train rows, then converts clean rows into stored arrays."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Fits to train rows only; returns plain JSON (`transform.json`), which has `input_shape`."""
        ...

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[Any] | list[NDArray[np.int32]]:
        """Clean rows -> `[rows, *input_shape]` (images: uint8, tables: float32); text: a list of ids per row."""
        ...


class Model(Protocol):
    """The settings of a network, which build it: a class in MODELS, or `my_package.module:Thing`."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Returns a network from preprocessed inputs to `[batch, outputs]`.

        Images: float32 `[batch, channel, height, width]`, `input_shape` is height, width, channel. Tables: float32
        `[batch, features]`, `input_shape` is [features]. Text: int64 ids `[batch, tokens]` padded with 0,
        `input_shape` is [maximum tokens, vocabulary]. If `build` has a keyword `layout`, it receives, for a table, the
        stored column of every feature (a categorical column has one feature per value).
        """
        ...
