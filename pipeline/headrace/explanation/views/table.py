"""Tables: attributions of columns, shown as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import format_value, inputs_by_column
from headrace.data.table.encoding.encode import UNKNOWN
from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.explanation.methods.attributions import (
    AttributionRequest,
    MethodName,
    occlude_each_place,
)
from headrace.explanation.views.base import ViewWording
from headrace.html_page import render_macro

if TYPE_CHECKING:
    from markupsafe import Markup
    from torch import nn

ROWS_PER_BATCH = 512
MAX_COLUMNS, MAX_OVERVIEW_COLUMNS = 12, 40


class TableView:
    """float32 `[rows, inputs]` -> attributions `[rows, columns]`: the inputs of a column are summed."""

    wording = ViewWording(
        places="columns",
        maps="bars",
        deleted="replaced by the value that stands for a missing one (categories: an unknown one)",
        reading="Each row has its own scale. The reference is a row without information: numbers at the value that"
        " stands for a missing one, categories unknown.",
        overview="Columns over all explained rows",
        overview_note="Mean absolute attribution, whether for or against.",
    )

    methods: tuple[MethodName, ...] = ("integrated_gradients", "occlusion")

    def __init__(self, transform: Json) -> None:
        """Takes the inputs and columns of `transform.json`."""
        self._transform = transform
        self.columns = inputs_by_column(transform)
        """Column -> its stored inputs."""
        # the inputs of a row without information
        self._fill = [entry["fill"] or 0.0 if entry["kind"] == "numeric" else UNKNOWN for entry in transform["inputs"]]

    def find_obstacle(self, method: MethodName, network: nn.Sequential) -> str:
        """Grad-CAM and attention are not for columns."""
        del network
        return "" if method in self.methods else "not for tables"

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each column contributes."""
        if request.method == "occlusion":
            return occlude_each_place(request, places=self.are_places(request.inputs), erase=self.erase)
        return request.map_batches(self._gradients, ROWS_PER_BATCH)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All columns."""
        return np.ones((len(inputs), len(self.columns)), bool)

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Replaces numbers by their fill value, and categories by the unknown one."""
        columns = np.empty(inputs.shape[1], np.int64)
        for column, indices in enumerate(self.columns.values()):
            columns[indices] = column
        return np.where(places[:, columns], np.array(self._fill, np.float32), inputs)

    def show(self, row: NDArray[Any], maps: dict[MethodName, NDArray[np.float32]]) -> Markup:
        """Returns the columns that contribute most by the first method, with their values."""
        parts = self.parts(row, next(iter(maps.values())))
        strongest = sorted(parts, key=lambda part: -abs(part["attribution"]))[:MAX_COLUMNS]
        marks = make_marks((part["name"], part["value"], part["attribution"]) for part in strongest)
        return render_macro(TEMPLATE, "bars", marks)

    def show_input(self, row: NDArray[Any]) -> Markup:
        """Returns the values of the first columns."""
        cells = [
            (name, format_value(self._transform, indices[0], float(row[indices[0]])))
            for name, indices in list(self.columns.items())[:MAX_COLUMNS]
        ]
        return render_macro(TEMPLATE, "cells", cells, max(0, len(self.columns) - MAX_COLUMNS))

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns the columns in their order, with the row's values."""
        return [
            {
                "name": name,
                "value": format_value(self._transform, indices[0], float(row[indices[0]])),
                "attribution": float(score),
            }
            for (name, indices), score in zip(self.columns.items(), attribution, strict=True)
        ]

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns the mean absolute attribution of each column, the largest first."""
        del inputs, groups
        means = zip(self.columns, np.abs(maps).mean(axis=0).tolist(), strict=True)
        largest = sorted(means, key=lambda part: (-part[1], part[0]))[:MAX_OVERVIEW_COLUMNS]
        return render_macro(TEMPLATE, "wide_bars", make_marks((name, "", mean) for name, mean in largest))

    def _gradients(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1, on preprocessed features.

        They sum to the difference of the output between the row without information and the row.
        """
        import torch
        from captum.attr import IntegratedGradients

        with torch.no_grad():
            features = request.network[0](torch.from_numpy(np.array(request.inputs)))
            reference = request.network[0](torch.tensor([self._fill], dtype=torch.float32))
        attributions = IntegratedGradients(request.network[1:]).attribute(
            features,
            baselines=reference,
            target=torch.from_numpy(np.array(request.outputs)),
            n_steps=request.num_steps,
            internal_batch_size=ROWS_PER_BATCH * 4,
        )
        scores, columns = attributions.detach().numpy(), self._feature_columns()
        sums = [scores[:, columns == column].sum(axis=1) for column in range(len(self.columns))]
        return np.stack(sums, axis=1).astype(np.float32)

    def _feature_columns(self) -> NDArray[np.int64]:
        """`[features]`: index of the column of each preprocessed feature."""
        from headrace.data.table.encoding.preprocess import feature_columns

        names, inputs = list(self.columns), self._transform["inputs"]
        return np.array([names.index(inputs[index]["column"]) for index in feature_columns(self._transform)])
