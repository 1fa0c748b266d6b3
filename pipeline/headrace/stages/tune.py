"""Tune: data/normalized (train, val) -> reports/tune.json. Searches settings of `train` by their validation metrics."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from headrace.cluster.hyperparameter_search import Search, resolve_base_settings, run_search
from headrace.config import Section, read_params, validate_section
from headrace.contracts import Json, Metrics, Spec
from headrace.errors import ConfigError, choices
from headrace.paths import Paths
from headrace.storage.atomic import write_json
from headrace.tasks import TASKS
from headrace.tasks.metrics import EPOCH_METRICS
from headrace.tracking.lineage import collect_lineage
from headrace.training.autotune.tuner import find_open_values
from headrace.training.search.space import Space, apply_drawn, check_space, draw_trials
from headrace.training.search.trials import make_trials_table, rank_trials, select_finished
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


def run(config: Config, paths: Paths) -> Metrics:
    """Searches, and writes the best settings for `train`."""
    report: Json = {"num_trials": config.num_trials, "best": {}, "trials": []}
    if not config.num_trials:
        write_json(paths.tune_path, report)
        return {"trials": 0}
    params = read_params(paths.params_path)
    wanted = validate_section(TrainSettings, params.get("train") or {}, "params.yaml: train")
    if wanted.privacy:
        raise ConfigError(
            "params.yaml: tune.num_trials: every trial would spend the entire budget of train.privacy again; search "
            "without privacy on rows that may be public, or set 0"
        )
    space = {name: entry.model_dump() for name, entry in config.space.items()}
    check_space(space, wanted.model_dump())
    _check_metric(config, paths)
    state_dir = paths.state_dir / "tune" / _search_id(config, wanted, paths)
    base, summary = resolve_base_settings(wanted, space, paths.normalized_dir, state_dir)
    if summary:
        print(f"chosen: {summary}", flush=True)  # noqa: T201
    trials = _search(config, space, base, paths, state_dir)
    completed = select_finished(trials)
    if not completed:
        raise ConfigError(
            f"params.yaml: tune.space: all {len(trials)} trials failed; the first: {trials[0]['error']}; fix the space"
        )
    best = rank_trials(completed, config.metric)[0]
    print("\n".join(make_trials_table(trials, config.metric)), flush=True)  # noqa: T201
    # the searched keys, completely, and those that were `auto` for the trials
    names = {key.partition(".")[0] for key in best["settings"]} | set(find_open_values(wanted))
    best_settings = {name: value for name, value in apply_drawn(base, best["settings"]).items() if name in names}
    write_json(paths.tune_path, report | {"trials": trials, "best_metrics": best["metrics"], "best": best_settings})
    shutil.rmtree(state_dir)
    return {
        "trials": len(trials),
        **{f"best_{name}": value for name, value in best["metrics"].items()},
        "failed": len(trials) - len(completed),
        "epochs": sum(trial["epochs"] for trial in trials),
    }


def _search_id(config: Config, wanted: TrainSettings, paths: Paths) -> str:
    """Returns an id of the settings, data and code of this search, under which it is resumed."""
    spec, transform = ((paths.normalized_dir / name).read_text("utf-8") for name in ("spec.json", "transform.json"))
    models = [wanted.model, {key: entry.choices for key, entry in config.space.items()}]
    lineage = collect_lineage(paths, "tune", models)
    parts = [config.model_dump(), wanted.model_dump(), spec, transform, lineage["data"], lineage["code"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _search(config: Config, space: Space, base: Json, paths: Paths, state_dir: Path) -> list[Json]:
    drawn = draw_trials(space, config.num_trials, config.seed)
    wanted = Search(drawn, config.max_epochs, config.grace_epochs, config.reduction_factor, config.metric)

    def report(trial: Json) -> None:
        if trial["status"] == "FAILED":
            outcome = f"failed: {trial['error']}"
        else:
            outcome = f"{config.metric} {trial['metrics'][config.metric]:.4f}, {trial['epochs']} epochs"
        print(f"trial {trial['index']} of {len(drawn)}: {outcome}", flush=True)  # noqa: T201

    return run_search(base, wanted, paths, journal_dir=state_dir / "trials", report=report)


def _check_metric(config: Config, paths: Paths) -> None:
    """Raises ConfigError for a metric of another task."""
    task = Spec.read(paths.normalized_dir).task
    allowed = [f"val_{name}" for name in ("loss", *TASKS[task].metric_names)]
    if config.metric not in allowed:
        raise ConfigError(
            f"params.yaml: tune.metric: {config.metric!r} is not a metric of {task}; {choices(config.metric, allowed)}"
        )
