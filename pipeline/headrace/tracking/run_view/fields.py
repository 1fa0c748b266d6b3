"""Parameters, metrics, tags and data of a run, from the events of the outbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.contracts import Json, Metrics
from headrace.tasks.metrics import select_summary
from headrace.tracking.names import NAME_CHARACTERS, encode_name, flatten, shorten
from headrace.tracking.uri import remove_credentials

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

COUNTING_STAGES = ("ingest", "clean", "split", "normalize")
"""Stages whose metrics count rows and columns: a tag each, since nobody draws or sorts them."""
AFTER_TRAINING = ("validate", "quantize", "test", "explain", "register")
"""Stages that run any number of times on one training."""
TRAIN = "train"
TRAINING_ID = "headrace.training_id"
DATASET_CONTEXTS = {"normalized": "training", "raw": "source"}
"""Folder below `data/` -> what the run did with it; MLflow shows the first in its table."""
DIGEST_CHARACTERS = 36
"""MLflow's limit, and the length of DVC's hash of a folder."""


def make_params(settings: Mapping[str, Json]) -> dict[str, str]:
    """Returns parameters as MLflow accepts them, from sections of settings.

    Those of `train` have no prefix: runs of earlier versions have only them.
    """
    return {
        encode_name(name if section == TRAIN else f"{section}.{name}"): shorten(value)
        for section, values in settings.items()
        for name, value in flatten(values)
    }


def make_tags(card: Json) -> dict[str, str]:
    """Returns the tags of a training's run: its origin, and the experiment of `dvc exp run`."""
    lineage = card["lineage"]
    return {
        TRAINING_ID: card["training_id"],
        "mlflow.source.name": "headrace train",
        "headrace.code": lineage.get("code", ""),
        "mlflow.source.git.commit": lineage.get("git_commit", ""),
        "headrace.git_dirty": str(lineage.get("git_dirty", "")).lower(),
        **{f"headrace.data.{name}": value for name, value in lineage.get("data", {}).items()},
        "headrace.python": lineage.get("python", ""),
        **({"dvc.experiment": card["experiment"]} if card.get("experiment") else {}),
    }


def name_metrics(stage: str, metrics: Metrics) -> Metrics:
    """Returns the metrics of a stage under their names in MLflow, the first to sort by among them as `val/accuracy`."""
    if stage in COUNTING_STAGES:
        return {}
    return {f"{stage}/{name}": value for name, value in metrics.items()} | select_summary(stage, metrics)


def describe_counts(metrics: Metrics) -> str:
    """Returns the counts of a stage that are not zero, in one line."""
    counts = {name: value for name, value in metrics.items() if value}
    return ", ".join(f"{name} {value:.4g}" if value % 1 else f"{name} {value:.0f}" for name, value in counts.items())


def make_datasets(card: Json) -> list[DatasetInput]:
    """Returns the data of a training by DVC's hashes; empty if DVC did not run the stages."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    hashes, source = card["lineage"].get("data", {}), remove_credentials(card.get("source", ""))
    names = {"raw": source.rstrip("/").rpartition("/")[2] or "data/raw", "normalized": "data/normalized"}
    origins = {"raw": {"source": source}, "normalized": {}}
    return [
        DatasetInput(
            Dataset(
                names[part][:NAME_CHARACTERS],
                hashes[part][:DIGEST_CHARACTERS],
                "dvc",
                json.dumps({"path": f"data/{part}", **origins[part]}),
            ),
            [InputTag("mlflow.data.context", context)],
        )
        for part, context in DATASET_CONTEXTS.items()
        if hashes.get(part)
    ]
