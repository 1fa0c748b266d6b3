"""The network as trained and served: preprocessing, model and output layer, from stored inputs to outputs."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import torch
from torch import Tensor, nn

from headrace.contracts import Json, ModalityName, Spec
from headrace.data.image.preprocess import ImagePreprocess
from headrace.data.table.encoding.decode import tokens_by_column
from headrace.data.table.encoding.preprocess import TablePreprocess, count_features, feature_columns
from headrace.data.text.preprocess import TextPreprocess
from headrace.models import find_model, find_text_encoder
from headrace.models.text_columns import TextColumns
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
"""Modality -> content of `transform.json` -> the `input_shape` that a model is built for, without text columns."""
WHERE = "params.yaml: train.model"


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
    build: Callable[..., nn.Module] = find_model(model, WHERE, spec.modality).build
    num_outputs = TASKS[spec.task].num_outputs(spec, loss)
    if spec.modality == "table":
        network = _build_table_model(build, model, transform, num_outputs)
    else:
        network = build(MODEL_INPUT_SHAPES[spec.modality](transform), num_outputs)
    return nn.Sequential(PREPROCESSORS[spec.modality](transform), network, *_output_layers(spec, transform, loss))


def _build_table_model(build: Callable[..., nn.Module], model: Json, transform: Json, num_outputs: int) -> nn.Module:
    """Builds the model for the features of a table, with an encoder before it if columns have texts."""
    (num_features,), layout = MODEL_INPUT_SHAPES["table"](transform), feature_columns(transform)
    texts = list(tokens_by_column(transform).values())
    encoder = find_text_encoder(model, WHERE) if texts else None
    if encoder:
        layout += [indices[0] for indices in texts for _ in range(encoder.width)]
    options = {"layout": layout} if "layout" in signature(build).parameters else {}
    if not encoder:
        return build([num_features], num_outputs, **options)
    max_tokens = [len(indices) for indices in texts]
    return TextColumns(
        encoder.build([max(max_tokens), transform["vocabulary"]], encoder.width),
        build([num_features + len(texts) * encoder.width], num_outputs, **options),
        num_features=num_features,
        max_tokens=max_tokens,
    )


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
