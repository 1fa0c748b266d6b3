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
    seed: int = 0
    """Seed of that noise, and of the bootstrap behind the intervals of metrics."""
