"""Tune: data/normalized (train, val) -> reports/tune.json. Searches on validation rows; no trials: nothing to do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config import Section
from pipeline.contracts import Json, Metrics
from pipeline.errors import ConfigError, choices
from pipeline.learning.settings import TrainSettings
from pipeline.paths import Paths
from pipeline.storage.atomic import write_json

Value = int | float | str | bool


class Range(Section):
    """Where one key of `train` is searched: between two numbers, or among choices."""

    low: float | None = None
    """The least value."""
    high: float | None = None
    """The greatest value."""
    log: bool = False
    """Draw evenly in the logarithm."""
    choices: list[Value] | None = None
    """The values to try, instead of low and high."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Range:
        has_ends = self.low is not None and self.high is not None
        if has_ends == (self.choices is not None):
            raise ValueError("give low and high, or choices")
        if self.low is None or self.high is None:
            return self
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must be below high {self.high}, and above 0 for log")
        return self


class Config(Section):
    """The search over the settings of `train`."""

    num_trials: Annotated[int, Field(ge=0)] = 0
    """Trainings to try; 0 switches the search off."""
    max_epochs: Annotated[int, Field(gt=0)] = 4
    """Epochs of a trial, at most; weak ones are ended earlier by ASHA (Li et al. 2020)."""
    metric: Literal["val_loss", "val_accuracy", "val_mae"] = "val_loss"
    """What the search improves: loss and mean absolute error (regression) fall, accuracy (classification) rises."""
    space: dict[str, Range] = {"learning_rate": Range(low=1e-4, high=1e-2, log=True)}
    """Keys of `train` (`model.dropout` for one of its options) and where each is searched."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the draws."""


def run(config: Config, paths: Paths) -> Metrics:
    """Searches and writes the best settings; the section `train` is what the search varies."""
    found: Json = {"num_trials": config.num_trials, "best": {}, "trials": []}
    if config.num_trials:
        from pipeline.cluster.search import Search, search

        base = _base(paths)
        if base.privacy:
            raise ConfigError(
                "params.yaml: tune.num_trials: every trial would spend the whole of train.privacy once more; search "
                "without privacy on rows that may be public, or set 0"
            )
        _check_space(config, base)
        _check_metric(config, paths)
        space = {name: entry.model_dump() for name, entry in config.space.items()}
        wanted = Search(space, config.num_trials, config.max_epochs, config.metric, config.seed)
        found |= search(base, wanted, paths)
    write_json(paths.tune_path, found)
    best = found.get("best_metrics", {})
    return {"trials": len(found["trials"]), **{f"best_{name}": value for name, value in best.items()}}


def _base(paths: Paths) -> TrainSettings:
    from pipeline.config import check, read_params

    params = read_params(paths.params_path)
    return check(TrainSettings, params.get("train") or {}, "params.yaml: train")


def _check_metric(config: Config, paths: Paths) -> None:
    """Refuses a figure of another task."""
    from pipeline.contracts import Spec
    from pipeline.tasks import TASKS

    task = Spec.read(paths.normalized_dir).task
    told = ["val_loss", f"val_{TASKS[task].figure}"]
    if config.metric not in told:
        raise ConfigError(
            f"params.yaml: tune.metric: {config.metric!r} is no figure of {task}; {choices(config.metric, told)}"
        )


def _check_space(config: Config, base: TrainSettings) -> None:
    """Refuses keys that `train` does not have."""
    known = base.model_dump()
    for name in config.space:
        head, _, option = name.partition(".")
        if head not in known:
            raise ConfigError(f"params.yaml: tune.space.{name}: train has no such key; {choices(head, known)}")
        if option and head != "model":
            raise ConfigError(f"params.yaml: tune.space.{name}: only options of train.model are searched by a dot")
