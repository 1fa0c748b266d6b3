"""Train: data/normalized (train, val) -> models/trained. Trains the network and exports the graph for later stages."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median

from headrace.cluster.training import prepare_training
from headrace.cluster.worker_plan import plan_training
from headrace.config import validate_section
from headrace.contracts import Json, Metrics, Spec
from headrace.paths import Paths
from headrace.quantization.onnx_export import export_bundle
from headrace.settings.train import Config
from headrace.storage import bundle
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import atomic_dir
from headrace.storage.checksums import read_signed_json, write_checksums
from headrace.tracking.launch import keep_sender
from headrace.tracking.lineage import collect_lineage
from headrace.tracking.recorder import record_training
from headrace.training.autotune.tuner import decide, load_or_decide
from headrace.training.fit import FitJob
from headrace.training.reporting.history import write_history
from headrace.training.reporting.progress import progress
from headrace.training.resume_key import make_id, make_key, open_state, remove_states
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

logger = logging.getLogger(__name__)
ROWS_COMPARED = 256
"""Validation rows on which the exported graph is compared with the network."""


def run(config: Config, paths: Paths) -> Metrics:
    """Trains, exports, checks the export and writes the bundle; raises what the workers raise."""
    wanted, trials = _apply_search(config, paths)
    card, work_dir = _make_card(wanted, paths)
    settings = _resolve_settings(wanted, card, paths, work_dir)
    card = replace(card, settings=settings.model_dump())
    job = FitJob(paths.normalized_dir, work_dir, settings)
    _warn_if_noise_is_known(settings)
    with (
        keep_sender(paths),
        prepare_training(job, paths) as train,
        record_training(paths, card, work_dir, trials) as recorder,
        progress(settings.max_epochs, settings.num_workers) as show,
    ):

        def observe(event: Json) -> None:
            show(event)
            recorder.observe(event)

        result = train(observe)
        recorder.history = result["history"]
        difference = _write_bundle(paths, card, work_dir, result)
    if result["ended_by"] != "max_epochs":
        print(  # noqa: T201
            f"ended by train.{result['ended_by']} after epoch {result['epochs']} of {settings.max_epochs};"
            f" the weights are those of epoch {result['kept_epoch'] + 1}",
            flush=True,
        )
    remove_states(paths)
    resolved = {name: card.settings[name] for name in ("learning_rate", "batch_size", "num_threads")}
    return _metrics(result) | {"export_difference": difference, "workers": settings.num_workers} | resolved


def _apply_search(config: Config, paths: Paths) -> tuple[TrainSettings, list[Json]]:
    """Returns the settings with the best values of a search, if there was one, and the search's trials."""
    remedy = "run: dvc repro --force tune"
    tuned = read_signed_json(paths.tune_path, remedy) if paths.tune_path.is_file() else {}
    if not tuned.get("best"):
        return config, tuned.get("trials", [])
    wanted = validate_section(TrainSettings, config.model_dump() | tuned["best"], "reports/tune.json: best")
    return wanted, tuned["trials"]


def _make_card(wanted: TrainSettings, paths: Paths) -> tuple[bundle.BundleCard, Path]:
    """Returns the card of the training, with settings as far as they are known without measuring; its resume state."""
    settings = wanted.model_dump()
    spec = Spec.read(paths.normalized_dir).model_dump()
    transform = json.loads((paths.normalized_dir / "transform.json").read_bytes())
    lineage = collect_lineage(paths, "train", [settings["model"]])
    key = make_key(lineage, settings, spec, transform)
    card = bundle.BundleCard(make_id(key), settings["model"], spec, transform, settings, lineage)
    work_dir, changes = open_state(paths, card.training_id, key)
    if changes:
        print(f"starts anew: since the interrupted training, this changed: {changes}", flush=True)  # noqa: T201
    return card, work_dir


def _resolve_settings(
    wanted: TrainSettings, card: bundle.BundleCard, paths: Paths, work_dir: Path
) -> ResolvedTrainSettings:
    """Resolves every `auto`; an interrupted training keeps the values that it started with."""
    machine, workload = plan_training(wanted, Spec.model_validate(card.spec), card.transform, paths.normalized_dir)
    decision = load_or_decide(work_dir, lambda: decide(wanted, paths.normalized_dir, machine, workload))
    if decision.summary:
        print(f"chosen: {decision.summary}", flush=True)  # noqa: T201
    return decision.settings.model_copy(update={"checkpoint": wanted.checkpoint})


def _write_bundle(paths: Paths, card: bundle.BundleCard, work_dir: Path, result: Json) -> float:
    """Writes the bundle and the plots; returns the largest difference between the exported graph and the network."""
    with atomic_dir(paths.trained_dir) as folder:
        shutil.copy(work_dir / bundle.WEIGHTS, folder / bundle.WEIGHTS)
        bundle.write_card(folder, _with_privacy(card, result))
        rows = open_arrays(paths.normalized_dir / "val").inputs[:ROWS_COMPARED]
        difference = export_bundle(bundle.Bundle(folder, card), rows)
        write_checksums(folder)
    with atomic_dir(paths.plots_dir("train")) as folder:
        write_history(folder / "history.csv", result["history"])
    return difference


def _warn_if_noise_is_known(settings: ResolvedTrainSettings) -> None:
    if settings.privacy and not settings.privacy.secure:
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
    """The metrics of the epoch whose weights are used, and of the whole training."""
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
