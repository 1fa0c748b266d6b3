"""The first layers of a table's network: stored columns to features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headrace.contracts import Json

SMALLEST_WIDTH = 1e-30


class TablePreprocess(nn.Module):
    """float32 `[batch, columns]` -> float32 `[batch, features]`: the features of each column in turn, never NaN.

    A numeric column becomes its standardized value (or its rank among the train values, from -0.5 to 0.5), plus a
    missing flag of 0 or 1 if train rows have missing cells. A categorical column becomes one-hot. The
    token ids of texts follow unchanged, `[batch, features + tokens]`: models/text_columns.py encodes them.
    """

    fill: Tensor
    center: Tensor
    scale: Tensor
    ids: Tensor
    order: Tensor

    def __init__(self, transform: Json) -> None:
        """Reads `inputs` of `transform.json`, one entry per stored column."""
        super().__init__()
        inputs: list[Json] = transform["inputs"]
        numeric = [(index, entry) for index, entry in enumerate(inputs) if entry["kind"] == "numeric"]
        one_hot = [
            (index, value)
            for index, entry in enumerate(inputs)
            if entry["kind"] == "categorical"
            for value in range(entry["num_values"])
        ]
        plain = [(index, entry) for index, entry in numeric if not entry.get("quantiles")]
        self.plain = _SelectColumns([index for index, _ in plain])
        for name in ("fill", "center", "scale"):
            self.register_buffer(name, torch.tensor([float(entry[name]) for _, entry in plain]))
        self.ranks = _Ranks([(index, entry) for index, entry in numeric if entry.get("quantiles")])
        self.flags = _SelectColumns([index for index, entry in numeric if entry["has_missing"]])
        self.hot = _SelectColumns([index for index, _ in one_hot])
        self.register_buffer("ids", torch.tensor([float(value) for _, value in one_hot]))
        # computed per kind, over all its columns at once: a graph with nodes for each column would be slow
        sources = [*self.plain.indices, *self.ranks.columns.indices, *self.flags.indices, *self.hot.indices]
        order = sorted(range(len(sources)), key=sources.__getitem__)
        self.register_buffer("order", torch.tensor(order, dtype=torch.int64))
        tokens = [index for index, entry in enumerate(inputs) if entry["kind"] == "token"]
        self.tokens = _SelectColumns(tokens) if tokens else None

    def forward(self, columns: Tensor) -> Tensor:
        """Fills, scales and encodes by the statistics of the train rows."""
        parts = []
        if self.plain.indices:
            values = self.plain(columns)
            parts.append((torch.where(values.isnan(), self.fill, values) - self.center) / self.scale)
        if self.ranks.columns.indices:
            parts.append(self.ranks(columns))
        if self.flags.indices:
            parts.append(self.flags(columns).isnan().to(torch.float32))
        if self.hot.indices:
            parts.append((self.hot(columns) == self.ids).to(torch.float32))
        if parts:
            parts = [torch.cat(parts, dim=1).index_select(1, self.order)]
        if self.tokens is not None:
            parts.append(self.tokens(columns))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


class _SelectColumns(nn.Module):
    """Selects columns, with repetition."""

    index: Tensor

    def __init__(self, indices: list[int]) -> None:
        super().__init__()
        self.indices = indices
        self.register_buffer("index", torch.tensor(indices, dtype=torch.int64))

    def forward(self, columns: Tensor) -> Tensor:
        """`[batch, columns]` -> `[batch, selected columns]`."""
        return columns.index_select(1, self.index)


class _Ranks(nn.Module):
    """The fraction of train values below a value, minus 0.5; linear between knots (quantiles at equal steps)."""

    fill: Tensor
    knots: Tensor
    widths: Tensor
    shares: Tensor

    def __init__(self, inputs: list[tuple[int, Json]]) -> None:
        """Takes column indices with their `fill` and `quantiles` (increasing)."""
        super().__init__()
        self.columns = _SelectColumns([index for index, _ in inputs])
        num_pieces = max((len(entry["quantiles"]) - 1 for _, entry in inputs), default=0)
        knots, widths, shares = (torch.zeros(len(inputs), num_pieces) for _ in range(3))
        widths += 1.0  # for the unused pieces of columns with fewer knots, whose share stays 0
        for row, (_, entry) in enumerate(inputs):
            ends = torch.tensor(entry["quantiles"], dtype=torch.float32)
            pieces = len(ends) - 1
            # knots that are equal as float32 form a step instead of 0 / 0
            knots[row, :pieces], widths[row, :pieces] = ends[:-1], ends.diff().clamp(min=SMALLEST_WIDTH)
            shares[row, :pieces] = 1 / max(pieces, 1)
        self.register_buffer("fill", torch.tensor([float(entry["fill"]) for _, entry in inputs]))
        for name, values in (("knots", knots), ("widths", widths), ("shares", shares)):
            self.register_buffer(name, values)

    def forward(self, columns: Tensor) -> Tensor:
        """`[batch, columns]` -> `[batch, quantile columns]`."""
        values = self.columns(columns)
        filled = torch.where(values.isnan(), self.fill, values)
        # every piece adds its share in proportion to how far the value has passed it: no search is needed
        pieces = ((filled.unsqueeze(-1) - self.knots) / self.widths).clamp(0.0, 1.0)
        return (pieces * self.shares).sum(dim=-1) - 0.5


def count_features(transform: Json) -> int:
    """Returns the width of the preprocessed rows, without the tokens of texts."""
    return len(feature_columns(transform))


def feature_columns(transform: Json) -> list[int]:
    """Returns, for each feature in order, the index of the stored column that it comes from."""
    return [index for index, entry in enumerate(transform["inputs"]) for _ in range(_num_features(entry))]


def _num_features(entry: Json) -> int:
    if entry["kind"] == "numeric":
        return 2 if entry["has_missing"] else 1
    return int(entry.get("num_values", 0))
