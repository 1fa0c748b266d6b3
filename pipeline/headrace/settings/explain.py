"""The section `explain` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headrace.config import Section

Method: TypeAlias = Literal["integrated_gradients", "occlusion", "grad_cam", "attention"]


class Config(Section):
    """The section `explain`."""

    num_rows: Annotated[int, Field(gt=0)] = 64
    """Random validation rows for the metrics and the overview."""
    num_examples: Annotated[int, Field(ge=0)] = 12
    """Additional validation rows to show: a third each of the most confident mistakes, the least confident and the
    correct rows (regression: the largest errors, extreme values and others)."""
    num_test_mistakes: Annotated[int, Field(ge=0)] = 6
    """The worst mistakes on test rows to show."""
    method: Method = "integrated_gradients"
    """Gradients on the path from a neutral input to the row's, hiding the row part by part (slower), Grad-CAM (images,
    convolutional networks), or attention rollout (images and texts, transformers)."""
    other_methods: Literal["auto"] | list[Method] = "auto"
    """Methods to show and measure next to `method`; auto: all that are usual for the data and fit the model."""
    num_compared_rows: Annotated[int, Field(gt=0)] = 24
    """Of `num_rows`, those on which other methods are measured."""
    num_steps: Annotated[int, Field(ge=2)] = 32
    """Points on the path of integrated gradients."""
    num_prototypes: Annotated[int, Field(ge=0)] = 3
    """Nearest train rows to show with each row; 0: none."""
    num_train_rows: Annotated[int, Field(gt=0)] = 1000
    """Random train rows that are searched for them; fewer of large images."""
    num_permuted_rows: Annotated[int, Field(gt=0)] = 1000
    """Random validation rows for the permutation importance of a table's columns."""
    num_repeats: Annotated[int, Field(gt=0)] = 5
    """Permutations of each column."""
    seed: int = 0
    """Seed of all random rows, orders, permutations and weights."""
