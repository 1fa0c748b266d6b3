"""Normalize: data/clean, data/split -> data/normalized. Fits on train rows only; writes what training reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from pipeline.config import Section
from pipeline.contracts import Metrics, Spec
from pipeline.errors import DataError
from pipeline.modalities.transform import TRANSFORMS
from pipeline.paths import SPLITS, Paths
from pipeline.storage import arrays
from pipeline.storage.atomic import atomic_dir, write_json, write_text
from pipeline.storage.tables import read_shards, read_table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    _Apply = Callable[[pa.RecordBatch], NDArray[np.uint8]]

CHUNK_BYTES = 64 * 1024 * 1024
"""Of decoded inputs at a time."""


class Config(Section):
    """The shape that every input is brought to."""

    image_size: int | list[int] | None = None
    """Pixels: one side, or [height, width]; null: the size that all train images share, else 64."""
    resize: Literal["pad", "crop", "stretch"] = "pad"
    """For other sizes: keep the aspect ratio with black borders, keep it and cut the rest, or do not keep it."""

    @field_validator("image_size", mode="before")
    @classmethod
    def _one_or_two_sides(cls, image_size: Any) -> Any:
        # before pydantic tries the types in turn, since it would tell of each what it is not
        sides = image_size if isinstance(image_size, list) else [image_size, image_size]
        if image_size is not None and not (len(sides) == 2 and all(type(side) is int and side > 0 for side in sides)):  # noqa: PLR2004
            raise ValueError(f"got {image_size!r}; must be one side in pixels (28), [height, width] ([28, 32]) or null")
        return image_size


@dataclass(frozen=True)
class _TrainRows:
    """The train rows, as often as they are asked for."""

    clean_dir: Path
    row_ids: NDArray[np.bytes_]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in read_shards(self.clean_dir):
            _, is_train = _positions(batch, self.row_ids)
            yield batch.filter(pa.array(is_train))


def run(config: Config, paths: Paths) -> Metrics:
    """Writes each split's arrays, in the order of row ids, and how they were made."""
    clean = Spec.read(paths.clean_dir)
    row_ids = _row_ids(paths, clean)
    transform = TRANSFORMS[clean.modality]
    fitted = transform.fit(_TrainRows(paths.clean_dir, row_ids["train"]), config.model_dump())
    spec = clean.model_copy(update={"input_shape": fitted["input_shape"]})
    with atomic_dir(paths.normalized_dir) as folder:
        made = {
            split: arrays.create(folder / split, num_rows=len(row_ids[split]), input_shape=spec.input_shape)
            for split in SPLITS
        }
        for split in SPLITS:
            made[split].row_ids[:] = row_ids[split]
        _fill(made, paths.clean_dir, spec, partial(transform.apply, transform=fitted))
        write_json(folder / "transform.json", fitted)
        write_text(folder / "spec.json", spec.text())
    height, width, channels = spec.input_shape
    return {**{split: len(row_ids[split]) for split in SPLITS}, "height": height, "width": width, "channels": channels}


def _row_ids(paths: Paths, clean: Spec) -> dict[str, NDArray[np.bytes_]]:
    """Sorted row ids of each split; raises DataError where they are not those of the clean rows."""
    import numpy as np

    table = read_table(paths.split_dir, ["row_id", "split"])
    row_ids, splits = np.array(table.column("row_id").to_pylist(), "S32"), np.array(table.column("split").to_pylist())
    if len(row_ids) != clean.num_rows:
        raise DataError(
            f"{paths.split_dir}: has {len(row_ids)} rows, {paths.clean_dir} has {clean.num_rows}; run: dvc repro split"
        )
    return {split: np.sort(row_ids[splits == split]) for split in SPLITS}


def _positions(batch: pa.RecordBatch, row_ids: NDArray[np.bytes_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each row of a batch stands among sorted ids, and whether it is there at all."""
    import numpy as np

    wanted = np.array(batch.column("row_id").to_pylist(), "S32")
    found = np.searchsorted(row_ids, wanted)
    # a row behind the last one is compared with an id that no row has
    return found, np.append(row_ids, b"")[found] == wanted


def _fill(made: Mapping[str, arrays.Arrays], clean_dir: Path, spec: Spec, apply: _Apply) -> None:
    """Puts every row in its place, whatever the order in which the source had them."""
    import numpy as np

    targets_of = {name: index for index, name in enumerate(spec.classes)}
    for batch in _chunks(clean_dir, spec.input_shape):
        inputs = apply(batch)
        targets = np.array([targets_of[label] for label in batch.column("label").to_pylist()])
        num_placed = 0
        for split in made.values():
            positions, is_here = _positions(batch, split.row_ids)
            split.inputs[positions[is_here]] = inputs[is_here]
            split.targets[positions[is_here]] = targets[is_here]
            num_placed += int(is_here.sum())
        if num_placed != batch.num_rows:
            raise DataError(f"{clean_dir}: has rows that data/split does not know; run: dvc repro split")


def _chunks(clean_dir: Path, input_shape: list[int]) -> Iterator[pa.RecordBatch]:
    """Rows whose inputs, however large one is, take about CHUNK_BYTES."""
    num_rows = max(1, CHUNK_BYTES // prod(input_shape))
    for batch in read_shards(clean_dir):
        for start in range(0, batch.num_rows, num_rows):
            yield batch.slice(start, num_rows)
