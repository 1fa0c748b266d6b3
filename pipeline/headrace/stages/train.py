"""Train: data/normalized (train, val) -> models/trained. Trains the network and exports the graph for later stages."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median

from headrace.cluster.training import prepare_training
from headrace.cluster.worker_plan import plan_training
from headrace.contracts import Json, Metrics, Spec
from headrace.paths import Paths
from headrace.quantization.onnx_export import export_bundle
from headrace.storage import bundle
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import atomic_dir
from headrace.tracking.launch import keep_sender
from headrace.tracking.lineage import collect_lineage
from headrace.tracking.recorder import record_training
from headrace.training.autotune.tuner import decide, load_or_decide
from headrace.training.fit import FitJob
from headrace.training.reporting.history import write_history
from headrace.training.reporting.progress import progress
from headrace.training.settings import TrainSettings

logger = logging.getLogger(__name__)
ROWS_COMPARED = 256
"""Validation rows on which the exported graph is compared with the network."""


class Config(TrainSettings):
    """How the network is trained; its keys are in `headrace.training.settings`, because `tune` varies them too."""


def run(config: Config, paths: Paths) -> Metrics:
    """Trains, exports, checks the export and writes the bundle; raises what the workers raise."""
    card, trials = _make_card(config, paths)
    card = _resolve_settings(card, paths)
    job = FitJob(str(paths.normalized_dir), str(_work_dir(paths, card)), card.settings)
    _warn_if_noise_is_known(card.settings)
    with (
        keep_sender(paths),
        prepare_training(job, paths) as train,
        record_training(paths, card, Path(job.work_dir), trials) as recorder,
        progress(card.settings["max_epochs"], card.settings["num_workers"]) as show,
    ):

        def observe(event: Json) -> None:
            show(event)
            recorder.observe(event)

        result = train(observe)
        recorder.history = result["history"]
        difference = _write_bundle(paths, card, Path(job.work_dir), result)
    if result["ended_by"] != "max_epochs":
        print(  # noqa: T201
            f"ended by train.{result['ended_by']} after epoch {result['epochs']} of {card.settings['max_epochs']};"
            f" the weights are those of epoch {result['kept_epoch'] + 1}",
            flush=True,
        )
    shutil.rmtree(job.work_dir)
    shutil.rmtree(paths.state_dir / "ray" / card.training_id, ignore_errors=True)
    resolved = {name: card.settings[name] for name in ("learning_rate", "batch_size", "num_threads")}
    return _metrics(result) | {"export_difference": difference, "workers": card.settings["num_workers"]} | resolved


def _make_card(config: Config, paths: Paths) -> tuple[bundle.BundleCard, list[Json]]:
    """The card of the training, with the best settings of a search, if there was one; and the search's trials."""
    tuned = json.loads(paths.tune_path.read_bytes()) if paths.tune_path.is_file() else {}
    settings = TrainSettings.model_validate(config.model_dump() | tuned.get("best", {})).model_dump()
    spec = Spec.read(paths.normalized_dir).model_dump()
    transform = json.loads((paths.normalized_dir / "transform.json").read_bytes())
    lineage = collect_lineage(paths)
    key = json.dumps([settings, spec, transform, lineage["data"], lineage["git_commit"]], sort_keys=True)
    training_id = hashlib.sha256(key.encode()).hexdigest()[:16]
    card = bundle.BundleCard(training_id, settings["model"], spec, transform, settings, lineage)
    return card, tuned.get("trials", [])


def _resolve_settings(card: bundle.BundleCard, paths: Paths) -> bundle.BundleCard:
    """Returns the card with every `auto` resolved; an interrupted training keeps the values that it started with."""
    wanted, work_dir = TrainSettings.model_validate(card.settings), _work_dir(paths, card)
    machine, workload = plan_training(wanted, Spec.model_validate(card.spec), card.transform, paths.normalized_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    job = FitJob(str(paths.normalized_dir), str(work_dir), card.settings)
    choice = load_or_decide(work_dir, lambda: decide(wanted, job, machine, workload))
    if choice.get("summary"):  # a decision saved by an earlier version has none
        print(f"chosen: {choice['summary']}", flush=True)  # noqa: T201
    return replace(card, settings=choice["settings"])


def _work_dir(paths: Paths, card: bundle.BundleCard) -> Path:
    """The folder of a training's resume state."""
    return paths.state_dir / "train" / card.training_id


def _write_bundle(paths: Paths, card: bundle.BundleCard, work_dir: Path, result: Json) -> float:
    """Writes the bundle and the plots; returns the largest difference between the exported graph and the network."""
    with atomic_dir(paths.trained_dir) as folder:
        shutil.copy(work_dir / bundle.WEIGHTS, folder / bundle.WEIGHTS)
        bundle.write_card(folder, _with_privacy(card, result))
        rows = open_arrays(paths.normalized_dir / "val").inputs[:ROWS_COMPARED]
        difference = export_bundle(bundle.Bundle(folder, card), rows)
    with atomic_dir(paths.plots_dir("train")) as folder:
        write_history(folder / "history.csv", result["history"])
    return difference


def _warn_if_noise_is_known(settings: Json) -> None:
    if settings["privacy"] and not settings["privacy"]["secure"]:
        logger.warning(
            "params.yaml: train.privacy.secure: false: the noise is derived from train.seed, and anyone who knows the "
            "seed can remove it; the model is not private"
        )


def _with_privacy(card: bundle.BundleCard, result: Json) -> bundle.BundleCard:
    """Adds the spent privacy budget of a private training to the card's lineage."""
    if not result["privacy"]:
        return card
    options = {name: card.settings["privacy"][name] for name in ("clip", "secure")}
    return replace(card, lineage={**card.lineage, "privacy": result["privacy"] | options})


def _metrics(result: Json) -> Metrics:
    """The metrics of the epoch whose weights were kept, and of the whole training."""
    history: list[Json] = result["history"]
    best = next(epoch for epoch in history if epoch["epoch"] == result["kept_epoch"])
    return {
        **{name: value for name, value in best.items() if name.startswith(("train_", "val_"))},
        "epochs": result["epochs"],
        "best_epoch": result["best_epoch"] + 1,
        "kept_epoch": result["kept_epoch"] + 1,
        "samples_per_second": median(epoch["samples_per_second"] for epoch in history),
        "fit_seconds": result["fit_seconds"],
        "parameters": result["parameters"],
        **result["privacy"],
    }
