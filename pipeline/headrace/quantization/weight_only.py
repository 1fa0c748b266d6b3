"""Weights as 8-bit integers; everything is computed in float32.

ONNX Runtime turns the weights back into float32 when it loads the graph, so that the file is about a quarter as large
and every row is answered as by the float32 graph of these weights: alone or beside any others, on any processor.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_WEIGHTS = 256
"""Smaller weights would take more bytes for their scales and nodes than they save."""
LEVELS = 127


def quantize_weights(graph_path: Path, path: Path, *, exclude: Collection[str] = ()) -> int:
    """Writes the graph with int8 weights, symmetric with one scale for each output channel; returns their number.

    Weights of fewer than MIN_WEIGHTS values, and those of nodes named in `exclude`, stay in float32.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(graph_path)
    graph = model.graph
    axes, nodes = _find_channel_axes(graph), []
    excluded = {name for node in graph.node if node.name in exclude for name in node.input}
    for tensor in list(graph.initializer):
        if tensor.name not in axes or tensor.name in excluded or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        weights = numpy_helper.to_array(tensor)
        if weights.size < MIN_WEIGHTS:
            continue
        integers, scale = _quantize(weights, axes[tensor.name])
        names = [f"{tensor.name}_{part}" for part in ("int8", "scale", "float")]
        graph.initializer.remove(tensor)
        graph.initializer.extend(numpy_helper.from_array(*pair) for pair in zip((integers, scale), names, strict=False))
        # not DequantizeLinear, which ONNX Runtime computes at every run instead of once
        nodes += [
            helper.make_node("Cast", [names[0]], [names[2]], name=f"{tensor.name}_cast", to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [names[2], names[1]], [tensor.name], name=f"{tensor.name}_mul"),
        ]
    for index, node in enumerate(nodes):
        graph.node.insert(index, node)
    onnx.save(model, path)
    return len(nodes) // 2


def find_weight_nodes(graph_path: Path) -> dict[str, str]:
    """Returns the operator by name of each node whose weights `quantize_weights` can quantize, in the graph's order."""
    import onnx

    graph = onnx.load(graph_path).graph
    weights = {
        tensor.name
        for tensor in graph.initializer
        if np.prod(tensor.dims) >= MIN_WEIGHTS and tensor.data_type == onnx.TensorProto.FLOAT
    } & set(_find_channel_axes(graph))
    return {node.name: node.op_type for node in graph.node if weights & set(node.input)}


def _quantize(weights: NDArray[np.float32], axes: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    others = tuple(axis for axis in range(weights.ndim) if axis not in axes)
    scale = np.maximum(np.abs(weights).max(axis=others, keepdims=True), np.finfo(np.float32).tiny) / LEVELS
    return np.rint(weights / scale).astype(np.int8), scale.astype(np.float32)


def _find_channel_axes(graph: Any) -> dict[str, tuple[int, ...]]:
    """Name of an initializer that is a weight -> the axes of its output channels."""
    dims = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    axes: dict[str, tuple[int, ...]] = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            if dims.get(name, 0) > 1 and (channels := _channels(node, position, dims[name])) is not None:
                axes.setdefault(name, channels)
    return axes


def _channels(node: Any, position: int, num_dims: int) -> tuple[int, ...] | None:
    """The axes of the output channels of a node's input; None for an input that is no weight."""
    if node.op_type == "Gather" and position == 0:
        return (0,)
    if node.op_type in {"LSTM", "GRU", "RNN"} and position in {1, 2}:  # [directions, gates * hidden, inputs]
        return (0, 1)
    if node.op_type == "MatMul":
        return (num_dims - 1,) if position == 1 else (num_dims - 2,)
    if position != 1:
        return None
    if node.op_type == "Gemm":
        is_transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return (0,) if is_transposed else (1,)
    return {"Conv": (0,), "ConvTranspose": (1,)}.get(node.op_type)
