"""Recurrent layers that read padded rows from both ends, exported as ONNX's own operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from headrace.models.layers import TextModel, masked_mean

CellName: TypeAlias = Literal["rnn", "gru", "lstm"]
CELLS: dict[CellName, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
OPERATORS: dict[CellName, tuple[str, list[int]]] = {
    "rnn": ("RNN", [0]),
    "gru": ("GRU", [1, 0, 2]),
    "lstm": ("LSTM", [0, 3, 1, 2]),
}
"""Cell -> ONNX's operator, and where each of its gates stands in torch's weights.

ONNX: z r h, and i o f c (https://onnx.ai/onnx/operators); torch: r z n, and i f g o (docs of nn.GRU and nn.LSTM).
"""


class Recurrence(nn.Module):
    """One recurrent layer in one direction, its state 0 before the first token.

    Left to itself, torch (2.13) exports Elman's, and an LSTM that reads from one end alone, for as many tokens as the
    example has; ONNX's operator takes any number.
    """

    def __init__(self, cell: CellName, num_inputs: int, hidden: int) -> None:
        """`hidden`: features of the state."""
        super().__init__()
        self.name, self.hidden = cell, hidden
        self.cell = CELLS[cell](num_inputs, hidden, batch_first=True)

    def forward(self, values: Tensor) -> Tensor:
        """`[batch, tokens, inputs]` -> `[batch, tokens, hidden]`."""
        outputs: Tensor = self._operator(values) if torch.onnx.is_in_onnx_export() else self.cell(values)[0]
        return outputs

    def _operator(self, values: Tensor) -> Tensor:
        batch, tokens, _ = values.shape
        operator, gates = OPERATORS[self.name]
        inward, recurrent, *biases = (self._in_order(weight, gates) for weight in self.cell.parameters())
        bias = torch.cat(biases)
        outputs = torch.onnx.ops.symbolic(
            operator,
            [values.transpose(0, 1), inward[None], recurrent[None], bias[None]],
            # torch applies the reset gate behind the recurrent product, unlike the paper
            {"hidden_size": self.hidden, **({"linear_before_reset": 1} if self.name == "gru" else {})},
            dtype=values.dtype,
            shape=(tokens, 1, batch, self.hidden),
            version=14,
        )
        return outputs.squeeze(1).transpose(0, 1)

    def _in_order(self, weight: Tensor, gates: list[int]) -> Tensor:
        # slices, since constant folding leaves a split
        return torch.cat([weight[gate * self.hidden : (gate + 1) * self.hidden] for gate in gates])


class Recurrent(TextModel):
    """Recurrent layers over a row's tokens, the mean of their outputs, then a head."""

    def __init__(
        self, vocabulary: int, width: int, *, layers: list[list[nn.Module]], head: nn.Module, dropout: float
    ) -> None:
        """`layers`: one recurrent network a direction (forth, and back where there are two), batch first."""
        super().__init__(vocabulary, width)
        self.layers = nn.ModuleList(nn.ModuleList(directions) for directions in layers)
        self.dropout, self.head = nn.Dropout(dropout), head

    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """See TextModel."""
        turned, values = _turned(mask), embedded
        for directions in self.layers:
            found = [directions[0](values)]  # type: ignore[index] # a ModuleList
            if len(directions) > 1:  # type: ignore[arg-type]
                back = directions[1](_taken(values, turned))  # type: ignore[index]
                found.append(_taken(back, turned))
            values = self.dropout(torch.cat(found, dim=-1))
        outputs: Tensor = self.head(masked_mean(values, mask))
        return outputs


def _turned(mask: Tensor) -> Tensor:
    """Places `[batch, tokens]` that turn each row's tokens around and leave its padding where it is.

    A plain flip would make the way back begin in the padding, and a row's outputs depend on the batch's longest row.
    """
    places = torch.arange(mask.shape[1], device=mask.device)
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(places < lengths, lengths - 1 - places, places)


def _taken(values: Tensor, places: Tensor) -> Tensor:
    """`[batch, tokens, width]` in the order of `places` `[batch, tokens]`."""
    return values.gather(1, places.unsqueeze(-1).expand(-1, -1, values.shape[2]))
