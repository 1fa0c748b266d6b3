"""Register: all -> a version in the MLflow registry, registered.json. Champion only if significantly not worse."""

from __future__ import annotations

import json
import logging
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow.parquet as pq
from pydantic import Field

from headrace.config import Section
from headrace.contracts import Json, Metrics
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage import bundle
from headrace.storage.atomic import write_json

if TYPE_CHECKING:
    from headrace.evaluation.comparison import Comparison
    from headrace.tracking.registry import Candidate

logger = logging.getLogger(__name__)
FIGURES = {
    "classification": {"accuracy": ".4f", "accuracy_low": ".4f", "accuracy_high": ".4f"},
    "multilabel": {"micro_f1": ".4f", "accuracy": ".4f", "accuracy_low": ".4f", "accuracy_high": ".4f"},
    "regression": {"rmse": ".6g", "rmse_low": ".6g", "rmse_high": ".6g", "r2": ".4f"},
}
"""Task -> the test figures that a version tells, and how."""


class Config(Section):
    """The section `register`."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[^/:]+$")] = "headrace"
    """Name of the model in the registry, without / and :."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """What a new champion may lose at most against the old one (at 95 %): test accuracy in [0, 1], or of a regression
    the share by which its mean absolute error may be larger, or with several labels a row that of the wrong ones."""


def run(config: Config, paths: Paths) -> Metrics:
    """Registers the model that quantize kept (int8), or the float32 one where none was; raises TrackingError."""
    from headrace.tracking import registry, runs

    run_id = runs.sync_run_from_files(paths, STAGES[:-1])
    made = bundle.read_bundle(paths.trained_dir)
    int8 = paths.quantized_dir / bundle.GRAPH
    precision = "int8" if int8.is_file() else "float32"
    graph = int8 if int8.is_file() else paths.trained_dir / bundle.GRAPH
    candidate = _candidate(config, paths, made, run_id=run_id, graph=graph, tags=_tags(made, precision, paths))
    reigning = registry.find_champion(paths, config.name)
    version = registry.register_version(paths, candidate)
    registry.set_alias(paths, config.name, registry.CHALLENGER, int(version.version))
    found = _compare(paths, reigning.run_id) if reigning else None
    is_champion = found is None or found.is_not_worse(config.margin)
    if is_champion:
        registry.set_alias(paths, config.name, registry.CHAMPION, int(version.version))
    write_json(paths.registered_path, _registered(config, version, run_id, precision, is_champion=is_champion))
    metrics: Metrics = {
        "version": int(version.version),
        "is_champion": int(is_champion),
        "int8": int(precision == "int8"),
    }
    if found and isfinite(found.upper_bound):  # JSON has no infinity
        metrics |= {"champion_difference": found.difference, "champion_bound": found.upper_bound}
    return metrics


def _registered(config: Config, version: object, run_id: str, precision: str, *, is_champion: bool) -> Json:
    number = int(getattr(version, "version"))  # noqa: B009 mlflow ships no types
    return {
        "name": config.name,
        "version": number,
        "uri": f"models:/{config.name}/{number}",
        "run_id": run_id,
        "precision": precision,
        "aliases": ["challenger", *(["champion"] if is_champion else [])],
    }


def _candidate(
    config: Config, paths: Paths, made: bundle.Bundle, *, run_id: str, graph: Path, tags: dict[str, str]
) -> Candidate:
    from headrace.storage.arrays import open_arrays
    from headrace.tracking import registry, serving_package

    card = serving_package.make_card(made, json.loads(paths.metrics_path("validate").read_bytes()))
    example = serving_package.make_input_example(made, open_arrays(paths.normalized_dir / "val").inputs)
    return registry.Candidate(config.name, run_id, made, graph=graph, card=card, example=example, tags=tags)


def _tags(made: bundle.Bundle, precision: str, paths: Paths) -> dict[str, str]:
    """What a version says of its origin, beside its run."""
    card, tested = made.card, json.loads(paths.metrics_path("test").read_bytes())
    figures = {f"test.{name}": f"{tested[name]:{form}}" for name, form in FIGURES[made.spec.task].items()}
    data = {f"data.{name}": value for name, value in card.lineage.get("data", {}).items()}
    return {
        "training_id": card.training_id,
        "precision": precision,
        "git_commit": card.lineage.get("git_commit", ""),
        **data,
        **figures,
        **{f"privacy.{name}": str(value) for name, value in card.lineage.get("privacy", {}).items()},
    }


def _compare(paths: Paths, champion_run_id: str) -> Comparison | None:
    """Champion against challenger from the predictions that each left on its test rows: no new look at them."""
    from headrace.tracking.registry import download_test_predictions

    theirs_path = download_test_predictions(paths, champion_run_id)
    if theirs_path is None:
        logger.warning("registry: the champion's run %s keeps no test predictions; it is not compared", champion_run_id)
        return None
    return compare_files(theirs_path, paths.report_dir("test") / "predictions.parquet")


def compare_files(champion_path: Path, challenger_path: Path) -> Comparison | None:
    """Pairs two tables of predictions by row id; unpaired where they share no row; None for models of another task."""
    from headrace.evaluation import comparison

    theirs, ours = (pq.read_table(path) for path in (champion_path, challenger_path))
    column = next(name for name in comparison.COMPARISONS if name in ours.column_names)
    if column not in theirs.column_names:
        logger.warning("registry: the champion was asked for something else (no column %s); it is not compared", column)
        return None
    theirs, ours = (table.select(["row_id", column]) for table in (theirs, ours))
    both = theirs.rename_columns(["row_id", "champion"]).join(ours, "row_id", join_type="inner")
    paired, unpaired = comparison.COMPARISONS[column]
    if both.num_rows:
        return paired(both["champion"].to_numpy(), both[column].to_numpy())
    return unpaired(theirs[column].to_numpy(), ours[column].to_numpy())
