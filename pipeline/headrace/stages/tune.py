"""Tune: data/normalized (train, val) -> reports/tune.json. Searches settings of `train` by their validation metrics."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from headrace.cluster.hyperparameter_search import Search, resolve_base_settings, run_search
from headrace.config import read_params, validate_section
from headrace.contracts import Json, Metrics
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.settings.tune import Config
from headrace.storage.checksums import write_signed_json
from headrace.tracking.lineage import collect_lineage
from headrace.training.autotune.tuner import find_open_values
from headrace.training.search.space import Space, apply_drawn, draw_trials
from headrace.training.search.trials import make_trials_table, rank_trials, select_finished
from headrace.training.settings import TrainSettings


def run(config: Config, paths: Paths) -> Metrics:
    """Searches, and writes the best settings for `train`."""
    report: Json = {"num_trials": config.num_trials, "best": {}, "trials": []}
    if not config.num_trials:
        write_signed_json(paths.tune_path, report)
        return {"trials": 0}
    params = read_params(paths.params_path)
    wanted = validate_section(TrainSettings, params.get("train") or {}, "params.yaml: train")
    space = config.dump_space()
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
    write_signed_json(
        paths.tune_path, report | {"trials": trials, "best_metrics": best["metrics"], "best": best_settings}
    )
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
