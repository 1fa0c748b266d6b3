"""The section `register` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.config import Section


class Config(Section):
    """The section `register`."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[^/:]+$")] = "headrace"
    """Name of the model in the registry, without / and :."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """How much worse than the champion a new one may be at most (at 95 %): in test accuracy, in [0, 1]; for regression,
    in mean absolute error, relative to the champion's; for multilabel data, likewise in the wrong labels' fraction."""
