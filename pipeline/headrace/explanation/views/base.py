"""A view: how the rows of one modality are explained and shown."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.explanation.attributions import AttributionRequest


class ViewWording(NamedTuple):
    """What the page says of this modality; HTML, each a part of a sentence or some."""

    places: str
    """What is attributed: pixels, tokens, columns."""
    maps: str
    """What an attribution of a row is called."""
    deleted: str
    """What became of deleted places: they were ..."""
    reading: str
    """How to read an attribution."""
    overview: str
    """Heading of the part on all explained rows."""
    overview_note: str
    style: str = ""
    """CSS beside the page's own."""


class View(Protocol):
    """Explains stored inputs `[rows, ...]` by attributions `[rows, *places]`."""

    words: ViewWording

    def attribute(self, asked: AttributionRequest) -> NDArray[np.float32]:
        """How much each place speaks for the row's output that is asked for; 0 where a row has no such place."""
        ...

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """`[rows, *places]`: which places a row has; texts are padded to the longest."""
        ...

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """A copy of the inputs that says nothing in `places` `[rows, *places]`."""
        ...

    def show(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> str:
        """HTML (safe) of one row and its attribution."""
        ...

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """The same for scripts: name and attribution of each place; images: nothing, since a file holds their maps."""
        ...

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> str:
        """HTML (safe) on all explained rows; `groups`: predicted class -> its rows (regression: target -> its)."""
        ...
