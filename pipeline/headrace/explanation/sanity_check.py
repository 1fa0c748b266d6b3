"""Sanity check: whether an attribution depends on what the network has learned."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Attribute: TypeAlias = "Callable[[nn.Sequential], NDArray[np.float32]]"
"""A network -> the strengths `[rows, *places]` of its attributions on the same rows."""
MAX_SIMILARITY = 0.8
"""An attribution at least this similar to that of a randomised network says little about the trained one."""
MIN_PLACES = 3


def check_sanity(
    network: nn.Sequential,
    attribute: Attribute,
    strengths: NDArray[np.float32],
    *,
    is_place: NDArray[np.bool_],
    num_networks: int,
    seed: int,
) -> float | None:
    """Returns the mean similarity to the attributions of networks with randomised weights.

    Adebayo et al. (2018), Sanity Checks for Saliency Maps, section 4: model parameter randomization, of all layers.

    Args:
        network: the trained network.
        attribute: attributes with a network.
        strengths: `[rows, *places]`: what `attribute` returns for the trained network.
        is_place: `[rows, *places]`: which places a row has.
        num_networks: number of randomised networks, over which the mean is taken.
        seed: of their weights.

    Returns:
        Spearman's rank correlation over the places, in [-1, 1], the mean over rows and networks; None where it is
        undefined for every row, such as for equal attributions of all places.
    """
    networks = (shuffle_weights(network, seed + index) for index in range(num_networks))
    similarities = [
        similarity
        for others in map(attribute, networks)
        for row, other, places in zip(strengths, others, is_place, strict=True)
        if (similarity := rank_correlation(row[places], other[places])) is not None
    ]
    return float(np.mean(similarities)) if similarities else None


def shuffle_weights(network: nn.Sequential, seed: int) -> nn.Sequential:
    """Returns a copy of a network whose parameters are shuffled, each tensor on its own.

    They thus stay at their scale, also in a model whose initial weights are 0.
    """
    import torch

    rng, shuffled = np.random.default_rng(seed), copy.deepcopy(network)
    with torch.no_grad():
        for parameter in shuffled.parameters():
            values = rng.permutation(parameter.detach().numpy().reshape(-1)).reshape(parameter.shape)
            parameter.copy_(torch.from_numpy(values))
    return shuffled


def rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float | None:
    """Spearman's rank correlation of two arrays; None for constant ones, or fewer than three values.

    As `scipy.stats.spearmanr`, whose import takes longer than the explanation of a small table.
    """
    if first.size < MIN_PLACES:
        return None
    ranks = [_rank(values) for values in (first, second)]
    deviations = [values - values.mean() for values in ranks]
    scale = float(np.sqrt(np.prod([np.square(values).sum() for values in deviations])))
    return float((deviations[0] * deviations[1]).sum()) / scale if scale else None


def _rank(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, indices, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[indices])
