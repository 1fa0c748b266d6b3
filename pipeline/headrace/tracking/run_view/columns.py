"""The view of a project's runs in MLflow's pages: those for training, with the columns to compare first."""

from __future__ import annotations

import json

from headrace.tasks.metrics import SUMMARIES

VIEW = "headrace"
"""Name of the view, in the address of the page."""
KIND_TAG, VIEW_TAG = "mlflow.experimentKind", f"mlflow.sharedViewState.{VIEW}"
"""Tags of an experiment that MLflow's pages read: the second is what their button `Share` stores."""
METRICS = [f"{prefix}/{name}" for prefix, names in reversed(SUMMARIES.values()) for name in names]
PARAMS = ("model.name", "learning_rate", "batch_size", "max_epochs")
TAGS = ("clean", "changed.quantize")


def make_view_tags() -> dict[str, str]:
    """Returns the tags of an experiment; a column that no run has is not shown."""
    columns = [
        "attributes.`Dataset`",
        *(f"metrics.`{name}`" for name in METRICS),
        *(f"params.`{name}`" for name in PARAMS),
        *(f"tags.`{name}`" for name in TAGS),
    ]
    return {KIND_TAG: "custom_model_development", VIEW_TAG: json.dumps({"selectedColumns": columns})}


def make_runs_path(experiment_id: str, tags: dict[str, str]) -> str:
    """Returns the path of the page with the runs of an experiment."""
    view = f"&viewStateShareKey={VIEW}" if VIEW_TAG in tags else ""
    # without `/runs`, MLflow goes there itself, and forgets the view
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning{view}"
