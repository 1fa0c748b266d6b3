"""Export: the eager network as an ONNX graph, checked against it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import ModalityName
from headrace.errors import ConfigError
from headrace.storage.arrays import Inputs
from headrace.storage.onnx_model import OnnxModel

if TYPE_CHECKING:
    from torch import Tensor, nn

EXPORTER = ("onnxscript.function_libs.torch_lib.ops", "torch.onnx._internal.exporter._compat", "torch.export._trace")
"""What torch.onnx.export imports when it is first called, two seconds of work; for who has time to do so ahead."""
ROWS_OF_EXAMPLE, MOST_TOKENS_OF_EXAMPLE = 2, 16


def export_graph(
    network: nn.Module,
    path: Path,
    *,
    input_shape: list[int],
    modality: ModalityName = "image",
    output_name: str = "logits",
) -> None:
    """Writes the network (stored inputs `[batch, *input_shape]` -> outputs) to `path`, with a free batch size.

    Text (int32 `[batch, tokens]`) has a free number of tokens too, from 1 to `input_shape[0]`. Raises ConfigError for
    a network that torch cannot export.
    """
    import torch

    example, free = _example(input_shape, modality)
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(),
                (example,),
                path,
                dynamo=True,
                verbose=False,
                external_data=False,
                dynamic_shapes=(free,),
                input_names=["input"],
                output_names=[output_name],
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise ConfigError(
            f"params.yaml: train.model: torch cannot export this network to ONNX ({reason}); "
            f"use layers and operations that torch.onnx knows"
        ) from error


def _example(input_shape: list[int], modality: ModalityName) -> tuple[Tensor, dict[int, Any]]:
    """Inputs of the stored kind, and which of their sizes are free."""
    import torch
    from torch.export import Dim

    batch = Dim("batch")
    if modality == "image":
        return torch.zeros((ROWS_OF_EXAMPLE, *input_shape), dtype=torch.uint8), {0: batch}
    if modality == "table":
        return torch.zeros((ROWS_OF_EXAMPLE, *input_shape), dtype=torch.float32), {0: batch}
    most = input_shape[0]
    ids = torch.ones((ROWS_OF_EXAMPLE, min(most, MOST_TOKENS_OF_EXAMPLE)), dtype=torch.int32)
    # a size of 1 would be taken for a fixed one
    return ids, {0: batch, 1: Dim("tokens", max=most)} if most > 1 else {0: batch}


def largest_difference(
    network: nn.Module, graph: OnnxModel, inputs: Inputs, scale: float | Sequence[float] = 1.0
) -> float:
    """The largest absolute difference between the outputs of the eager network and those of the graph.

    In units of `scale`, one for all outputs or one each.
    """
    import torch

    with torch.inference_mode():
        eager = network.eval()(torch.from_numpy(np.array(inputs[:]))).numpy()
    return float((np.abs(eager - graph.predict(inputs)) / np.asarray(scale)).max())
