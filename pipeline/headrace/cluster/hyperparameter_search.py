"""Search: trials of short trainings under Ray Tune, the weak ones ended early by ASHA."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError

from headrace.cluster.session import extend_sys_path
from headrace.config import mistakes_of
from headrace.contracts import Json
from headrace.errors import HeadraceError
from headrace.paths import Paths
from headrace.tasks.metrics import metric_info
from headrace.training.reporting.events import validation_metrics
from headrace.training.search.space import with_drawn
from headrace.training.search.trials import ERROR
from headrace.training.settings import ResolvedTrainSettings

ONE_PROCESS: Json = {"num_workers": 0, "num_threads": 1}


@dataclass(frozen=True)
class Search:
    """What is tried, and how long."""

    trials: list[Json]
    """Values of each trial by key of `train`."""
    max_epochs: int
    grace_epochs: int
    reduction_factor: int
    metric: str
    """What the trials are compared by, such as `val_loss`."""


def run_search(
    base: Json, wanted: Search, paths: Paths, *, journal_dir: Path, tell: Callable[[Json], None]
) -> list[Json]:
    """Runs the trials, one CPU each, and returns them in order; those that `journal_dir` holds already are not run.

    `base` has every value that a trial does not draw. A trial that fails is told so, and the others go on.
    """
    from headrace.cluster.trial_journal import Journal

    journal = Journal(journal_dir, wanted, tell)
    for index, refused in _refused(base, wanted).items():
        if index in journal.open_trials():
            journal.close(index, error=refused)
    if journal.open_trials():
        from headrace.cluster.session import ray_session

        with ray_session(paths, num_cpus_needed=1):
            _tuner(base, wanted, paths, journal).fit()
        shutil.rmtree(paths.state_dir / "ray" / "tune", ignore_errors=True)
    return journal.trials()


def trial_settings(base: Json, drawn: Json, max_epochs: int) -> Json:
    """The whole section of one trial."""
    return with_drawn(base, drawn) | ONE_PROCESS | {"max_epochs": max_epochs}


def _refused(base: Json, wanted: Search) -> dict[int, str]:
    """Trials whose values do not go together, and the line that says so: Ray need not start for them."""
    found = {}
    for index, drawn in enumerate(wanted.trials):
        try:
            ResolvedTrainSettings.model_validate(trial_settings(base, drawn, wanted.max_epochs))
        except ValidationError as error:
            found[index] = "; and ".join(mistakes_of(error, ResolvedTrainSettings, "params.yaml: train"))
    return found


def _tuner(base: Json, wanted: Search, paths: Paths, journal: Any) -> Any:
    from ray import tune

    fixed: Json = {
        "settings": [trial_settings(base, drawn, wanted.max_epochs) for drawn in wanted.trials],
        "folder": str(paths.normalized_dir),
        "sys_path": sys.path,
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
    """ASHA (Li et al. 2020, arXiv:1810.05934) that has seen the trials of a search that was killed."""
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
        before = SimpleNamespace(trial_id=f"before-{index}")
        scheduler.on_trial_add(None, before)
        for epoch in history:
            scheduler.on_trial_result(None, before, epoch)
    return scheduler


@contextmanager
def _telling(report: Callable[[Json], None], metric: str) -> Iterator[None]:
    """Ends a trial with the line of what users can mend: raised, Ray would show them a traceback of its own."""
    try:
        yield
    except HeadraceError as error:
        report({ERROR: str(error), metric: float("nan")})  # Tune insists on the figure that ASHA looks at


def _try(config: Json, fixed: Json) -> None:
    """One trial: a short training in this process, reporting after each epoch."""
    from ray import tune

    from headrace.training.fit import FitJob, WorkerContext, fit

    extend_sys_path(fixed["sys_path"])

    def report(event: Json) -> None:
        if event["kind"] == "epoch":
            tune.report({"epoch": event["epoch"] + 1, **validation_metrics(event)})

    with tempfile.TemporaryDirectory() as work_dir, _telling(tune.report, fixed["metric"]):
        fit(FitJob(fixed["folder"], work_dir, fixed["settings"][config["index"]]), report, WorkerContext(num_threads=1))
