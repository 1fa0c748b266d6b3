"""Recurrent layers for padded rows, in one or both directions, exported as ONNX operators."""

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
"""Cell -> ONNX operator, and the index of each of its gates in torch's weights.

ONNX: z r h, and i o f c (https://onnx.ai/onnx/operators); torch: r z n, and i f g o (docs of nn.GRU and nn.LSTM).
"""


class RecurrentLayer(nn.Module):
    """One recurrent layer in one direction, with an initial state of 0.

    By default torch (2.13) exports an Elman cell or a unidirectional LSTM for exactly as many tokens as the example
    has; ONNX's operator accepts any number.
    """

    def __init__(self, cell: CellName, num_inputs: int, hidden: int) -> None:
        """`hidden` is the number of features of the state."""
        super().__init__()
        self.name, self.hidden = cell, hidden
        self.cell = CELLS[cell](num_inputs, hidden, batch_first=True)

    def forward(self, values: Tensor) -> Tensor:
        """`[batch, tokens, inputs]` -> `[batch, tokens, hidden]`."""
        outputs: Tensor = self._onnx_operator(values) if torch.onnx.is_in_onnx_export() else self.cell(values)[0]
        return outputs

    def _onnx_operator(self, values: Tensor) -> Tensor:
        batch, tokens, _ = values.shape
        operator, gates = OPERATORS[self.name]
        inward, recurrent, *biases = (self._reorder(weight, gates) for weight in self.cell.parameters())
        bias = torch.cat(biases)
        outputs = torch.onnx.ops.symbolic(
            operator,
            [values.transpose(0, 1), inward[None], recurrent[None], bias[None]],
            # unlike the paper, torch applies the reset gate after the recurrent product
            {"hidden_size": self.hidden, **({"linear_before_reset": 1} if self.name == "gru" else {})},
            dtype=values.dtype,
            shape=(tokens, 1, batch, self.hidden),
            version=14,
        )
        return outputs.squeeze(1).transpose(0, 1)

    def _reorder(self, weight: Tensor, gates: list[int]) -> Tensor:
        # slices, because constant folding does not remove a split
        return torch.cat([weight[gate * self.hidden : (gate + 1) * self.hidden] for gate in gates])


class RecurrentNetwork(TextModel):
    """Recurrent layers over a row's tokens, mean pooling of their outputs, and a head."""

    def __init__(
        self, vocabulary: int, width: int, *, layers: list[list[nn.Module]], head: nn.Module, dropout: float
    ) -> None:
        """`layers`: for each layer, a RecurrentLayer per direction (forward, and optionally backward)."""
        super().__init__(vocabulary, width)
        self.layers = nn.ModuleList(nn.ModuleList(directions) for directions in layers)
        self.dropout, self.head = nn.Dropout(dropout), head

    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """See TextModel."""
        reversed_indices, values = _reversed_indices(mask), embedded
        for directions in self.layers:
            outputs_by_direction = [directions[0](values)]  # type: ignore[index] # a ModuleList
            if len(directions) > 1:  # type: ignore[arg-type]
                backward = directions[1](_reorder_tokens(values, reversed_indices))  # type: ignore[index]
                outputs_by_direction.append(_reorder_tokens(backward, reversed_indices))
            values = self.dropout(torch.cat(outputs_by_direction, dim=-1))
        outputs: Tensor = self.head(masked_mean(values, mask))
        return outputs


def _reversed_indices(mask: Tensor) -> Tensor:
    """Indices `[batch, tokens]` that reverse each row's tokens and leave its padding in place.

    After a plain flip the backward direction would start in the padding, and a row's outputs would depend on the
    longest row of the batch.
    """
    indices = torch.arange(mask.shape[1], device=mask.device)
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(indices < lengths, lengths - 1 - indices, indices)


def _reorder_tokens(values: Tensor, indices: Tensor) -> Tensor:
    """`[batch, tokens, width]` in the order of `indices` `[batch, tokens]`."""
    return values.gather(1, indices.unsqueeze(-1).expand(-1, -1, values.shape[2]))
