"""Images: attributions of pixels, shown as maps beside the image."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.explanation.attributions import AttributionRequest, attribute
from headrace.explanation.figures import heat_uri, image_uri
from headrace.explanation.views.base import ViewWording

READING = """Each map has its own scale: compare places within
a map, not maps with one another. The reference is the mean of the training images, so that a pale place is one that the
model does not miss."""


class ImageView:
    """uint8 `[rows, height, width, channel]` -> maps `[rows, height, width]`."""

    words = ViewWording(
        places="pixels",
        maps="maps",
        deleted="replaced by the training mean",
        reading=READING,
        overview="Mean map of each predicted class",
        overview_note="Over the explained rows that the model takes for it.",
    )

    def __init__(self, transform: Json) -> None:
        """Takes the `mean` of the train rows, which stands for nothing."""
        self._mean = transform["mean"]

    def attribute(self, asked: AttributionRequest) -> NDArray[np.float32]:
        """How much each pixel speaks for it."""
        return attribute(asked)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All pixels."""
        return np.ones(inputs.shape[:-1], bool)

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Pixels of the training mean."""
        fill = np.rint(np.array(self._mean) * 255).astype(np.uint8)
        return np.where(places[..., None], fill, inputs)

    def show(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> str:
        """The image, and the map beside it."""
        return (
            f'<div class="pair">'
            f'<img class="pixels" alt="input" src="{image_uri(row)}">'
            f'<img class="pixels" alt="map" src="{heat_uri(attribution, row)}"></div>'
        )

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """None: pixels have no names."""
        del row, attribution
        return []

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> str:
        """The mean map of each group."""
        del inputs
        means = "".join(
            f'<div class="card"><img class="pixels" alt="" src="{heat_uri(maps[rows].mean(axis=0))}">'
            f'<p class="tell">{escape(name)}</p></div>'
            for name, rows in groups.items()
        )
        return f'<div class="grid means">{means}</div>'
