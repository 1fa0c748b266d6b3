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
    intended_use: str = ""
    """What the model is for and who may use it, for the report and the model card."""
    out_of_scope: str = ""
    """What it must not be used for, for the same."""
    license: str = "other"
    """Licence of the model in the card's head, by its name on Hugging Face, such as `apache-2.0`."""
    language: list[str] = []
    """Languages of the texts in the card's head, as ISO 639 codes, such as `en`."""
