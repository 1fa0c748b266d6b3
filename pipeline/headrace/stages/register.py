"""Register: all -> a version in the MLflow registry, registered.json. Champion only if significantly not worse."""

from __future__ import annotations

import json
import logging
from math import isfinite
from pathlib import Path

from headrace.contracts import Metrics
from headrace.evaluation.comparison import Comparison, compare_prediction_files
from headrace.paths import Paths
from headrace.settings.register import Config
from headrace.stages import STAGES
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.storage.bundle import GRAPH, read_bundle
from headrace.tracking import registry
from headrace.tracking.registry import Candidate, make_version_tags
from headrace.tracking.runs import sync_run_from_files
from headrace.tracking.serving_package import make_card, make_input_example

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Registers the int8 model if `quantize` selected one, or else the float32 one; raises TrackingError."""
    run_id = sync_run_from_files(paths, STAGES[:-1])
    candidate = _make_candidate(config, paths, run_id)
    champion = registry.find_champion(paths, config.name)
    number = int(registry.register_version(paths, candidate).version)
    registry.set_alias(paths, config.name, registry.CHALLENGER, number)
    comparison = _compare(paths, champion.run_id) if champion else None
    is_champion = comparison is None or comparison.is_not_worse(config.margin)
    if is_champion:
        registry.set_alias(paths, config.name, registry.CHAMPION, number)
    precision = candidate.tags["precision"]
    version = {
        "name": config.name,
        "version": number,
        "uri": f"models:/{config.name}/{number}",
        "run_id": run_id,
        "precision": precision,
        "aliases": [registry.CHALLENGER, *([registry.CHAMPION] if is_champion else [])],
    }
    write_json(paths.registered_path, version)
    metrics: Metrics = {"version": number, "is_champion": int(is_champion), "int8": int(precision == "int8")}
    if comparison and isfinite(comparison.upper_bound):  # JSON has no infinity
        metrics |= {"champion_difference": comparison.difference, "champion_bound": comparison.upper_bound}
    return metrics


def _make_candidate(config: Config, paths: Paths, run_id: str) -> Candidate:
    bundle = read_bundle(paths.trained_dir)
    int8_path = paths.quantized_dir / GRAPH
    is_int8 = int8_path.is_file()
    validated, tested = (json.loads(paths.metrics_path(stage).read_bytes()) for stage in ("validate", "test"))
    return Candidate(
        config.name,
        run_id,
        bundle,
        graph=int8_path if is_int8 else paths.trained_dir / GRAPH,
        card=make_card(bundle, validated),
        example=make_input_example(bundle, open_arrays(paths.normalized_dir / "val").inputs),
        tags=make_version_tags(bundle, "int8" if is_int8 else "float32", tested),
    )


def _compare(paths: Paths, champion_run_id: str) -> Comparison | None:
    """Compares the champion with the challenger by the predictions that each stored for its test rows."""
    champion_path: Path | None = registry.download_test_predictions(paths, champion_run_id)
    if champion_path is None:
        logger.warning(
            "registry: the champion's run %s has no test predictions; the models are not compared", champion_run_id
        )
        return None
    return compare_prediction_files(champion_path, paths.report_dir("test") / "predictions.parquet")
