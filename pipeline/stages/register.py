"""Register: all -> a version in the MLflow registry, registered.json. Champion only if significantly not worse."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.config import Section
from pipeline.contracts import Json, Metrics
from pipeline.paths import Paths
from pipeline.stages import STAGES
from pipeline.storage import bundle
from pipeline.storage.atomic import write_json

if TYPE_CHECKING:
    from pipeline.evaluation.comparison import Comparison

logger = logging.getLogger(__name__)


class Config(Section):
    """The section `register`."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[^/:]+$")] = "headrace"
    """Name of the model in the registry, without / and :."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Test accuracy in [0, 1] that a new champion may lose at most against the old one (at 95 %)."""


def run(config: Config, paths: Paths) -> Metrics:
    """Registers the model that quantize kept (int8), or the float32 one where none was; raises TrackingError."""
    from pipeline.tracking import registry, runs

    run_id = runs.complete(paths, STAGES[:-1])
    made = bundle.read_bundle(paths.trained_dir)
    int8 = paths.quantized_dir / bundle.GRAPH
    precision = "int8" if int8.is_file() else "float32"
    graph = int8 if int8.is_file() else paths.trained_dir / bundle.GRAPH
    candidate = registry.Candidate(
        config.name, run_id, graph, _served_card(made, paths), _example(paths), _tags(made.card, precision, paths)
    )
    reigning = registry.champion(paths, config.name)
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
    if found:
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


def _served_card(made: bundle.Bundle, paths: Paths) -> Json:
    validated = json.loads(paths.metrics_path("validate").read_bytes())
    return {
        "classes": made.spec.classes,
        "input_shape": made.spec.input_shape,
        "resize": made.card.transform["resize"],
        "temperature": validated["temperature"],
        "training_id": made.card.training_id,
    }


def _tags(card: bundle.Card, precision: str, paths: Paths) -> dict[str, str]:
    """What a version says of its origin, beside its run."""
    tested = json.loads(paths.metrics_path("test").read_bytes())
    figures = {f"test.{name}": f"{tested[name]:.4f}" for name in ("accuracy", "accuracy_low", "accuracy_high")}
    data = {f"data.{name}": value for name, value in card.lineage.get("data", {}).items()}
    return {
        "training_id": card.training_id,
        "precision": precision,
        "git_commit": card.lineage.get("git_commit", ""),
        **data,
        **figures,
    }


def _example(paths: Paths) -> bytes:
    """A validation row as a PNG."""
    import io

    import numpy as np
    from PIL import Image

    from pipeline.storage.arrays import open_arrays

    pixels = np.array(open_arrays(paths.normalized_dir / "val").inputs[0])
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _compare(paths: Paths, champion_run_id: str) -> Comparison | None:
    """Champion against challenger from the predictions that each left on its test rows: no new look at them."""
    from pipeline.tracking.registry import test_predictions

    theirs_path = test_predictions(paths, champion_run_id)
    if theirs_path is None:
        logger.warning("registry: the champion's run %s keeps no test predictions; it is not compared", champion_run_id)
        return None
    return compare_files(theirs_path, paths.report_dir("test") / "predictions.parquet")


def compare_files(champion_path: Path, challenger_path: Path) -> Comparison:
    """Pairs two tables of predictions by row id; unpaired where they share no row."""
    import pyarrow.parquet as pq

    from pipeline.evaluation.comparison import compare_paired, compare_unpaired

    columns = ["row_id", "correct"]
    theirs, ours = (pq.read_table(path, columns=columns) for path in (champion_path, challenger_path))
    both = theirs.rename_columns(["row_id", "champion"]).join(ours, "row_id", join_type="inner")
    if both.num_rows:
        return compare_paired(both["champion"].to_numpy(), both["correct"].to_numpy())
    return compare_unpaired(theirs["correct"].to_numpy(), ours["correct"].to_numpy())
