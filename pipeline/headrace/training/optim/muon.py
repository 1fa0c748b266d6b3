"""Muon: steps along the orthogonal factor of the mean gradient (https://kellerjordan.github.io/posts/muon).

torch.optim.Muon (2.13) takes matrices alone, and works in bfloat16, which is slow on most CPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from headrace.training.optim.param_groups import inner_matrices, weights_and_rest

A, B, C = 3.4445, -4.7750, 2.0315
"""Of the quintic a x + b x^3 + c x^5 that takes singular values near 1; they stand in the source named above."""
NUM_ITERATIONS = 5
LONG = 3
"""How often the shorter side goes into the longer one where the detour over the Gram matrix takes fewer products."""
STEP_RMS = 0.5
"""Root mean square of a step per unit of learning rate.

That of Adam's early steps is 1; Liu et al. (2025, arXiv:2502.16982, section 2.2) have 0.2, of AdamW in long trainings
of language models. On small networks of some hundred steps 0.5 did best on the whole (of 0.2, 0.5 and 1; two
sets of digits).
"""


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of `matrix` = U S V^T: singular values between 0.7 and 1.2, by five Newton-Schulz iterations."""
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    x = x / x.norm().clamp(min=1e-7)
    x = _of_its_gram(x) if x.dtype == torch.float32 and x.shape[1] >= LONG * x.shape[0] else _of_itself(x)
    return (x.T if is_tall else x).to(matrix.dtype)


def _of_itself(x: Tensor) -> Tensor:
    """X <- (A + B G + C G^2) X of G = X X^T."""
    for _ in range(NUM_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x


def _of_its_gram(x: Tensor) -> Tensor:
    """The same, the factors of X multiplied first: all but two products are of the shorter side alone.

    G follows by itself, as it commutes with p(G): G <- p(G) G p(G). Singular values below some 3e-4 of the largest
    are lost in G's rounding, in float32; five iterations would not bring them near 1 either.
    """
    gram, factors = x @ x.T, [x]
    for iteration in range(NUM_ITERATIONS):
        gram = factors[0] @ gram @ factors[0] if iteration else gram
        factor = torch.addmm(gram, gram, gram, beta=B, alpha=C)
        factor.diagonal().add_(A)
        factors.insert(0, factor)
    product: Tensor = torch.linalg.multi_dot(factors)
    return product


class Muon(Optimizer):
    """One optimizer of two: Muon for the matrices inside a network, AdamW for the rest."""

    def __init__(self, network: nn.Module, lr: float, *, momentum: float, weight_decay: float) -> None:
        """A convolution's kernel counts as a matrix of one row an output channel; decay is of weights alone."""
        matrices = inner_matrices(network)
        taken = {id(matrix) for matrix in matrices}
        weights, rest = weights_and_rest(network)
        weights = [weight for weight in weights if id(weight) not in taken]
        groups = [{"params": weights, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
        self._adamw = AdamW(groups, lr, fused=True)
        own = {"params": matrices, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__([own, *self._adamw.param_groups], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._step_matrices(self.param_groups[0])
        # shared anew each time: a loaded state has replaced them
        self._adamw.param_groups, self._adamw.state = self.param_groups[1:], self.state
        self._adamw.step()
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        """Mean b <- m b + (1 - m) g; w <- w - lr decay w - lr 0.5 sqrt(longer side) orthogonal((1 - m) g + m b)."""
        matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
        if not matrices:
            return
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        gradients = [matrix.grad for matrix in matrices]
        means = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, means, group["momentum"])  # noqa: SLF001 as torch's optimizers do
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        for matrix, direction in zip(matrices, ahead, strict=True):
            flat = direction.flatten(1)
            size = group["lr"] * STEP_RMS * max(flat.shape) ** 0.5
            matrix.add_(orthogonal(flat).reshape(matrix.shape), alpha=-size)
