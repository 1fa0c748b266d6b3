"""Tables: attributions of columns, shown as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import format_value, inputs_by_column
from headrace.data.table.encoding.encode import UNKNOWN
from headrace.explanation.attributions import AttributionRequest, occlude_each_place
from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.explanation.views.base import ViewWording
from headrace.html_page import render_macro

if TYPE_CHECKING:
    from markupsafe import Markup

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

    def __init__(self, transform: Json) -> None:
        """Takes the inputs and columns of `transform.json`."""
        self._transform = transform
        self._inputs = inputs_by_column(transform)
        # the inputs of a row without information
        self._fill = [entry["fill"] or 0.0 if entry["kind"] == "numeric" else UNKNOWN for entry in transform["inputs"]]

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each column contributes."""
        if request.method == "occlusion":
            return occlude_each_place(request, places=self.are_places(request.inputs), erase=self.erase)
        return request.map_batches(self._gradients, ROWS_PER_BATCH)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All columns."""
        return np.ones((len(inputs), len(self._inputs)), bool)

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Replaces numbers by their fill value, and categories by the unknown one."""
        columns = np.empty(inputs.shape[1], np.int64)
        for column, indices in enumerate(self._inputs.values()):
            columns[indices] = column
        return np.where(places[:, columns], np.array(self._fill, np.float32), inputs)

    def show(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> Markup:
        """Returns the columns that contribute most, with their values."""
        parts = [(part["name"], part["value"], part["attribution"]) for part in self.parts(row, attribution)]
        strongest = sorted(parts, key=lambda part: -abs(part[2]))[:MAX_COLUMNS]
        return render_macro(TEMPLATE, "bars", make_marks(strongest))

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns the columns in their order, with the row's values."""
        return [
            {
                "name": name,
                "value": format_value(self._transform, indices[0], float(row[indices[0]])),
                "attribution": float(score),
            }
            for (name, indices), score in zip(self._inputs.items(), attribution, strict=True)
        ]

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns the mean absolute attribution of each column, the largest first."""
        del inputs, groups
        means = zip(self._inputs, np.abs(maps).mean(axis=0).tolist(), strict=True)
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
        sums = [scores[:, columns == column].sum(axis=1) for column in range(len(self._inputs))]
        return np.stack(sums, axis=1).astype(np.float32)

    def _feature_columns(self) -> NDArray[np.int64]:
        """`[features]`: index of the column of each preprocessed feature."""
        from headrace.data.table.encoding.preprocess import feature_columns

        names, inputs = list(self._inputs), self._transform["inputs"]
        return np.array([names.index(inputs[index]["column"]) for index in feature_columns(self._transform)])
