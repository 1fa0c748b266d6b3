"""Register: all -> a version in the MLflow registry, registered.json. Champion only if significantly not worse."""

from __future__ import annotations

import json
import logging
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from headrace.contracts import Json, Metrics
from headrace.evaluation.comparison import Comparison, compare_prediction_files
from headrace.evaluation.drift import summarize_answers, summarize_rows
from headrace.paths import Paths
from headrace.quantization.selected import read_selected_graph
from headrace.settings.register import Config
from headrace.stages import STAGES
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.storage.lock import wait_for_lock
from headrace.tracking.launch import wait_until_sent
from headrace.tracking.recorder import record_stages
from headrace.tracking.registry import CHALLENGER, CHAMPION, Candidate, Registry, Version, make_version_tags
from headrace.tracking.serving_package import make_card, make_input_example

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Registers the graph that `quantize` selected and `test` measured; raises TrackingError.

    After an interruption, the next call finishes the version that this one began.
    """
    record_stages(paths, STAGES[:-1])
    wait_until_sent(paths)
    with wait_for_lock(paths.outbox_dir / "registry.lock"):  # experiments of a queue may run at the same time
        return _register(config, paths, Registry(paths))


def _register(config: Config, paths: Paths, registry: Registry) -> Metrics:
    candidate = _make_candidate(config, paths, registry)
    champion = registry.find_champion(config.name)
    version = registry.register(candidate, _read_metrics(paths))
    registry.set_alias(version, CHALLENGER)
    if champion and champion.number == version.number:  # an interrupted call went this far
        is_champion, compared = True, version.comparison
    else:
        comparison = _compare(paths, registry, champion) if champion else None
        is_champion = comparison is None or comparison.is_not_worse(config.margin)
        compared = _summarize(comparison)
        registry.set_comparison(version, compared)
    if is_champion:
        registry.set_alias(version, CHAMPION)
    precision = candidate.tags["precision"]
    registered = {
        "name": config.name,
        "version": version.number,
        "uri": f"models:/{config.name}/{version.number}",
        "run_id": candidate.run_id,
        "precision": precision,
        "aliases": [CHALLENGER, *([CHAMPION] if is_champion else [])],
        "files": registry.find_local_files(version),
    }
    write_json(paths.registered_path, registered)
    return {"version": version.number, "is_champion": int(is_champion), "int8": int(precision == "int8"), **compared}


def _read_metrics(paths: Paths) -> dict[str, Metrics]:
    """The metrics of every stage before this one, which belong to the version."""
    metrics_paths = {stage: paths.metrics_path(stage) for stage in STAGES[:-1]}
    return {stage: json.loads(path.read_bytes()) for stage, path in metrics_paths.items() if path.is_file()}


def _summarize(comparison: Comparison | None) -> Metrics:
    if comparison is None or not isfinite(comparison.upper_bound):  # JSON has no infinity
        return {}
    return {"champion_difference": comparison.difference, "champion_bound": comparison.upper_bound}


def _make_candidate(config: Config, paths: Paths, registry: Registry) -> Candidate:
    bundle, selected = read_bundle(paths.trained_dir), read_selected_graph(paths)
    tested = json.loads(paths.metrics_path("test").read_bytes())
    card = make_card(bundle, selected.calibration)
    return Candidate(
        config.name,
        registry.find_run(bundle.card.training_id),
        bundle,
        graph=selected.path,
        card=card,
        example=make_input_example(bundle, open_arrays(paths.normalized_dir / "val").inputs),
        tags=make_version_tags(bundle, selected.precision, tested),
        reference=_make_reference(card, paths),
    )


def _make_reference(card: Json, paths: Paths) -> Json:
    """What `headrace predict --drift` compares new rows with."""
    answers = pq.read_table(paths.report_dir("test") / "predictions.parquet")
    columns = {"classification": {"label": "predicted", "confidence": "confidence"}}.get(card["task"], {})
    if card["task"] == "regression" and not card["targets"]:
        columns = {"prediction": "predicted"}
    return {
        "inputs": summarize_rows(open_arrays(paths.normalized_dir / "train").inputs, card),
        "answers": summarize_answers({name: answers[source].to_numpy() for name, source in columns.items()}),
    }


def _compare(paths: Paths, registry: Registry, champion: Version) -> Comparison | None:
    """Compares the champion with the challenger by the predictions that each stored for its test rows."""
    name = f"{champion.name} version {champion.number}"
    if not registry.has_files(champion):
        logger.warning(
            "registry: the champion, %s, has lost its files (its logged model was deleted), and cannot be served; give "
            "the alias champion to another version in `headrace ui`, or delete this one",
            name,
        )
    with TemporaryDirectory(prefix="headrace-") as folder:
        champion_path = registry.download_test_predictions(champion.run_id, Path(folder))
        if champion_path is None:
            logger.warning(
                "registry: the champion, %s, has no run with test predictions; the models are not compared", name
            )
            return None
        return compare_prediction_files(champion_path, paths.report_dir("test") / "predictions.parquet")
