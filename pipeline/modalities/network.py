"""Whole networks: preprocessing and model in one, from raw stored inputs to outputs: served as trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from pipeline.contracts import Json, Spec
from pipeline.modalities.image.preprocess import ImagePreprocess
from pipeline.models import find_model
from pipeline.tasks import TASKS

if TYPE_CHECKING:
    from pipeline.storage.bundle import Bundle

PREPROCESSORS: dict[str, Callable[[Json], nn.Module]] = {"image": ImagePreprocess}


def build_network(model: Json, spec: Spec, transform: Json) -> nn.Sequential:
    """Preprocessing, then the model with fresh weights; raises ConfigError when they do not fit together."""
    network = find_model(model, "params.yaml: train.model").build(spec.input_shape, TASKS[spec.task].num_outputs(spec))
    return nn.Sequential(PREPROCESSORS[spec.modality](transform), network)


def load_network(bundle: Bundle) -> nn.Sequential:
    """The eager network of a bundle, with its weights, in evaluation mode."""
    network = build_network(bundle.card.model, bundle.spec, bundle.card.transform)
    network.load_state_dict(bundle.weights())
    return network.eval()
