"""Tune: data/normalized (train, val) -> reports/tune.json. Searches on validation rows; no trials: nothing to do."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from headrace.config import Section
from headrace.contracts import Json, Metrics, Spec
from headrace.errors import ConfigError, choices
from headrace.paths import Paths
from headrace.storage.atomic import write_json
from headrace.tasks import TASKS
from headrace.tasks.metrics import EPOCH_METRICS
from headrace.training.search.space import Space, apply_drawn, check_space, draw_trials
from headrace.training.search.trials import make_trials_table, rank_trials, select_finished
from headrace.training.settings import TrainSettings

Number = int | float


class Range(Section):
    """Where one key of `train` is searched: between two numbers, or among choices."""

    low: Number | None = None
    """The least value; whole numbers are drawn where both ends are whole."""
    high: Number | None = None
    """The greatest value."""
    log: bool = False
    """Draw evenly in the logarithm."""
    step: Annotated[Number, Field(gt=0)] | None = None
    """Draw low, low + step, low + 2 step and on."""
    choices: Annotated[list[Any], Field(min_length=1)] | None = None
    """The values to try, instead of low and high; of any kind, such as whole models with their options."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Range:
        has_ends = self.low is not None and self.high is not None
        if has_ends == (self.choices is not None):
            raise ValueError("give low and high, or choices")
        if self.low is None or self.high is None:
            if self.log or self.step is not None:
                raise ValueError("log and step are of low and high; leave them out beside choices")
            return self
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must be below high {self.high}, and above 0 for log")
        if self.log and self.step is not None:
            raise ValueError("give log or step, not both")
        return self


class Config(Section):
    """The search over the settings of `train`."""

    num_trials: Annotated[int, Field(ge=0)] = 0
    """Trainings to try; 0 switches the search off."""
    max_epochs: Annotated[int, Field(gt=0)] = 4
    """Epochs of a trial, at most; weak ones are ended earlier by ASHA (Li et al. 2020, arXiv:1810.05934)."""
    grace_epochs: Annotated[int, Field(gt=0)] = 1
    """Epochs that every trial has before it may be ended."""
    reduction_factor: Annotated[int, Field(gt=1)] = 4
    """Of this many trials that reach a rung one goes on; the rungs are grace_epochs times its powers."""
    metric: str = "val_loss"
    """What the search optimizes: `val_loss`, or another epoch metric of the task, in its better direction."""
    space: Annotated[dict[str, Range], Field(min_length=1)] = {"learning_rate": Range(low=1e-4, high=1e-2, log=True)}
    """Keys of `train` (`model.dropout` for one of its options) and where each is searched."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the draws."""

    @field_validator("metric")
    @classmethod
    def _metric_exists(cls, metric: str) -> str:
        allowed = [f"val_{name}" for name in EPOCH_METRICS]
        if metric not in allowed:
            raise ValueError(f"got {metric!r}; {choices(metric, allowed)}")
        return metric

    @field_validator("grace_epochs")
    @classmethod
    def _grace_ends_in_time(cls, grace_epochs: int, info: ValidationInfo) -> int:
        max_epochs = info.data.get("max_epochs")  # None: it has a mistake of its own
        if max_epochs and grace_epochs > max_epochs:
            raise ValueError(f"got {grace_epochs}; a trial has tune.max_epochs, {max_epochs}, at most")
        return grace_epochs


def run(config: Config, paths: Paths) -> Metrics:
    """Searches and writes the best settings; the section `train` is what the search varies."""
    found: Json = {"num_trials": config.num_trials, "best": {}, "trials": []}
    if not config.num_trials:
        write_json(paths.tune_path, found)
        return {"trials": 0}
    wanted, space = _base(paths), {name: entry.model_dump() for name, entry in config.space.items()}
    if wanted.privacy:
        raise ConfigError(
            "params.yaml: tune.num_trials: every trial would spend the whole of train.privacy once more; search "
            "without privacy on rows that may be public, or set 0"
        )
    check_space(space, wanted.model_dump())
    _check_metric(config, paths)
    trials_dir = paths.state_dir / "tune" / _search_id(config, wanted, paths)
    base = _decided(wanted, space, paths, trials_dir)
    trials = _search(config, space, base, paths, trials_dir)
    ended = select_finished(trials)
    if not ended:
        raise ConfigError(
            f"params.yaml: tune.space: all {len(trials)} trials failed; the first: {trials[0]['error']}; mend the space"
        )
    best = rank_trials(ended, config.metric)[0]
    print("\n".join(make_trials_table(trials, config.metric)), flush=True)  # noqa: T201
    found |= {"trials": trials, "best_metrics": best["metrics"]}
    found["best"] = _best_settings(wanted, base, best["settings"])
    write_json(paths.tune_path, found)
    shutil.rmtree(trials_dir)
    failed = len(trials) - len(ended)
    return {
        "trials": len(trials),
        **{f"best_{name}": value for name, value in best["metrics"].items()},
        "failed": failed,
        "epochs": sum(trial["epochs"] for trial in trials),
    }


