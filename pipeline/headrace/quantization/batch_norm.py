"""Batch norms that no convolution precedes, as in pre-activated residual networks, become convolutions themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

NUM_IMAGE_DIMS = 4  # batch, channels, height, width
DEFAULT_EPSILON = 1e-5  # of ONNX


def convert_batch_norms(model: Any) -> int:
    """Turns batch norms of images into depthwise 1x1 convolutions, in place; returns their number.

    ONNX Runtime fuses a batch norm into the convolution before it, and leaves the others in float32 between quantized
    neighbors, with conversions and transpositions on both sides. A convolution is quantized, with a scale per channel.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    dims = {value.name: len(value.type.tensor_type.shape.dim) for value in graph.value_info}
    num_converted = 0
    for index, node in enumerate(list(graph.node)):
        is_of_images = node.op_type == "BatchNormalization" and dims.get(node.input[0]) == NUM_IMAGE_DIMS
        if not is_of_images or not set(node.input[1:]) <= tensors.keys():
            continue
        scale, shift, mean, variance = (numpy_helper.to_array(tensors[name]).astype(float) for name in node.input[1:])
        epsilon = next((each.f for each in node.attribute if each.name == "epsilon"), DEFAULT_EPSILON)
        weight = scale / np.sqrt(variance + epsilon)
        names = [f"{node.output[0]}_{part}" for part in ("weight", "bias")]
        values = weight.reshape(-1, 1, 1, 1), shift - mean * weight
        graph.initializer.extend(
            numpy_helper.from_array(value.astype(np.float32), name) for value, name in zip(values, names, strict=True)
        )
        convolution = helper.make_node(
            "Conv",
            [node.input[0], *names],
            list(node.output[:1]),
            name=node.name,
            group=len(weight),
            kernel_shape=[1, 1],
        )
        graph.node.remove(node)
        graph.node.insert(index, convolution)
        num_converted += 1
    return num_converted
