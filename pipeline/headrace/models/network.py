"""Whole networks: preprocessing and model in one, from raw stored inputs to outputs: served as trained."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from headrace.contracts import Json, ModalityName, Spec
from headrace.data.image.preprocess import ImagePreprocess
from headrace.data.table.encoding.preprocess import TablePreprocess, feature_columns, num_features
from headrace.data.text.preprocess import TextPreprocess
from headrace.models import find_model
from headrace.tasks import TASKS

if TYPE_CHECKING:
    from headrace.storage.bundle import Bundle

PREPROCESSORS: dict[ModalityName, Callable[[Json], nn.Module]] = {
    "image": ImagePreprocess,
    "table": TablePreprocess,
    "text": TextPreprocess,
}
MODEL_SHAPES: dict[ModalityName, Callable[[Json], list[int]]] = {
    "image": lambda transform: list(transform["input_shape"]),
    "table": lambda transform: [num_features(transform)],
    "text": lambda transform: [transform["max_tokens"], transform["vocabulary"]],
}
"""Modality -> the `input_shape` that a model is built for, of `transform.json`."""


class Rescale(nn.Module):
    """Standardised outputs -> the target's own units, float32: what a regression's graph answers."""

    mean: Tensor
    std: Tensor

    def __init__(self, target: Json) -> None:
        """Takes `mean` and `std` of the train rows' targets: numbers, of several targets lists."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(target["mean"], dtype=torch.float32))
        self.register_buffer("std", torch.tensor(target["std"], dtype=torch.float32))

    def forward(self, outputs: Tensor) -> Tensor:
        """Keeps the shape."""
        return outputs.to(torch.float32) * self.std + self.mean


class TwoLogits(nn.Module):
    """One output z -> the logits -z/2 and z/2 of two classes, whose softmax is 1 - sigmoid(z) and sigmoid(z).

    Both depend on z, so that what speaks for either class can be told; of 0 and z the first would never.
    """

    def forward(self, outputs: Tensor) -> Tensor:
        """`[rows, 1]` -> `[rows, 2]`."""
        return torch.cat((outputs * -0.5, outputs * 0.5), dim=1)


def build_network(model: Json, spec: Spec, transform: Json, loss: str = "auto") -> nn.Sequential:
    """Preprocessing, then the model with fresh weights, then what makes the task's outputs of the model's, if anything.

    `loss` is `train.loss`: with bce two classes have one output. Raises ConfigError when they do not fit together.
    """
    found = find_model(model, "params.yaml: train.model", spec.modality)
    build: Callable[..., nn.Module] = found.build
    layout = {"layout": feature_columns(transform)} if _takes_layout(build) and spec.modality == "table" else {}
    network = build(MODEL_SHAPES[spec.modality](transform), TASKS[spec.task].num_outputs(spec, loss), **layout)
    return nn.Sequential(PREPROCESSORS[spec.modality](transform), network, *_last(spec, transform, loss))


def _last(spec: Spec, transform: Json, loss: str) -> list[nn.Module]:
    if spec.task == "regression":
        return [Rescale(transform["target"])]
    return [TwoLogits()] if spec.task == "classification" and loss == "bce" else []


def _takes_layout(build: Callable[..., nn.Module]) -> bool:
    return "layout" in signature(build).parameters


def load_network(bundle: Bundle) -> nn.Sequential:
    """The eager network of a bundle, with its weights, in evaluation mode."""
    card = bundle.card
    network = build_network(card.model, bundle.spec, card.transform, card.settings.get("loss", "auto"))
    network.load_state_dict(bundle.weights())
    return network.eval()
