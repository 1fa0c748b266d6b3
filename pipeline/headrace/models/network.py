"""The network as trained and served: preprocessing, model and output layer, from stored inputs to outputs."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import torch
from torch import Tensor, nn

from headrace.contracts import Json, ModalityName, Spec
from headrace.data.image.preprocess import ImagePreprocess
from headrace.data.table.encoding.preprocess import TablePreprocess, count_features, feature_columns
from headrace.data.text.preprocess import TextPreprocess
from headrace.models import find_model
from headrace.storage.bundle import Bundle
from headrace.tasks import TASKS

PREPROCESSORS: dict[ModalityName, Callable[[Json], nn.Module]] = {
    "image": ImagePreprocess,
    "table": TablePreprocess,
    "text": TextPreprocess,
}
MODEL_INPUT_SHAPES: dict[ModalityName, Callable[[Json], list[int]]] = {
    "image": lambda transform: list(transform["input_shape"]),
    "table": lambda transform: [count_features(transform)],
    "text": lambda transform: [transform["max_tokens"], transform["vocabulary"]],
}
"""Modality -> content of `transform.json` -> the `input_shape` that a model is built for."""


class Rescale(nn.Module):
    """Converts the standardized outputs of a regression to the target's unit, in float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, target: Json) -> None:
        """`target` holds `mean` and `std` of the train rows' targets: numbers, or lists for several targets."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(target["mean"], dtype=torch.float32))
        self.register_buffer("std", torch.tensor(target["std"], dtype=torch.float32))

    def forward(self, outputs: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return outputs.to(torch.float32) * self.std + self.mean


class BinaryLogits(nn.Module):
    """One output z -> the logits -z/2 and z/2 of two classes, whose softmax is 1 - sigmoid(z) and sigmoid(z).

    Both depend on z, so that either can be explained; with 0 and z the first could not.
    """

    def forward(self, outputs: Tensor) -> Tensor:
        """`[rows, 1]` -> `[rows, 2]`."""
        return torch.cat((outputs * -0.5, outputs * 0.5), dim=1)


def build_network(model: Json, spec: Spec, transform: Json, loss: str = "auto") -> nn.Sequential:
    """Builds the preprocessing, the model with new weights, and a layer that converts its outputs if necessary.

    `loss` is `train.loss`; with bce, two classes have a single output. Raises ConfigError if the settings do not fit
    together.
    """
    build: Callable[..., nn.Module] = find_model(model, "params.yaml: train.model", spec.modality).build
    has_layout = spec.modality == "table" and "layout" in signature(build).parameters
    layout = {"layout": feature_columns(transform)} if has_layout else {}
    network = build(MODEL_INPUT_SHAPES[spec.modality](transform), TASKS[spec.task].num_outputs(spec, loss), **layout)
    return nn.Sequential(PREPROCESSORS[spec.modality](transform), network, *_output_layers(spec, transform, loss))


def load_network(bundle: Bundle) -> nn.Sequential:
    """Builds the network of a bundle with its weights, in evaluation mode."""
    card = bundle.card
    network = build_network(card.model, bundle.spec, card.transform, card.settings.get("loss", "auto"))
    network.load_state_dict(bundle.weights())
    return network.eval()


def _output_layers(spec: Spec, transform: Json, loss: str) -> list[nn.Module]:
    if spec.task == "regression":
        return [Rescale(transform["target"])]
    return [BinaryLogits()] if spec.task == "classification" and loss == "bce" else []
