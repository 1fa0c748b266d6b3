"""Gradient checkpointing (Chen et al. 2016): blocks keep their inputs alone, and are run again for the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from headrace.errors import ConfigError
from headrace.models.attention import EncoderBlock
from headrace.models.layers import Residual
from headrace.models.residual import PostActivationBlock, PreActivationBlock

BLOCKS = (EncoderBlock, PostActivationBlock, PreActivationBlock, Residual)
WITH_BLOCKS = ("resmlp", "resnet", "table_transformer", "transformer", "vit")


def check_has_blocks(network: nn.Module, model: str) -> None:
    """Raises ConfigError for a network of which nothing would be computed again."""
    if next(_outermost(network), None) is None:
        raise ConfigError(
            f"params.yaml: train.gradient_checkpointing: true, and model {model!r} has no blocks to compute again; "
            f"set false, or choose a model of {list(WITH_BLOCKS)}"
        )


def checkpoint_blocks(network: nn.Module) -> None:
    """Makes a network's blocks compute again what their gradient needs; weights, names and gradients stay the same."""
    for block in list(_outermost(network)):
        whole: Callable[..., Any] = block.forward
        again = partial(_contexts, block)
        block.forward = partial(checkpoint, whole, use_reentrant=False, context_fn=again)


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    """Blocks that lie in no other block."""
    for child in module.children():
        if isinstance(child, BLOCKS):
            yield child
        else:
            yield from _outermost(child)


def _contexts(block: nn.Module) -> tuple[Any, Any]:
    """Around the first run, and around the second."""
    return nullcontext(), _without_statistics(block)


@contextmanager
def _without_statistics(block: nn.Module) -> Iterator[None]:
    """Lets batch norm add a batch to copies of its running statistics, since they have it already."""
    kept = [(module, dict(module.named_buffers())) for module in block.modules() if isinstance(module, _BatchNorm)]
    for norm, buffers in kept:
        for name, value in buffers.items():
            setattr(norm, name, value.clone())
    try:
        yield
    finally:
        for norm, buffers in kept:
            for name, value in buffers.items():
                setattr(norm, name, value)
