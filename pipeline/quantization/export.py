"""Export: the eager network as an ONNX graph, checked against it."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.storage.onnx_model import OnnxModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn


def export_graph(network: nn.Module, path: Path, *, input_shape: list[int]) -> None:
    """Writes the network (uint8 `[batch, *input_shape]` -> logits) to `path`, with a free batch size.

    Raises ConfigError for a network that torch cannot export.
    """
    import torch

    example = torch.zeros((2, *input_shape), dtype=torch.uint8)
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
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["input"],
                output_names=["logits"],
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise ConfigError(
            f"params.yaml: train.model: torch cannot export this network to ONNX ({reason}); "
            f"use layers and operations that torch.onnx knows"
        ) from error


def largest_difference(network: nn.Module, graph: OnnxModel, inputs: NDArray[np.uint8]) -> float:
    """The largest absolute difference between the logits of the eager network and those of the graph."""
    import numpy as np
    import torch

    with torch.inference_mode():
        eager = network.eval()(torch.from_numpy(np.array(inputs))).numpy()
    return float(np.abs(eager - graph.predict(inputs)).max())
