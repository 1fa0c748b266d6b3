"""Muon: steps along the orthogonal factor of the averaged gradient (https://kellerjordan.github.io/posts/muon).

torch.optim.Muon (2.13) only accepts matrices, and computes in bfloat16, which is slow on most CPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from headrace.training.optim.param_groups import find_inner_matrices, split_weights

A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of a x + b x^3 + c x^5, which moves singular values towards 1; from the source above."""
NUM_ITERATIONS = 5
MIN_ASPECT_RATIO = 3
"""Ratio of the sides from which multiplying Gram matrices first is faster."""
STEP_RMS = 0.5
"""Root mean square of a step per unit of learning rate.

It is 1 for early steps of Adam; Liu et al. (2025, arXiv:2502.16982, section 2.2) use 0.2, as AdamW has in long
trainings of language models. On small networks and some hundred steps, 0.5 was best overall (of 0.2, 0.5 and 1, on
two datasets of digits).
"""


def orthogonalize(matrix: Tensor) -> Tensor:
    """Approximates U V^T of `matrix` = U S V^T by Newton-Schulz iterations: singular values between 0.7 and 1.2."""
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    x = x / x.norm().clamp(min=1e-7)
    is_long = x.dtype == torch.float32 and x.shape[1] >= MIN_ASPECT_RATIO * x.shape[0]
    x = _iterate_gram(x) if is_long else _iterate(x)
    return (x.T if is_tall else x).to(matrix.dtype)


def _iterate(x: Tensor) -> Tensor:
    """Iterates X <- (A + B G + C G^2) X with G = X X^T."""
    for _ in range(NUM_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x


def _iterate_gram(x: Tensor) -> Tensor:
    """Does the same, but multiplies the factors of X first: all but two products only have the shorter side.

    G commutes with p(G), so it can be iterated alone: G <- p(G) G p(G). Rounding of G in float32 loses singular values
    below some 3e-4 of the largest; five iterations would not move those near 1 either.
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
    """Combines two optimizers: Muon for the matrices inside a network, AdamW for the rest."""

    def __init__(self, network: nn.Module, lr: float, *, momentum: float, weight_decay: float) -> None:
        """Treats the kernel of a convolution as a matrix with one row per output channel; only weights decay."""
        matrices = find_inner_matrices(network)
        matrix_ids = {id(matrix) for matrix in matrices}
        weights, rest = split_weights(network)
        weights = [weight for weight in weights if id(weight) not in matrix_ids]
        groups = [{"params": weights, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
        self._adamw = AdamW(groups, lr, fused=True)
        muon_group = {"params": matrices, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__([muon_group, *self._adamw.param_groups], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Performs a step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._step_matrices(self.param_groups[0])
        # assigned at each step, since loading a state replaces them
        self._adamw.param_groups, self._adamw.state = self.param_groups[1:], self.state
        self._adamw.step()
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        """Updates b <- m b + (1 - m) g, w <- w - lr decay w - lr 0.5 sqrt(longer side) orthogonal((1 - m) g + m b)."""
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
            matrix.add_(orthogonalize(flat).reshape(matrix.shape), alpha=-size)
