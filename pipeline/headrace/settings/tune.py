"""The section `tune` of `params.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from headrace.config import Section
from headrace.errors import choices
from headrace.tasks.metrics import EPOCH_METRICS
from headrace.training.search.space import Space, find_space_mistakes
from headrace.training.settings import TrainSettings

Number = int | float


class Range(Section):
    """The search range of one key of `train`: between two numbers, or a list of choices."""

    low: Number | None = None
    """Lowest value. If both ends are integers, integers are drawn."""
    high: Number | None = None
    """Highest value."""
    log: bool = False
    """Whether to draw uniformly in the logarithm."""
    step: Annotated[Number, Field(gt=0)] | None = None
    """Distance between the values to draw, starting from low."""
    choices: Annotated[list[Any], Field(min_length=1)] | None = None
    """Values to try, instead of low and high; of any type, such as models with their options."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Range:
        has_ends = self.low is not None and self.high is not None
        if has_ends == (self.choices is not None):
            raise ValueError("set low and high, or choices")
        if self.low is None or self.high is None:
            if self.log or self.step is not None:
                raise ValueError("log and step apply only to low and high; remove them, or choices")
            return self
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must be below high {self.high}, and above 0 for log")
        if self.log and self.step is not None:
            raise ValueError("set log or step, not both")
        return self


class Config(Section):
    """The search over the settings of `train`."""

    num_trials: Annotated[int, Field(ge=0)] = 0
    """Number of trials, each a short training; 0 disables the search."""
    max_epochs: Annotated[int, Field(gt=0)] = 4
    """Maximum epochs per trial; ASHA stops weak trials earlier (Li et al. 2020, arXiv:1810.05934)."""
    grace_epochs: Annotated[int, Field(gt=0)] = 1
    """Minimum epochs per trial, before ASHA may stop it."""
    reduction_factor: Annotated[int, Field(gt=1)] = 4
    """One in this many trials continues past each rung; the rungs are grace_epochs times its powers."""
    metric: str = "val_loss"
    """What the search optimizes: `val_loss`, or another epoch metric of the task, in its better direction."""
    space: Annotated[dict[str, Range], Field(min_length=1)] = {"learning_rate": Range(low=1e-4, high=1e-2, log=True)}
    """Key of `train` (or `model.dropout` for an option of the model) -> its search range."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the drawn values."""

    @field_validator("metric")
    @classmethod
    def _metric_exists(cls, metric: str) -> str:
        allowed = [f"val_{name}" for name in EPOCH_METRICS]
        if metric not in allowed:
            raise ValueError(f"got {metric!r}; {choices(metric, allowed)}")
        return metric

    @field_validator("grace_epochs")
    @classmethod
    def _grace_is_within_max_epochs(cls, grace_epochs: int, info: ValidationInfo) -> int:
        max_epochs = info.data.get("max_epochs")  # None if it is invalid itself
        if max_epochs and grace_epochs > max_epochs:
            raise ValueError(f"got {grace_epochs}; must be at most tune.max_epochs, {max_epochs}")
        return grace_epochs

    def dump_space(self) -> Space:
        """Returns the search space in plain values."""
        return {name: entry.model_dump() for name, entry in self.space.items()}

    def list_model_names(self) -> Iterator[tuple[str, str]]:
        """Yields the key and name of each model that is searched."""
        for key in ("model", "model.name"):
            values = (self.space[key].choices or []) if key in self.space else []
            for value in values:
                name = value.get("name", "") if isinstance(value, dict) else value
                yield f"tune.space.{key}", str(name)


def find_search_mistakes(sections: Mapping[str, Section]) -> list[str]:
    """Returns a clause, with the full key, for whatever in the section `tune` does not fit the section `train`."""
    config, train = sections.get("tune"), sections.get("train")
    if not isinstance(config, Config) or not isinstance(train, TrainSettings):
        return []
    mistakes = find_space_mistakes(config.dump_space(), train.model_dump())
    if config.num_trials and train.privacy:
        mistakes.append(
            "tune.num_trials: every trial would spend the entire budget of train.privacy again; search "
            "without privacy on rows that may be public, or set 0"
        )
    return mistakes
