"""The section `explain` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headrace.config import Section


class Config(Section):
    """The section `explain`."""

    num_rows: Annotated[int, Field(gt=0)] = 64
    """Random validation rows for the metrics and the overview."""
    num_examples: Annotated[int, Field(ge=0)] = 12
    """Additional rows to show: a third each of the most confident mistakes, the least confident and the correct rows
    (regression: the largest errors, extreme values and others)."""
    method: Literal["integrated_gradients", "occlusion"] = "integrated_gradients"
    """Gradients on the path from a neutral input to the row's, or hiding the row part by part (slower)."""
    num_steps: Annotated[int, Field(ge=2)] = 32
    """Points on that path; unused by occlusion."""
    seed: int = 0
    """Seed of the random rows, and of the random order to compare with."""
