"""The section `test` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.config import Section


class Config(Section):
    """The section `test`."""

    noise_sigmas: list[Annotated[float, Field(gt=0)]] = [8, 16, 32]
    """Standard deviations of the Gaussian noise that the accuracy is measured under, in pixel levels of 255; may be
    empty. Image classification only."""
    slices: list[str] | None = None
    """Columns of the source, also those that the model does not learn from, by whose values the quality is measured;
    images: brightness, side; texts: tokens. null: all of them, 40 at most."""
    robustness_rows: Annotated[int, Field(ge=0)] = 256
    """Test rows on which robustness is measured: images under common corruptions (11 of 5 strengths each), texts with
    typos or without some words, tables with missing cells or noise; 0: not at all."""
    num_mistakes: Annotated[int, Field(ge=0)] = 20
    """Test rows in `mistakes.json`: the most confident mistakes, or the largest errors."""
    seed: int = 0
    """Seed of noise and other changes of rows, and of the bootstrap behind the intervals of metrics."""
