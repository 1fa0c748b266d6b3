"""Tables: attributions of columns, shown as bars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import UNKNOWN, column_places, value_name
from headrace.explanation.attributions import AttributionRequest, hide_each
from headrace.explanation.html_marks import STYLE, top_bars
from headrace.explanation.views.base import ViewWording

ROWS_PER_RUN = 512
SHOWN_COLUMNS, OVERVIEW_COLUMNS = 12, 40


class TableView:
    """float32 `[rows, inputs]` -> attributions `[rows, columns]`: what a column is stored as is added up."""

    words = ViewWording(
        places="columns",
        maps="bars",
        deleted="replaced by what stands for a missing value (categories: for an unknown one)",
        reading="""Each row has its own scale. The reference is a row of which nothing is known: numbers at what stands
for a missing one, categories unknown.""",
        overview="Columns over all explained rows",
        overview_note="Mean of the attributions' size, whether for or against.",
        style=STYLE,
    )

    def __init__(self, transform: Json) -> None:
        """Takes the inputs and columns of `transform.json`."""
        self._transform = transform
        self._places = column_places(transform)
        # one value an input: what a row of which nothing is known would hold
        self._fill = [told["fill"] or 0.0 if told["kind"] == "numeric" else UNKNOWN for told in transform["inputs"]]

    def attribute(self, asked: AttributionRequest) -> NDArray[np.float32]:
        """How much each column speaks for it."""
        if asked.method == "occlusion":
            return hide_each(asked, places=self.are_places(asked.inputs), erase=self.erase)
        return asked.in_runs(self._gradients, ROWS_PER_RUN)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All columns."""
        return np.ones((len(inputs), len(self._places)), bool)

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Numbers at their fill, categories unknown."""
        owners = np.empty(inputs.shape[1], np.int64)
        for index, stored in enumerate(self._places.values()):
            owners[stored] = index
        return np.where(places[:, owners], np.array(self._fill, np.float32), inputs)

    def show(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> str:
        """The columns that matter most, with their values."""
        told = [(part["name"], part["value"], part["attribution"]) for part in self.parts(row, attribution)]
        return top_bars(sorted(told, key=lambda part: -abs(part[2]))[:SHOWN_COLUMNS])

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Columns in their order, with the row's values."""
        return [
            {
                "name": name,
                "value": value_name(self._transform, stored[0], float(row[stored[0]])),
                "attribution": float(score),
            }
            for (name, stored), score in zip(self._places.items(), attribution, strict=True)
        ]

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> str:
        """Mean size of each column's attributions, the largest first."""
        del inputs, groups
        sizes = zip(self._places, np.abs(maps).mean(axis=0).tolist(), strict=True)
        largest = sorted(sizes, key=lambda part: (-part[1], part[0]))[:OVERVIEW_COLUMNS]
        return f'<div class="card wide">{top_bars([(name, "", size) for name, size in largest])}</div>'

    def _gradients(self, asked: AttributionRequest) -> NDArray[np.float32]:
        """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1, on preprocessed features.

        They add up to the rise of the output from the row of which nothing is known.
        """
        import torch
        from captum.attr import IntegratedGradients

        with torch.no_grad():
            features = asked.network[0](torch.from_numpy(np.array(asked.inputs)))
            nothing = asked.network[0](torch.tensor([self._fill], dtype=torch.float32))
        found = IntegratedGradients(asked.network[1:]).attribute(
            features,
            baselines=nothing,
            target=torch.from_numpy(np.array(asked.outputs)),
            n_steps=asked.num_steps,
            internal_batch_size=ROWS_PER_RUN * 4,
        )
        scores, owners = found.detach().numpy(), self._owners()
        columns = [scores[:, owners == index].sum(axis=1) for index in range(len(self._places))]
        return np.stack(columns, axis=1).astype(np.float32)

    def _owners(self) -> NDArray[np.int64]:
        """`[features]`: the column that each preprocessed feature comes from."""
        from headrace.data.table.encoding.preprocess import feature_columns

        names, inputs = list(self._places), self._transform["inputs"]
        return np.array([names.index(inputs[place]["column"]) for place in feature_columns(self._transform)])
