"""Search: trials of short trainings under Ray Tune, the weak ones ended early by ASHA."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from pipeline.cluster.worker import import_as
from pipeline.contracts import Json
from pipeline.errors import ClusterError
from pipeline.learning.settings import TrainSettings
from pipeline.paths import Paths

FIGURES = ("val_loss", "val_accuracy", "val_mae")
RISING = ("val_accuracy",)


@dataclass(frozen=True)
class Search:
    """What is searched, and how long."""

    space: dict[str, Json]
    """Key of `train` -> {low, high, log} or {choices}."""
    num_trials: int
    max_epochs: int
    metric: str
    """One of FIGURES; all but those in RISING fall."""
    seed: int


def search(base: TrainSettings, wanted: Search, paths: Paths) -> Json:
    """Runs the trials, one CPU each; returns `best` (settings that differ), `best_metrics` and `trials`.

    Raises ClusterError when no trial ends.
    """
    from pipeline.cluster.session import session

    with session(paths, num_cpus_needed=1):
        results = _tuner(base, wanted, paths).fit()
    trials = [_trial(result, wanted) for result in results]
    ended = [trial for trial in trials if trial["status"] == "FINISHED" and wanted.metric in trial["metrics"]]
    if not ended:
        reason = next((str(result.error).strip().splitlines()[-1] for result in results if result.error), "no result")
        raise ClusterError(f"ray: all {len(trials)} trials failed ({reason[:200]}); mend params.yaml: tune.space")
    sign = -1 if wanted.metric in RISING else 1
    best = min(ended, key=lambda trial: sign * trial["metrics"][wanted.metric])
    return {"best": _nested(base, best["settings"]), "best_metrics": best["metrics"], "trials": trials}


def _tuner(base: TrainSettings, wanted: Search, paths: Paths) -> Any:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    fixed: Json = {"base": base.model_dump(), "folder": str(paths.normalized_dir), "max_epochs": wanted.max_epochs}
    fixed["sys_path"] = sys.path
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(_try, fixed=fixed), {"CPU": 1}),
        param_space={name: _domain(entry) for name, entry in wanted.space.items()},
        tune_config=tune.TuneConfig(
            metric=wanted.metric,
            mode="max" if wanted.metric in RISING else "min",
            num_samples=wanted.num_trials,
            scheduler=ASHAScheduler(time_attr="epoch", max_t=wanted.max_epochs, grace_period=1),
            search_alg=tune.search.BasicVariantGenerator(random_state=wanted.seed),
        ),
        run_config=tune.RunConfig(storage_path=str(paths.state_dir / "ray"), name="tune", verbose=0),
    )


def _domain(entry: Json) -> Any:
    from ray import tune

    if entry["choices"] is not None:
        return tune.choice(entry["choices"])
    return (tune.loguniform if entry["log"] else tune.uniform)(entry["low"], entry["high"])


def _try(config: Json, fixed: Json) -> None:
    """One trial: a short training in this process, reporting after each epoch."""
    from ray import tune

    from pipeline.learning.fit import FitJob, Place, fit

    import_as(fixed["sys_path"])
    base = TrainSettings.model_validate(fixed["base"])
    settings = base.model_dump() | _nested(base, config) | {"max_epochs": fixed["max_epochs"], "num_workers": 0}

    def report(event: Json) -> None:
        if event["kind"] == "epoch":
            tune.report({"epoch": event["epoch"] + 1, **{name: event[name] for name in FIGURES if name in event}})

    with tempfile.TemporaryDirectory() as work_dir:
        fit(FitJob(fixed["folder"], work_dir, settings), report, Place(num_threads=1))


def _trial(result: Any, wanted: Search) -> Json:
    metrics = result.metrics or {}
    return {
        "settings": {name: result.config[name] for name in wanted.space},
        "metrics": {name: float(metrics[name]) for name in FIGURES if name in metrics},
        "epochs": int(metrics.get("epoch", 0)),
        "status": "FAILED" if result.error else "FINISHED",
    }


def _nested(base: TrainSettings, drawn: Json) -> Json:
    """`{"model.dropout": 0.2}` -> the whole value of `model`, with that option."""
    settings: dict[str, Any] = {}
    for name, value in drawn.items():
        head, _, option = name.partition(".")
        settings[head] = {**settings.get(head, getattr(base, head)), option: value} if option else value
    return settings
