"""Train: data/normalized (train, val) -> models/trained. Ends with the graph that every later stage judges."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.contracts import Json, Metrics, Spec
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.runtime import preload_modules
from headrace.storage import bundle
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import atomic_dir
from headrace.training.autotune.tuner import Machine, decide
from headrace.training.autotune.workload import Workload, count_workload
from headrace.training.fit import FitJob, read_result
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

if TYPE_CHECKING:
    from headrace.cluster.session import BackgroundShutdown
    from headrace.cluster.training import Training

logger = logging.getLogger(__name__)
LARGEST_DIFFERENCE = 1e-2
"""Between the outputs of the exported graph and of the eager network; of values, in their standard deviations.

Float32 sums in another order differ by 1e-5.
"""
ROWS_COMPARED = 256


class RayTraining(NamedTuple):
    """What trains on Ray, and how to be rid of Ray."""

    training: Training
    ending: BackgroundShutdown


class Config(TrainSettings):
    """How the network is trained; a search varies these keys too, so they stand in `headrace.training.settings`."""


def run(config: Config, paths: Paths) -> Metrics:
    """Trains, exports, checks the export, and writes the bundle; raises what the workers raise."""
    from headrace.tracking.runs import log_trials, start_run
    from headrace.training.reporting.progress import progress

    card, trials = _card(config, paths)
    card = _decided(card, paths)
    num_workers = card.settings["num_workers"]
    job = FitJob(str(paths.normalized_dir), str(paths.state_dir / "train" / card.training_id), card.settings)
    _warn_of_known_noise(ResolvedTrainSettings.model_validate(card.settings))
    with (
        _workers(job, paths) as workers,
        start_run(paths, card) as run,
        progress(card.settings["max_epochs"], num_workers) as show,
    ):
        if trials and run.run_id:
            log_trials(paths, run.run_id, trials)

        def observe(event: Json) -> None:
            show(event)
            run.observe(event)

        result = _fit(job, observe, workers)
        difference = _write(paths, card, Path(job.work_dir), result)
    if result["ended_by"] != "max_epochs":
        print(  # noqa: T201
            f"ended by train.{result['ended_by']} after epoch {result['epochs']} of {card.settings['max_epochs']};"
            f" the weights are those of epoch {result['kept_epoch'] + 1}",
            flush=True,
        )
    shutil.rmtree(job.work_dir)
    shutil.rmtree(paths.state_dir / "ray" / card.training_id, ignore_errors=True)
    chosen = {name: card.settings[name] for name in ("learning_rate", "batch_size", "num_threads")}
    return _metrics(result) | {"export_difference": difference, "workers": num_workers} | chosen


def _card(config: Config, paths: Paths) -> tuple[bundle.Card, list[Json]]:
    """What is trained on what: settings (with the search's best in place), data, code; and the search's trials."""
    from headrace.tracking.lineage import collect_lineage

    tuned = json.loads(paths.tune_path.read_bytes()) if paths.tune_path.is_file() else {}
    settings = TrainSettings.model_validate(config.model_dump() | tuned.get("best", {})).model_dump()
    spec = Spec.read(paths.normalized_dir).model_dump()
    transform = json.loads((paths.normalized_dir / "transform.json").read_bytes())
    origin = collect_lineage(paths)
    key = json.dumps([settings, spec, transform, origin["data"], origin["git_commit"]], sort_keys=True)
    training_id = hashlib.sha256(key.encode()).hexdigest()[:16]
    card = bundle.Card(training_id, settings["model"], spec, transform, settings, origin)
    return card, tuned.get("trials", [])


def _decided(card: bundle.Card, paths: Paths) -> bundle.Card:
    """The card with nothing left to `auto`: decided once, and kept for a training that is killed and started again."""
    from headrace.training.autotune.tuner import load_or_decide

    wanted, work_dir = TrainSettings.model_validate(card.settings), paths.state_dir / "train" / card.training_id
    machine, workload = _check(wanted, paths, card.spec)
    work_dir.mkdir(parents=True, exist_ok=True)
    job = FitJob(str(paths.normalized_dir), str(work_dir), card.settings)
    choice = load_or_decide(work_dir, lambda: decide(wanted, job, machine, workload))
    if choice["told"]:
        print(f"chosen: {choice['told']}", flush=True)  # noqa: T201
    return replace(card, settings=choice["settings"])


def _check(wanted: TrainSettings, paths: Paths, spec: Json) -> tuple[Machine, Workload]:
    """Workers and cores of each; refuses, before Ray starts, what the workers would refuse."""
    from headrace.cluster.session import num_local_cpus
    from headrace.cluster.worker_plan import plan_workers
    from headrace.data.augmenters import make_augmenter, make_mixes
    from headrace.models.network import build_network
    from headrace.tasks import TASKS
    from headrace.training.compatibility import check_settings_fit

    data = Spec.model_validate(spec)
    if wanted.memory_format != "contiguous" and data.modality != "image":
        raise ConfigError(
            f"params.yaml: train.memory_format: {wanted.memory_format!r} is of images, and the data are "
            f"{data.modality}; set contiguous"
        )
    transform = json.loads((paths.normalized_dir / "transform.json").read_bytes())
    for make in (make_augmenter, make_mixes):
        make(data.modality, wanted.model_dump(), transform)
    TASKS[data.task].loss_options(wanted.model_dump(), transform)
    network = build_network(wanted.model, data, transform, wanted.loss)
    check_settings_fit(wanted, data, network)
    workload = count_workload(wanted.model, data, transform, open_arrays(paths.normalized_dir / "train"), wanted.loss)
    seconds = workload.seconds(wanted, num_threads=num_local_cpus()) if wanted.strategy == "ddp" else None
    num_workers, num_cores = plan_workers(wanted.num_workers, seconds, workload.num_steps(wanted))
    if num_workers > 1 and wanted.batch_size != "auto" and wanted.batch_size % num_workers:
        raise DataError(
            f"params.yaml: train.batch_size: {wanted.batch_size} rows cannot be shared by {num_workers} workers; "
            f"choose a multiple of {num_workers}, or set train.num_workers"
        )
    if wanted.privacy:
        from headrace.training.privacy.checks import check_privacy_compatible

        check_privacy_compatible(network, TASKS[data.task], wanted, transform=transform, folder=paths.normalized_dir)
    return Machine(num_workers, num_cores), workload


@contextmanager
def _workers(job: FitJob, paths: Paths) -> Iterator[RayTraining | None]:
    """A session of Ray and the training started in it, where the settings want workers and it is not done already.

    What is imported later, by MLflow and by the export, is imported meanwhile.
    """
    num_workers, num_threads = job.settings["num_workers"], job.settings["num_threads"]
    if num_workers == 0 or read_result(Path(job.work_dir)) is not None:
        yield None
        return
    from headrace.cluster.session import ray_session
    from headrace.cluster.training import Training
    from headrace.quantization.onnx_export import EXPORTER_MODULES
    from headrace.tracking.client import module_to_preload

    preload_modules(module_to_preload())
    with ray_session(paths, num_cpus_needed=num_workers * num_threads) as ending:
        training = Training(job, num_workers=num_workers, num_threads=num_threads, paths=paths)
        preload_modules(*EXPORTER_MODULES)
        yield RayTraining(training, ending)


def _fit(job: FitJob, observe: Any, workers: RayTraining | None) -> Json:
    """Runs the loop, unless a killed run of the same training had already finished it."""
    from headrace.training.fit import WorkerContext, fit

    work_dir = Path(job.work_dir)
    if workers:
        workers.training.wait(observe)
        workers.ending.begin()  # while the graph is written
    elif read_result(work_dir) is None:
        fit(job, observe, WorkerContext(num_threads=job.settings["num_threads"]))
    result = read_result(work_dir)
    if result is None:
        raise DataError(
            f"{work_dir}: rank 0 left no result here; put the project on storage that every node of the cluster sees"
        )
    return result


def _write(paths: Paths, card: bundle.Card, work_dir: Path, result: Json) -> float:
    """Writes the bundle and the plots; returns how far the exported graph is from the network."""
    from headrace.training.reporting.history import write_history

    with atomic_dir(paths.trained_dir) as folder:
        shutil.copy(work_dir / bundle.WEIGHTS, folder / bundle.WEIGHTS)
        bundle.write_card(folder, _told_of_privacy(card, result))
        difference = _export(bundle.Bundle(folder, card), paths)
    with atomic_dir(paths.plots_dir("train")) as folder:
        write_history(folder / "history.csv", result["history"])
    return difference


def _warn_of_known_noise(settings: ResolvedTrainSettings) -> None:
    if settings.privacy and not settings.privacy.secure:
        logger.warning(
            "params.yaml: train.privacy.secure: false: the noise follows from train.seed, and whoever knows that can "
            "take it off; the model is not private"
        )


def _told_of_privacy(card: bundle.Card, result: Json) -> bundle.Card:
    """The card with what a private training spent, beside where the model comes from."""
    if not result["privacy"]:
        return card
    asked = {name: card.settings["privacy"][name] for name in ("clip", "secure")}
    return replace(card, lineage={**card.lineage, "privacy": result["privacy"] | asked})


def _metrics(result: Json) -> Metrics:
    """The figures of the epoch whose weights are kept, and of the whole training."""
    history: list[Json] = result["history"]
    load_or_decide = next(epoch for epoch in history if epoch["epoch"] == result["kept_epoch"])
    return {
        **{name: value for name, value in load_or_decide.items() if name.startswith(("train_", "val_"))},
        "epochs": result["epochs"],
        "best_epoch": result["best_epoch"] + 1,
        "kept_epoch": result["kept_epoch"] + 1,
        "samples_per_second": median(epoch["samples_per_second"] for epoch in history),
        "fit_seconds": result["fit_seconds"],
        "parameters": result["parameters"],
        **result["privacy"],
    }


def _export(made: bundle.Bundle, paths: Paths) -> float:
    """Exports the graph and compares it with the eager network on validation rows: one alone, and many."""
    from headrace.models.network import load_network
    from headrace.quantization.onnx_export import export_graph, max_output_difference
    from headrace.tasks import TASKS

    network, spec = load_network(made), made.spec
    export_graph(
        network,
        made.folder / bundle.GRAPH,
        input_shape=spec.input_shape,
        modality=spec.modality,
        output_name=TASKS[spec.task].outputs,
    )
    graph, rows = made.graph(), open_arrays(paths.normalized_dir / "val").inputs[:ROWS_COMPARED]
    scale = made.card.transform["target"]["std"] if spec.task == "regression" else 1.0
    difference = max(max_output_difference(network, graph, part, scale) for part in (rows, rows[:1]))
    if difference > LARGEST_DIFFERENCE:
        raise DataError(
            f"{made.folder}: the exported graph's outputs differ from the network's by {difference:.3g}; at most "
            f"{LARGEST_DIFFERENCE} is allowed; use layers that torch.onnx exports faithfully"
        )
    return difference
