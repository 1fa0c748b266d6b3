"""Hyperparameter search: short trainings under Ray Tune, with weak trials stopped early by ASHA."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError

from headrace.cluster.session import ray_session, run_in_thread
from headrace.cluster.workers.project import CallerFolder
from headrace.config import describe_errors
from headrace.contracts import Json, Spec
from headrace.errors import HeadraceError
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.tasks.metrics import metric_info
from headrace.training.autotune.tuner import Decision, Machine, decide, find_open_values, load_or_decide
from headrace.training.autotune.workload import count_workload
from headrace.training.fit import FitJob, WorkerContext, fit
from headrace.training.reporting.events import validation_metrics
from headrace.training.search.space import Space, apply_drawn
from headrace.training.search.trials import ERROR
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

ONE_PROCESS: Json = {"num_workers": 0, "num_threads": 1}
NO_CHECKPOINTS: Json = {"checkpoint": {"every_steps": 0, "every_minutes": 0.0}}
"""A trial that is killed starts anew."""


@dataclass(frozen=True)
class Search:
    """The trials of a search and how long each may train."""

    trials: list[Json]
    """For each trial, its values by key of `train`."""
    max_epochs: int
    grace_epochs: int
    reduction_factor: int
    metric: str
    """What the trials are compared by, such as `val_loss`."""


def run_search(
    base: Json, wanted: Search, paths: Paths, *, journal_dir: Path, report: Callable[[Json], None]
) -> list[Json]:
    """Runs the trials, one CPU each, and returns them in order; skips those that `journal_dir` already holds.

    `base` has every value that a trial does not draw. `report` is called with each trial as it ends. A failed trial
    does not stop the others.
    """
    from headrace.cluster.trial_journal import Journal  # imports Ray

    journal = Journal(journal_dir, wanted, report)
    for index, error in _invalid_trials(base, wanted).items():
        if index in journal.open_trials():
            journal.close(index, error=error)
    if journal.open_trials():
        with ray_session(paths, num_cpus_needed=1):
            # in the main thread, Tune would take Ctrl-C for the end of the search
            run_in_thread(_tuner(base, wanted, paths, journal).fit)
        shutil.rmtree(paths.state_dir / "ray" / "tune", ignore_errors=True)
    return journal.trials()


def resolve_base_settings(
    wanted: TrainSettings, space: Space, normalized_dir: Path, work_dir: Path
) -> tuple[Json, str]:
    """Returns the settings that the trials share, and a summary of what was measured for `auto`, which may be empty.

    Values that are `auto` and not searched are measured once, even if the search is interrupted.
    """
    settings = wanted.model_copy(update=ONE_PROCESS | find_open_values(wanted, only=space))
    work_dir.mkdir(parents=True, exist_ok=True)
    if not find_open_values(settings):
        return settings.model_dump(), ""

    def measure() -> Decision:
        transform = json.loads((normalized_dir / "transform.json").read_bytes())
        train = open_arrays(normalized_dir / "train")
        workload = count_workload(settings.model, Spec.read(normalized_dir), transform, train, settings.loss)
        return decide(settings, normalized_dir, Machine(0, 1), workload)

    choice = load_or_decide(work_dir, measure)
    return choice.settings.model_dump(), choice.summary


def trial_settings(base: Json, drawn: Json, max_epochs: int) -> Json:
    """Returns all settings of one trial."""
    return apply_drawn(base, drawn) | ONE_PROCESS | NO_CHECKPOINTS | {"max_epochs": max_epochs}


def _invalid_trials(base: Json, wanted: Search) -> dict[int, str]:
    """Error messages by trial for values that are invalid together, so that Ray need not start for them."""
    errors = {}
    for index, drawn in enumerate(wanted.trials):
        try:
            ResolvedTrainSettings.model_validate(trial_settings(base, drawn, wanted.max_epochs))
        except ValidationError as error:
            errors[index] = "; and ".join(describe_errors(error, ResolvedTrainSettings, "params.yaml: train"))
    return errors


def _tuner(base: Json, wanted: Search, paths: Paths, journal: Any) -> Any:
    from ray import tune

    fixed: Json = {
        "settings": [trial_settings(base, drawn, wanted.max_epochs) for drawn in wanted.trials],
        "folder": str(paths.normalized_dir),
        "caller": CallerFolder.capture(),
        "metric": wanted.metric,
    }
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(_try, fixed=fixed), {"CPU": 1}),
        param_space={"index": tune.grid_search(journal.open_trials())},
        tune_config=tune.TuneConfig(scheduler=_scheduler(wanted, journal.histories())),
        run_config=tune.RunConfig(
            storage_path=str(paths.state_dir / "ray"), name="tune", verbose=0, callbacks=[journal.callback()]
        ),
    )


def _scheduler(wanted: Search, histories: dict[int, list[Json]]) -> Any:
    """ASHA (Li et al. 2020, arXiv:1810.05934), given the finished trials of an interrupted search."""
    from ray.tune.schedulers import ASHAScheduler

    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric=wanted.metric,
        mode="max" if metric_info(wanted.metric).is_higher_better else "min",
        max_t=wanted.max_epochs,
        grace_period=wanted.grace_epochs,
        reduction_factor=wanted.reduction_factor,
    )
    for index, history in histories.items():
        finished = SimpleNamespace(trial_id=f"before-{index}")
        scheduler.on_trial_add(None, finished)
        for epoch in history:
            scheduler.on_trial_result(None, finished, epoch)
    return scheduler


@contextmanager
def _reporting_user_errors(report: Callable[[Json], None], metric: str) -> Iterator[None]:
    """Reports a user error as the trial's result: if it were raised, Ray would print its own traceback."""
    try:
        yield
    except HeadraceError as error:
        report({ERROR: str(error), metric: float("nan")})  # Tune requires the metric that ASHA compares


def _try(config: Json, fixed: Json) -> None:
    """Runs one trial: a short training in this process that reports after each epoch."""
    from ray import tune

    fixed["caller"].enter()

    def report(event: Json) -> None:
        if event["kind"] == "epoch":
            tune.report({"epoch": event["epoch"] + 1, **validation_metrics(event)})

    with tempfile.TemporaryDirectory() as work_dir, _reporting_user_errors(tune.report, fixed["metric"]):
        settings = ResolvedTrainSettings.model_validate(fixed["settings"][config["index"]])
        fit(FitJob(Path(fixed["folder"]), Path(work_dir), settings), report, WorkerContext(num_threads=1))
