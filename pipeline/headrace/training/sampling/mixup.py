"""Mixes rows with partners of the same global batch (mixup, CutMix), the same for any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from headrace.contracts import Batch, Json, ModalityName, RowMixer
from headrace.data.augmenters import AugmentationSettings, make_mixers
from headrace.data.row_random import STREAMS, draw_uniforms
from headrace.training.sampling.batch_order import WorkerShare


class Pairs(NamedTuple):
    """The partners of the rows of a worker's share."""

    key: str
    """`mixup` or `cutmix`."""
    partners: NDArray[np.int64]
    """Position in the global batch of each row's partner."""
    weights: NDArray[np.float64]
    """Weight of each row itself in the mixed one, in [0, 1]."""


class Mixer:
    """Applies mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019); with both, each step draws one."""

    def __init__(self, mixers: Mapping[str, RowMixer], settings: AugmentationSettings) -> None:
        """`mixers` by key of `settings`, which holds the alphas of their Beta distributions."""
        self._mixers, self._alphas, self._seed = mixers, {key: getattr(settings, key) for key in mixers}, settings.seed

    def draw_pairs(self, share: WorkerShare, epoch: int, step: int) -> Pairs:
        """Draws for the whole global batch from (seed, epoch, step), so that the share does not matter."""
        rng = np.random.Generator(np.random.Philox(key=[(STREAMS["mix"] << 32) + self._seed, (epoch << 32) + step]))
        key = list(self._mixers)[rng.integers(len(self._mixers))]
        partners = rng.permutation(len(share.batch))
        weights = rng.beta(self._alphas[key], self._alphas[key], len(share.batch))
        own = slice(share.first, share.first + len(share.rows))
        return Pairs(key, partners[own], weights[own])

    def mix(
        self, pairs: Pairs, inputs: NDArray[Any], others: NDArray[Any], *, rows: NDArray[np.int64], epoch: int
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Returns mixed inputs, and the weights of the rows themselves in them."""
        draw = partial(draw_uniforms, self._seed, STREAMS["mix"], epoch, rows)
        mixed, weights = self._mixers[pairs.key](inputs, others, pairs.weights, draw)
        return mixed, weights.astype(np.float32)


def make_mixer(modality: ModalityName, settings: AugmentationSettings, transform: Json) -> Mixer | None:
    """Builds the mixer, or None if mixing is off; raises ConfigError if the data cannot be mixed."""
    mixers = make_mixers(modality, settings, transform)
    return Mixer(mixers, settings) if mixers else None


def split_mixed_batch(batch: Batch) -> list[Batch]:
    """Returns batches whose losses sum to lam * loss(targets) + (1 - lam) * loss(partner_targets)."""
    if batch.partner_targets is None or batch.mix_weights is None:
        return [batch]
    own, others = batch.weights * batch.mix_weights, batch.weights * (1 - batch.mix_weights)
    plain = batch._replace(partner_targets=None, mix_weights=None)
    return [plain._replace(weights=own), plain._replace(targets=batch.partner_targets, weights=others)]


def sum_over_mixed(batch: Batch, measure: Callable[[Batch], torch.Tensor]) -> torch.Tensor:
    """Returns the sum of `measure(part)`, which is a weighted sum over rows, of both parts of a mixed batch."""
    own, *others = (measure(part) for part in split_mixed_batch(batch))
    return own + others[0] if others else own  # sum() would add 0, an operation per step
