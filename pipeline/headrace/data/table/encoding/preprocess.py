"""The first layers of a table's network: stored columns in, features that a network learns well from out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headrace.contracts import Json

SMALLEST_WIDTH = 1e-30


class TablePreprocess(nn.Module):
    """float32 `[batch, columns]` -> float32 `[batch, features]`: each column's features in turn, none of them NaN.

    A numeric column: its standardised value (or its rank among the train values, from -0.5 to 0.5), and 1 or 0 for
    missing where train rows had it missing. A categorical one: a 1 for its value among zeros (one-hot).
    """

    fill: Tensor
    center: Tensor
    scale: Tensor
    ids: Tensor
    order: Tensor

    def __init__(self, transform: Json) -> None:
        """Takes `inputs`, an entry a column, from `transform.json`."""
        super().__init__()
        inputs: list[Json] = transform["inputs"]
        numeric = [(place, entry) for place, entry in enumerate(inputs) if entry["kind"] == "numeric"]
        hot = [
            (place, value)
            for place, entry in enumerate(inputs)
            if entry["kind"] == "categorical"
            for value in range(entry["num_values"])
        ]
        plain = [(place, entry) for place, entry in numeric if not entry.get("quantiles")]
        self.plain = _Columns([place for place, _ in plain])
        for name in ("fill", "center", "scale"):
            self.register_buffer(name, torch.tensor([float(entry[name]) for _, entry in plain]))
        self.ranks = _Ranks([(place, entry) for place, entry in numeric if entry.get("quantiles")])
        self.flags = _Columns([place for place, entry in numeric if entry["has_missing"]])
        self.hot = _Columns([place for place, _ in hot])
        self.register_buffer("ids", torch.tensor([float(value) for _, value in hot]))
        # made kind by kind, all columns at once: a graph with nodes for each column would be slow
        made = [*self.plain.places, *self.ranks.columns.places, *self.flags.places, *self.hot.places]
        self.register_buffer("order", torch.tensor(sorted(range(len(made)), key=made.__getitem__), dtype=torch.int64))

    def forward(self, columns: Tensor) -> Tensor:
        """Fills, scales and encodes by the statistics of the train rows."""
        parts = []
        if self.plain.places:
            values = self.plain(columns)
            parts.append((torch.where(values.isnan(), self.fill, values) - self.center) / self.scale)
        if self.ranks.columns.places:
            parts.append(self.ranks(columns))
        if self.flags.places:
            parts.append(self.flags(columns).isnan().to(torch.float32))
        if self.hot.places:
            parts.append((self.hot(columns) == self.ids).to(torch.float32))
        return torch.cat(parts, dim=1).index_select(1, self.order)


class _Columns(nn.Module):
    """Picks columns, as often as they are named."""

    index: Tensor

    def __init__(self, places: list[int]) -> None:
        super().__init__()
        self.places = places
        self.register_buffer("index", torch.tensor(places, dtype=torch.int64))

    def forward(self, columns: Tensor) -> Tensor:
        """`[batch, columns]` -> `[batch, places]`."""
        return columns.index_select(1, self.index)


class _Ranks(nn.Module):
    """The share of the train values below a value, less a half; linear between knots (quantiles at equal steps)."""

    fill: Tensor
    knots: Tensor
    widths: Tensor
    shares: Tensor

    def __init__(self, inputs: list[tuple[int, Json]]) -> None:
        """Takes columns' places and their `fill` and `quantiles` (increasing)."""
        super().__init__()
        self.columns = _Columns([place for place, _ in inputs])
        num_pieces = max((len(entry["quantiles"]) - 1 for _, entry in inputs), default=0)
        knots, widths, shares = (torch.zeros(len(inputs), num_pieces) for _ in range(3))
        widths += 1.0  # of pieces that only longer columns have, and whose share is 0
        for index, (_, entry) in enumerate(inputs):
            ends = torch.tensor(entry["quantiles"], dtype=torch.float32)
            pieces = len(ends) - 1
            # knots that float32 cannot tell apart are a step, and not 0 / 0
            knots[index, :pieces], widths[index, :pieces] = ends[:-1], ends.diff().clamp(min=SMALLEST_WIDTH)
            shares[index, :pieces] = 1 / max(pieces, 1)
        self.register_buffer("fill", torch.tensor([float(entry["fill"]) for _, entry in inputs]))
        for name, values in (("knots", knots), ("widths", widths), ("shares", shares)):
            self.register_buffer(name, values)

    def forward(self, columns: Tensor) -> Tensor:
        """`[batch, columns]` -> `[batch, places]`."""
        values = self.columns(columns)
        filled = torch.where(values.isnan(), self.fill, values)
        # every piece adds its share once the value is behind it, and a part of it on the way: no search is needed
        pieces = ((filled.unsqueeze(-1) - self.knots) / self.widths).clamp(0.0, 1.0)
        return (pieces * self.shares).sum(dim=-1) - 0.5


def num_features(transform: Json) -> int:
    """How wide the preprocessed rows are."""
    return len(feature_columns(transform))


def feature_columns(transform: Json) -> list[int]:
    """For every feature, in order, the stored column that it was made of."""
    return [place for place, entry in enumerate(transform["inputs"]) for _ in range(_num_features(entry))]


def _num_features(entry: Json) -> int:
    if entry["kind"] == "numeric":
        return 2 if entry["has_missing"] else 1
    return int(entry["num_values"])