def _best_settings(wanted: TrainSettings, base: Json, drawn: Json) -> Json:
    """What `train` takes over: the searched keys, whole, and what was `auto` for the trials."""
    from headrace.training.autotune.tuner import find_open_values

    names = {key.partition(".")[0] for key in drawn} | set(find_open_values(wanted))
    return {name: value for name, value in apply_drawn(base, drawn).items() if name in names}


def _base(paths: Paths) -> TrainSettings:
    from headrace.config import validate_section, read_params

    params = read_params(paths.params_path)
    return validate_section(TrainSettings, params.get("train") or {}, "params.yaml: train")


def _search_id(config: Config, wanted: TrainSettings, paths: Paths) -> str:
    """Where the journal of this search lies: of the same settings, data and code."""
    from headrace.tracking.lineage import collect_lineage

    spec, transform = ((paths.normalized_dir / name).read_text("utf-8") for name in ("spec.json", "transform.json"))
    origin = collect_lineage(paths)
    parts = [config.model_dump(), wanted.model_dump(), spec, transform, origin["data"], origin["git_commit"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _decided(wanted: TrainSettings, space: Space, paths: Paths, work_dir: Path) -> Json:
    """The section without `auto`: what is not searched is measured once, with the rest of the section as it stands."""
    from headrace.training.autotune.tuner import Machine, decide, find_open_values, load_or_decide

    settings = wanted.model_copy(update={"num_workers": 0, "num_threads": 1})
    settings = TrainSettings.model_validate(settings.model_dump() | find_open_values(settings, only=space))
    work_dir.mkdir(parents=True, exist_ok=True)
    if not find_open_values(settings):
        return settings.model_dump()

    def measure() -> Json:
        from headrace.storage.arrays import open_arrays
        from headrace.training.autotune.workload import count_workload
        from headrace.training.fit import FitJob

        folder = paths.normalized_dir
        transform = json.loads((folder / "transform.json").read_bytes())
        train = open_arrays(folder / "train")
        workload = count_workload(settings.model, Spec.read(folder), transform, train, settings.loss)
        return decide(settings, FitJob(str(folder), "", {}), Machine(0, 1), workload)

    choice = load_or_decide(work_dir, measure)
    print(f"chosen: {choice['summary']}", flush=True)  # noqa: T201
    base: Json = choice["settings"]
    return base


def _search(config: Config, space: Space, base: Json, paths: Paths, trials_dir: Path) -> list[Json]:
    from headrace.cluster.hyperparameter_search import Search, run_search

    drawn = draw_trials(space, config.num_trials, config.seed)
    wanted = Search(drawn, config.max_epochs, config.grace_epochs, config.reduction_factor, config.metric)

    def tell(trial: Json) -> None:
        if trial["status"] == "FAILED":
            told = f"failed: {trial['error']}"
        else:
            told = f"{config.metric} {trial['metrics'][config.metric]:.4f}, {trial['epochs']} epochs"
        print(f"trial {trial['index']} of {len(drawn)}: {told}", flush=True)  # noqa: T201

    return run_search(base, wanted, paths, journal_dir=trials_dir / "trials", tell=tell)


def _check_metric(config: Config, paths: Paths) -> None:
    """Raises ConfigError for a metric of another task."""
    task = Spec.read(paths.normalized_dir).task
    allowed = [f"val_{name}" for name in ("loss", *TASKS[task].metric_names)]
    if config.metric not in allowed:
        raise ConfigError(
            f"params.yaml: tune.metric: {config.metric!r} is not a metric of {task}; {choices(config.metric, allowed)}"
        )
