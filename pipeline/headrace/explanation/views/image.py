"""Images: attributions of pixels, shown as maps next to the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.explanation.figures import draw_heat_map, encode_image
from headrace.explanation.html_marks import TEMPLATE
from headrace.explanation.methods.attention_rollout import attribute_patches, find_attention_obstacle
from headrace.explanation.methods.attributions import (
    METHOD_TITLES,
    AttributionRequest,
    MethodName,
    attribute_images,
)
from headrace.explanation.methods.grad_cam import find_cam_obstacle
from headrace.explanation.views.base import ViewWording
from headrace.html_page import render_macro

if TYPE_CHECKING:
    from markupsafe import Markup
    from torch import nn

MAX_SIDE = 96
"""Pixels of an image that is shown small."""


class ImageView:
    """uint8 `[rows, height, width, channel]` -> maps `[rows, height, width]`."""

    wording = ViewWording(
        places="pixels",
        maps="maps",
        deleted="replaced by the training mean",
        reading="Each map has its own scale: compare places within a map, not one map with another. The reference is"
        " the mean of the training images, so that a pale place is one that the model does not need.",
        overview="Mean map of each predicted class",
        overview_note="Over the explained rows that the model assigns to the class.",
    )

    methods: tuple[MethodName, ...] = ("integrated_gradients", "grad_cam", "attention", "occlusion")

    def __init__(self, transform: Json) -> None:
        """Takes the `mean` of the train rows, which replaces erased pixels."""
        self._mean = transform["mean"]

    def find_obstacle(self, method: MethodName, network: nn.Sequential) -> str:
        """Grad-CAM needs a convolution, and attention a transformer of patches."""
        if method == "grad_cam":
            return find_cam_obstacle(network)
        return find_attention_obstacle(network, needs_patches=True) if method == "attention" else ""

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each pixel contributes."""
        return attribute_patches(request) if request.method == "attention" else attribute_images(request)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All pixels."""
        return np.ones(inputs.shape[:-1], bool)

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Replaces pixels by the training mean."""
        fill = np.rint(np.array(self._mean) * 255).astype(np.uint8)
        return np.where(places[..., None], fill, inputs)

    def show(self, row: NDArray[Any], maps: dict[MethodName, NDArray[np.float32]]) -> Markup:
        """Returns the image, and the maps next to it."""
        drawn = {METHOD_TITLES[method]: draw_heat_map(attribution, row) for method, attribution in maps.items()}
        return render_macro(TEMPLATE, "image_and_maps", encode_image(row), drawn)

    def show_input(self, row: NDArray[Any]) -> Markup:
        """Returns the image, of at most MAX_SIDE pixels a side."""
        step = -(-max(row.shape[:2]) // MAX_SIDE)
        return render_macro(TEMPLATE, "small_image", encode_image(np.ascontiguousarray(row[::step, ::step])))

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns nothing: pixels have no names."""
        del row, attribution
        return []

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns the mean map of each group."""
        del inputs
        means = {name: draw_heat_map(maps[rows].mean(axis=0)) for name, rows in groups.items()}
        return render_macro(TEMPLATE, "mean_maps", means)
