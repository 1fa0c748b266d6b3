"""Normalize: data/clean, data/split -> data/normalized. Fits on train rows only; writes what training reads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator

from headrace.config import Section
from headrace.contracts import Json, Metrics, Rows, Spec
from headrace.data.targets import class_rows, target_scale, target_shape, targets_of
from headrace.data.transforms import TRANSFORMS
from headrace.errors import DataError
from headrace.paths import SPLITS, UNUSED, Paths
from headrace.storage import arrays
from headrace.storage.atomic import atomic_dir, write_json, write_text
from headrace.storage.parquet import read_table
from headrace.storage.split_index import ascii_ids, positions, row_ids_of

Count = Annotated[int, Field(gt=0)]


class TextOptions(Section):
    """How texts become token ids."""

    vocabulary: Annotated[int, Field(ge=64)] = 8000
    """Tokens that byte-pair encoding learns at most, from the train rows."""
    max_tokens: Count = 256
    """Tokens of a text that are kept, from its beginning."""
    lowercase: bool = True
    """Whether capitals are lowered."""
    tokenizer: str | None = None
    """A file of the library tokenizers (tokenizer.json) to use instead of learning one."""


class TableOptions(Section):
    """How cells become numbers."""

    scaling: Literal["standard", "robust", "quantile", "none"] = "standard"
    """Of numbers: by mean and standard deviation, by median and quartiles, by rank (to [-0.5, 0.5]), or not at all."""
    max_categories: Count = 64
    """Values of a categorical column that are told apart, the most frequent ones; the others are `unknown`."""
    min_category_rows: Count = 2
    """Train rows that a value needs to be told apart."""
    num_quantiles: Annotated[int, Field(ge=2)] = 32
    """Pieces of the quantile scaling."""


class Config(Section):
    """The shape that every input is brought to."""

    image_size: int | list[int] | None = None
    """Pixels: one side, or [height, width]; null: the size that all train images share, else 64."""
    resize: Literal["pad", "crop", "stretch"] = "pad"
    """For other sizes: keep the aspect ratio with black borders, keep it and cut the rest, or do not keep it."""
    text: TextOptions = TextOptions()
    """Of texts only."""
    table: TableOptions = TableOptions()
    """Of tables only."""
    engine: Literal["auto", "local", "ray"] = "auto"
    """local: processes of this machine; ray: Ray Data; auto: ray inside a Ray job when the data are large."""

    @field_validator("image_size", mode="before")
    @classmethod
    def _one_or_two_sides(cls, image_size: Any) -> Any:
        # before pydantic tries the types in turn, since it would tell of each what it is not
        sides = image_size if isinstance(image_size, list) else [image_size, image_size]
        if image_size is not None and not (len(sides) == 2 and all(type(side) is int and side > 0 for side in sides)):  # noqa: PLR2004
            raise ValueError(f"got {image_size!r}; must be one side in pixels (28), [height, width] ([28, 32]) or null")
        return image_size


class _Made(NamedTuple):
    """One batch, ready to be stored."""

    row_ids: NDArray[np.bytes_]
    inputs: Any
    targets: NDArray[Any]


def run(config: Config, paths: Paths) -> Metrics:
    """Writes each split's arrays, in the order of row ids, and how they were made."""
    from headrace.cluster.batch_engine import Selection, StoredRows, open_engine

    clean = Spec.read(paths.clean_dir)
    row_ids = _row_ids(paths, clean)
    transform = TRANSFORMS[clean.modality]
    options = {"image": config.model_dump(), "text": config.text.model_dump(), "table": config.table.model_dump()}
    with open_engine(config.engine, paths.clean_dir, paths) as run_on:
        train = StoredRows(paths.clean_dir, run_on, "fit", Selection(paths.split_dir, "train"))
        fitted = transform.fit(train, clean, options[clean.modality] | {"root": str(paths.root)})
        if clean.task == "regression":
            fitted["target"] = target_scale(train, spec=clean)
        spec = clean.model_copy(update={"input_shape": fitted["input_shape"]})
        rows = StoredRows(paths.clean_dir, run_on, "normalize")
        with atomic_dir(paths.normalized_dir) as folder, ExitStack() as opened:
            made = {
                split: opened.enter_context(
                    closing(
                        arrays.create(
                            folder / split,
                            num_rows=len(row_ids[split]),
                            input_shape=spec.input_shape,
                            modality=spec.modality,
                            task=spec.task,
                            target_shape=target_shape(spec),
                        )
                    )
                )
                for split in SPLITS
            }
            _fill(made, row_ids, rows, spec, fitted, paths)
            if spec.task != "regression":
                fitted["target"] = class_rows(made["train"].targets, spec)
            write_json(folder / "transform.json", fitted)
            write_text(folder / "spec.json", spec.text())
    return {**{split: len(row_ids[split]) for split in SPLITS}, **_shape_metrics(spec, fitted)}


def _row_ids(paths: Paths, clean: Spec) -> dict[str, NDArray[np.bytes_]]:
    """Sorted row ids of each split; raises DataError where they are not those of the clean rows."""
    num_rows = read_table(paths.split_dir, ["row_id"]).num_rows
    if num_rows != clean.num_rows:
        raise DataError(
            f"{paths.split_dir}: has {num_rows} rows, {paths.clean_dir} has {clean.num_rows}; run: dvc repro split"
        )
    row_ids = {split: row_ids_of(paths.split_dir, split) for split in (*SPLITS, UNUSED)}
    if not len(row_ids["train"]):
        raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
    return row_ids


def _fill(
    made: Mapping[str, arrays.NewArrays],
    row_ids: Mapping[str, NDArray[np.bytes_]],
    rows: Rows,
    spec: Spec,
    fitted: Json,
    paths: Paths,
) -> None:
    """Puts every row in its place, whatever the order in which the source had them."""
    for split, stored in made.items():
        stored.row_ids[:] = row_ids[split]
    for batch in rows.map(partial(_made, spec=spec, transform=fitted)):
        num_placed = int(positions(batch.row_ids, row_ids[UNUSED])[1].sum())
        for split, stored in made.items():
            places, is_here = positions(batch.row_ids, row_ids[split])
            stored.put(places[is_here], _selected(batch.inputs, is_here), batch.targets[is_here])
            num_placed += int(is_here.sum())
        if num_placed != len(batch.row_ids):
            raise DataError(f"{paths.clean_dir}: has rows that data/split does not know; run: dvc repro split")


def _selected(inputs: Any, is_here: NDArray[np.bool_]) -> Any:
    if isinstance(inputs, list):
        return [ids for ids, is_wanted in zip(inputs, is_here.tolist(), strict=True) if is_wanted]
    return inputs[is_here]


def _made(batch: pa.RecordBatch, *, spec: Spec, transform: Json) -> _Made:
    targets = targets_of(batch.column("label").to_pylist(), spec)
    return _Made(ascii_ids(batch.column("row_id")), TRANSFORMS[spec.modality].apply(batch, transform), targets)


def _shape_metrics(spec: Spec, fitted: Json) -> Metrics:
    if spec.modality == "image":
        return dict(zip(("height", "width", "channels"), spec.input_shape, strict=True))
    if spec.modality == "text":
        return {"max_tokens": spec.input_shape[0], "vocabulary": fitted["vocabulary"]}
    return {"columns": spec.input_shape[0], "left_out": len(fitted["left_out"])}
