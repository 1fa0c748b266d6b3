"""Gradient checkpointing (Chen et al. 2016): blocks store only their inputs, and run again for the gradient."""

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
from headrace.training.engine.row_dropout import RowDropout, list_row_dropouts

BLOCKS = (EncoderBlock, PostActivationBlock, PreActivationBlock, Residual)
MODELS_WITH_BLOCKS = ("resmlp", "resnet", "table_transformer", "transformer", "vit")


def check_has_blocks(network: nn.Module, model: str) -> None:
    """Raises ConfigError for a network without blocks to recompute."""
    if next(_outermost(network), None) is None:
        raise ConfigError(
            f"params.yaml: train.gradient_checkpointing: true, and model {model!r} has no blocks to recompute; "
            f"set false, or choose a model of {list(MODELS_WITH_BLOCKS)}"
        )


def checkpoint_blocks(network: nn.Module) -> None:
    """Makes the blocks of a network recompute their activations; weights, names and gradients stay the same."""
    for block in list(_outermost(network)):
        forward: Callable[..., Any] = block.forward
        contexts = partial(_make_contexts, block)
        block.forward = partial(checkpoint, forward, use_reentrant=False, context_fn=contexts)


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    """Yields the blocks that are not inside another block."""
    for child in module.children():
        if isinstance(child, BLOCKS):
            yield child
        else:
            yield from _outermost(child)


def _make_contexts(block: nn.Module) -> tuple[Any, Any]:
    """Returns the contexts of the first run, which follows, and of the second."""
    calls = [(dropout, dropout.num_calls) for dropout in list_row_dropouts(block)]
    return nullcontext(), _repeat_run(block, calls)


@contextmanager
def _repeat_run(block: nn.Module, calls: list[tuple[RowDropout, int]]) -> Iterator[None]:
    """Makes batch norm update copies of its running statistics, which already include the batch.

    `calls`: of the block's dropout before the first run, so that it draws the same masks.
    """
    for dropout, num_calls in calls:
        dropout.num_calls = num_calls
    originals = [(module, dict(module.named_buffers())) for module in block.modules() if isinstance(module, _BatchNorm)]
    for norm, buffers in originals:
        for name, value in buffers.items():
            setattr(norm, name, value.clone())
    try:
        yield
    finally:
        for norm, buffers in originals:
            for name, value in buffers.items():
                setattr(norm, name, value)
