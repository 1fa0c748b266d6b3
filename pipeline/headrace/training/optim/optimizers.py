"""Optimizers by name. OPTIMIZERS: name -> the class with its options, which builds it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from headrace.config import Section, build_options

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

FUSED = True
"""One kernel for the whole step instead of one per operation, which take a tenth of the steps of small networks."""
Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Section):
    """Options of an optimizer; the learning rate and the weight decay are keys of `train` itself."""

    @abstractmethod
    def build(self, network: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizer:
        """Builds the optimizer for all parameters of `network`."""


class Gd(OptimizerOptions):
    """Plain gradient descent, theta <- theta - alpha grad J; on full batches if `batch_size` covers all train rows."""

    def build(self, network: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizer:
        """See OptimizerOptions; weight decay is an L2 penalty on all parameters."""
        from torch.optim import SGD

        return SGD(network.parameters(), learning_rate, weight_decay=weight_decay, fused=FUSED)


class Sgd(OptimizerOptions):
    """Stochastic gradient descent with momentum: v <- momentum v + g, theta <- theta - alpha v (or g + momentum v)."""

    momentum: Decay = 0.9
    """Fraction of the previous step that is repeated; 0 disables momentum."""
    nesterov: bool = True
    """Whether to step along g + momentum v (Sutskever et al. 2013, section 2) instead of v."""

    def build(self, network: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizer:
        """See OptimizerOptions; weight decay is an L2 penalty on all parameters."""
        from torch.optim import SGD

        return SGD(
            network.parameters(),
            learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,  # torch rejects it without momentum, where it has no effect
            weight_decay=weight_decay,
            fused=FUSED,
        )


class Adam(OptimizerOptions):
    """Adam (Kingma and Ba 2015)."""

    betas: list[Decay] = [0.9, 0.999]
    """Decay per step of the moving averages of the gradient and of its square."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the averaged square."""

    @field_validator("betas")
    @classmethod
    def _are_two(cls, betas: list[float]) -> list[float]:
        if len(betas) != 2:  # noqa: PLR2004
            raise ValueError(f"got {betas}; must be two numbers")
        return betas

    def build(self, network: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizer:
        """See OptimizerOptions; weight decay is an L2 penalty on all parameters."""
        from torch.optim import Adam

        betas = (self.betas[0], self.betas[1])
        return Adam(
            network.parameters(), learning_rate, betas=betas, eps=self.eps, weight_decay=weight_decay, fused=FUSED
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), which excludes biases and normalization."""

    def build(self, network: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizer:
        """See OptimizerOptions."""
        from torch.optim import AdamW

        from headrace.training.optim.param_groups import split_weights

        weights, rest = split_weights(network)
        groups = [{"params": weights, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
        return AdamW(groups, learning_rate, betas=(self.betas[0], self.betas[1]), eps=self.eps, fused=FUSED)


class Muon(OptimizerOptions):
    """Muon (Jordan 2024) for dense layers and convolutions, AdamW for the last layer and all other parameters.

    Its steps are as large as those of AdamW, so the same learning rate and weight decay can be used.
    """

    momentum: Decay = 0.95
    """Decay per step of the moving average of the gradient, whose orthogonal factor gives the step."""

    def build(self, network: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizer:
        """See OptimizerOptions."""
        from headrace.training.optim.muon import Muon

        return Muon(network, learning_rate, momentum=self.momentum, weight_decay=weight_decay)


OPTIMIZERS: dict[str, type[OptimizerOptions]] = {"adam": Adam, "adamw": AdamW, "gd": Gd, "muon": Muon, "sgd": Sgd}


def make_optimizer(
    network: nn.Module, named_options: Mapping[str, Any], *, learning_rate: float, weight_decay: float
) -> Optimizer:
    """Builds an optimizer for all parameters of the network; `named_options`: its `name` in OPTIMIZERS and options."""
    options = build_options(named_options, OPTIMIZERS, "params.yaml: train.optimizer")
    return options.build(network, learning_rate=learning_rate, weight_decay=weight_decay)
