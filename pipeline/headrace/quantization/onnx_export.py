"""Export of a network to an ONNX graph, and the comparison of their outputs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import ModalityName
from headrace.errors import ConfigError, DataError
from headrace.storage.arrays import Inputs
from headrace.storage.bundle import GRAPH, Bundle
from headrace.storage.onnx_model import OnnxModel
from headrace.tasks import TASKS

if TYPE_CHECKING:
    from torch import Tensor, nn

EXPORTER_MODULES = (
    "onnxscript.function_libs.torch_lib.ops",
    "torch.onnx._internal.exporter._compat",
    "torch.export._trace",
)
"""Modules that the first call of torch.onnx.export imports, which takes two seconds; they can be preloaded."""
EXAMPLE_ROWS, MAX_EXAMPLE_TOKENS = 2, 16
MAX_EXPORT_DIFFERENCE = 1e-2
"""Float32 sums in another order differ by about 1e-5."""


def export_graph(
    network: nn.Module,
    path: Path,
    *,
    input_shape: list[int],
    modality: ModalityName = "image",
    output_name: str = "logits",
) -> None:
    """Writes the network (stored inputs `[batch, *input_shape]` -> outputs) to `path`, with a dynamic batch size.

    For text (int32 `[batch, tokens]`) the number of tokens is dynamic too, from 1 to `input_shape[0]`. Raises
    ConfigError for a network that torch cannot export.
    """
    import torch

    example, dynamic_shapes = _make_example(input_shape, modality)
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
                dynamic_shapes=(dynamic_shapes,),
                input_names=["input"],
                output_names=[output_name],
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise ConfigError(
            f"params.yaml: train.model: torch cannot export this network to ONNX ({reason}); "
            f"use layers and operations that torch.onnx supports"
        ) from error
    _strip_metadata(path)


def _strip_metadata(path: Path) -> None:
    """Removes the exporter's stack traces, which name folders of this machine and may be larger than the weights."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for holder in (model, graph, *graph.node, *values):
        del holder.metadata_props[:]
        holder.doc_string = ""
    onnx.save(model, path)


def export_bundle(bundle: Bundle, rows: Inputs) -> float:
    """Exports a bundle's network; returns the largest difference between both outputs for `rows`, together and alone.

    For a regression in standard deviations of the target. Raises DataError above MAX_EXPORT_DIFFERENCE.
    """
    from headrace.models.network import load_network

    network, spec = load_network(bundle), bundle.spec
    output_name = TASKS[spec.task].outputs
    path = bundle.folder / GRAPH
    export_graph(network, path, input_shape=spec.input_shape, modality=spec.modality, output_name=output_name)
    scale = bundle.card.transform["target"]["std"] if spec.task == "regression" else 1.0
    difference = max(max_output_difference(network, bundle.graph(), part, scale) for part in (rows, rows[:1]))
    if difference > MAX_EXPORT_DIFFERENCE:
        raise DataError(
            f"{bundle.folder}: the exported graph's outputs differ from the network's by {difference:.3g}; at most "
            f"{MAX_EXPORT_DIFFERENCE} is allowed; use layers that torch.onnx exports faithfully"
        )
    return difference


def max_output_difference(
    network: nn.Module, graph: OnnxModel, inputs: Inputs, scale: float | Sequence[float] = 1.0
) -> float:
    """The largest absolute difference between the outputs of the eager network and those of the graph.

    `scale` is the unit of the difference: one for all outputs, or one per output.
    """
    import torch

    with torch.inference_mode():
        eager = network.eval()(torch.from_numpy(np.array(inputs[:]))).numpy()
    return float((np.abs(eager - graph.predict(inputs)) / np.asarray(scale)).max())


def _make_example(input_shape: list[int], modality: ModalityName) -> tuple[Tensor, dict[int, Any]]:
    """Example inputs of the stored type, and their dynamic dimensions."""
    import torch
    from torch.export import Dim

    batch = Dim("batch")
    if modality == "image":
        return torch.zeros((EXAMPLE_ROWS, *input_shape), dtype=torch.uint8), {0: batch}
    if modality == "table":
        return torch.zeros((EXAMPLE_ROWS, *input_shape), dtype=torch.float32), {0: batch}
    max_tokens = input_shape[0]
    ids = torch.ones((EXAMPLE_ROWS, min(max_tokens, MAX_EXAMPLE_TOKENS)), dtype=torch.int32)
    # torch would treat a size of 1 as static
    return ids, {0: batch, 1: Dim("tokens", max=max_tokens)} if max_tokens > 1 else {0: batch}
