"""A view: how the rows of one modality are explained and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.explanation.methods.attributions import AttributionRequest, MethodName

if TYPE_CHECKING:
    from markupsafe import Markup
    from torch import nn


class ViewWording(NamedTuple):
    """What the page says about this modality; each a part of a sentence, or several sentences."""

    places: str
    """What is attributed: pixels, tokens, columns."""
    maps: str
    """What the attribution of a row is called."""
    deleted: str
    """What happened to deleted places: they were ..."""
    reading: str
    """How to read an attribution."""
    overview: str
    """Heading of the section on all explained rows."""
    overview_note: str


class View(Protocol):
    """Explains stored inputs `[rows, ...]` by attributions `[rows, *places]`."""

    wording: ViewWording
    methods: tuple[MethodName, ...]
    """Those that are shown and measured by default, the best known first."""

    def find_obstacle(self, method: MethodName, network: nn.Sequential) -> str:
        """Returns why a method does not apply to a network; empty if it does."""
        ...

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each place contributes to the requested output; 0 where a row has no such place."""
        ...

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """`[rows, *places]`: which places a row has; texts are padded to the longest."""
        ...

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Returns a copy of the inputs without the information in `places` `[rows, *places]`."""
        ...

    def show(self, row: NDArray[Any], maps: dict[MethodName, NDArray[np.float32]]) -> Markup:
        """Returns HTML of one row and its attributions, those of the chosen method first."""
        ...

    def show_input(self, row: NDArray[Any]) -> Markup:
        """Returns HTML of one row alone, small."""
        ...

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns name and attribution of each place; images: nothing, since a file stores their maps."""
        ...

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns HTML of all explained rows; `groups`: predicted class (regression: target) -> its rows."""
        ...
