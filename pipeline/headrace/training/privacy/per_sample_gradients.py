"""Per-sample gradients, clipped and summed, to which DP-SGD adds its noise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from headrace.contracts import Batch
from headrace.training.engine.row_dropout import Draws

BYTES_AT_ONCE = 32 * 2**20
"""Memory for per-sample gradients: larger batches are processed in parts. Larger parts were not faster."""
Loss = Callable[[Tensor, Batch], Tensor]
"""(outputs, batch) -> sum of the rows' losses."""


class PerSampleGradients:
    """Computes gradients of single rows by torch.func: each row passes through the network as a batch of its own.

    So no row can influence another, whatever the network does. It takes 1.2 to 1.6 times as long as one backward pass
    on convolutional and attention networks, where opacus' layers take 1.5 to 2.2 times; on a small perceptron, where a
    pass takes a third of a millisecond, 5 and 4 times (one core).
    """

    def __init__(self, network: nn.Module, loss: Loss, draws: Draws | None = None) -> None:
        """`network` takes `Batch.inputs`; all its trainable parameters take part; `draws`: of its dropout."""
        self._network, self._draws = network, draws or Draws(0)
        self.parameters = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        num_bytes = sum(weight.numel() for weight in self.parameters.values()) * 4
        self._rows_at_once = max(1, BYTES_AT_ONCE // max(num_bytes, 1))

        def compute_row(weights: dict[str, Tensor], index: Tensor, *row: Tensor) -> tuple[Tensor, Tensor]:
            self._draws.row = index
            inputs, targets, row_weights = (part.unsqueeze(0) for part in row)
            outputs = functional_call(network, weights, (inputs,)).float()
            return loss(outputs, Batch(inputs, targets, row_weights, 1)), outputs[0]

        self._gradients = vmap(grad(compute_row, has_aux=True), in_dims=(None, 0, 0, 0, 0), randomness="different")

    def clipped_sum(self, batch: Batch, clip: float) -> tuple[Tensor, Tensor]:
        """Returns the sum of the rows' gradients, each clipped to an L2 norm of `clip`, and the outputs.

        Shapes: `[parameters]` and `[rows, outputs]`. Raises RuntimeError if torch cannot process single rows.
        """
        size = sum(weight.numel() for weight in self.parameters.values())
        total, outputs = torch.zeros(size, device=batch.inputs.device), []
        first_row = batch.first_row
        for rows in self._parts(batch):
            self._draws.select_rows(first_row, len(rows[0]))
            first_row += len(rows[0])
            gradients, part_outputs = self._compute(rows)
            total += _sum_clipped(gradients, clip)
            outputs.append(part_outputs)
        return total, torch.cat(outputs)

    def _parts(self, batch: Batch) -> Iterator[tuple[Tensor, ...]]:
        columns = (batch.inputs, batch.targets, batch.weights)
        return zip(*(torch.split(column, self._rows_at_once) for column in columns), strict=True)

    def _compute(self, rows: tuple[Tensor, ...]) -> tuple[list[Tensor], Tensor]:
        weights = {name: weight.detach() for name, weight in self.parameters.items()}
        # plain matrix products are many times faster here than fused attention, which torch (2.13) runs row by row
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*performance drop.*")
            indices = torch.arange(len(rows[0]), device=rows[0].device)
            gradients, outputs = self._gradients(weights, indices, *rows)
        return list(gradients.values()), outputs

    def find_fixed(self) -> Tensor:
        """Returns `[parameters]`: true where all gradients are 0 by construction, so that noise must not be added.

        These are the embeddings of padding; that they stay 0 reveals nothing about any row.
        """
        padding = {
            id(module.weight): module.padding_idx
            for module in self._network.modules()
            if isinstance(module, nn.Embedding) and module.padding_idx is not None
        }
        masks = []
        for weight in self.parameters.values():
            mask = torch.zeros(weight.shape, dtype=torch.bool)
            if id(weight) in padding:
                mask[padding[id(weight)]] = True
            masks.append(mask.flatten())
        return torch.cat(masks)


def _sum_clipped(gradients: list[Tensor], clip: float) -> Tensor:
    """Sums gradients `[rows, ...]` over the rows, each scaled by min(1, clip / norm) of its complete gradient."""
    flat = [gradient.reshape(len(gradient), -1).float() for gradient in gradients]
    norms = torch.stack([gradient.norm(dim=1) for gradient in flat]).norm(dim=0)
    factors = clip / norms.clamp(min=clip)
    return torch.cat([factors @ gradient for gradient in flat])
