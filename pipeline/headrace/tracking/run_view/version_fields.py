"""What a version shows in MLflow: all settings, and in which of them it differs from the version before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.config import read_params
from headrace.contracts import Json
from headrace.paths import Paths
from headrace.tracking.client import NOT_FOUND
from headrace.tracking.names import shorten
from headrace.tracking.run_view.fields import TRAIN, make_params
from headrace.tracking.run_view.run_name import describe_difference

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHANGED = "changed"
"""Tag of a version."""


def collect_params(paths: Paths, train_settings: Json) -> dict[str, str]:
    """Returns the settings of `params.yaml` as parameters; those of `train` with their defaults and `auto` resolved."""
    sections = read_params(paths.params_path) if paths.params_path.is_file() else {}
    given = {name: values for name, values in sections.items() if isinstance(values, dict)}
    return make_params({**given, TRAIN: train_settings})


def describe_changes(client: MlflowClient, model_id_before: str, params: Mapping[str, str]) -> dict[str, str]:
    """Returns the tag with the settings that differ from those of an earlier model; empty if that has none."""
    from mlflow.exceptions import MlflowException

    try:
        before = client.get_logged_model(model_id_before).params if model_id_before else {}
    except MlflowException as error:
        if error.error_code in NOT_FOUND:
            return {}
        raise
    changes = describe_difference(before, params) if before else ""
    return {CHANGED: shorten(changes)} if changes else {}
