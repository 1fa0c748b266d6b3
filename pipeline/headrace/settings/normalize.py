"""The section `normalize` of `params.yaml`."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from headrace.config import Section

Count = Annotated[int, Field(gt=0)]


class TextOptions(Section):
    """How texts become token ids."""

    vocabulary: Annotated[int, Field(ge=64)] = 8000
    """Maximum number of tokens that byte-pair encoding learns from the train rows."""
    max_tokens: Count | Literal["auto"] = "auto"
    """Maximum tokens per text; the rest is cut off. auto: as many as 95 % of the train texts have, from 16 to 512."""
    lowercase: bool = True
    """Whether to convert texts to lower case."""
    tokenizer: str | None = None
    """A file of the tokenizers library (tokenizer.json), used instead of learning a tokenizer."""


class TableOptions(Section):
    """How cells become numbers."""

    scaling: Literal["standard", "robust", "quantile", "none"] = "standard"
    """Scaling of numbers: by mean and standard deviation, by median and quartiles, or by rank (to [-0.5, 0.5])."""
    max_categories: Count = 64
    """Values per categorical column with a code of their own, the most frequent ones; the others are `unknown`."""
    min_category_rows: Count = 2
    """Minimum train rows for a value to have a code of its own."""
    num_quantiles: Annotated[int, Field(ge=2)] = 32
    """Intervals of the quantile scaling."""


class Config(Section):
    """The common shape of all inputs."""

    image_size: int | list[int] | Literal["auto"] = "auto"
    """Pixels: one side, or [height, width]; auto (or null): the common size of all train images, or, where they differ,
    their median aspect and area, up to the area of 128 x 128, in multiples of 8."""
    image_range: list[float] | Literal["auto"] = "auto"
    """[low, high]: the values of images of more than 8 bits that become 0 and 255; auto: by the train images."""
    resize: Literal["pad", "crop", "stretch"] = "pad"
    """How other sizes are resized: with black borders, by cropping, or without keeping the aspect ratio."""
    text: TextOptions = TextOptions()
    """For texts, and for the columns of texts in a table."""
    table: TableOptions = TableOptions()
    """For tables only."""
    engine: Literal["auto", "local", "ray"] = "auto"
    """local: processes on this machine; ray: Ray Data; auto: ray inside a Ray job if the data are large."""

    @field_validator("image_size", mode="before")
    @classmethod
    def _one_or_two_sides(cls, image_size: Any) -> Any:
        # mode "before", since pydantic would report a mismatch for each type of the union
        sides = image_size if isinstance(image_size, list) else [image_size, image_size]
        if image_size is None or image_size == "auto":
            return "auto"
        if not (len(sides) == 2 and all(type(side) is int and side > 0 for side in sides)):  # noqa: PLR2004
            raise ValueError(f"got {image_size!r}; must be one side in pixels (28), [height, width] ([28, 32]) or auto")
        return image_size

    @field_validator("image_range", mode="before")
    @classmethod
    def _low_and_high(cls, image_range: Any) -> Any:
        if image_range == "auto":
            return image_range
        numbers = image_range if isinstance(image_range, list) else []
        are_finite = all(type(value) in {int, float} and isfinite(value) for value in numbers)
        if len(numbers) != 2 or not are_finite or numbers[0] >= numbers[1]:  # noqa: PLR2004
            raise ValueError(f"got {image_range!r}; must be [low, high] ([0, 4095]) or auto")
        return [float(value) for value in numbers]
