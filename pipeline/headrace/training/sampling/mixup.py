"""Rows mixed with partners of the same global batch: mixup and CutMix, the same for any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from headrace.contracts import Batch, Json, Mix, ModalityName
from headrace.data.augmenters import make_mixes
from headrace.data.row_random import STREAMS, uniforms
from headrace.training.sampling.batch_order import WorkerShare


class Pairs(NamedTuple):
    """Whom the rows of one worker's share are mixed with."""

    key: str
    """How: `mixup` or `cutmix`."""
    places: NDArray[np.int64]
    """Of the partners in the global batch, one for each own row."""
    shares: NDArray[np.float64]
    """Of the own row in the mixed one, in [0, 1]."""


class Mixer:
    """mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019); with both, each step takes one at random."""

    def __init__(self, mixes: Mapping[str, Mix], settings: Mapping[str, Any]) -> None:
        """`mixes` by key of the section `train`, where the alphas of their Beta distributions are."""
        self._mixes, self._alphas, self._seed = mixes, {key: settings[key] for key in mixes}, settings["seed"]

    def pairs(self, share: WorkerShare, epoch: int, step: int) -> Pairs:
        """Drawn for the whole global batch from (seed, epoch, step), so that any share of it gets the same."""
        rng = np.random.Generator(np.random.Philox(key=[(STREAMS["mix"] << 32) + self._seed, (epoch << 32) + step]))
        key = list(self._mixes)[rng.integers(len(self._mixes))]
        places = rng.permutation(len(share.batch))
        shares = rng.beta(self._alphas[key], self._alphas[key], len(share.batch))
        own = slice(share.first, share.first + len(share.rows))
        return Pairs(key, places[own], shares[own])

    def mix(
        self, pairs: Pairs, inputs: NDArray[Any], others: NDArray[Any], *, rows: NDArray[np.int64], epoch: int
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Mixed inputs, and the shares of the own rows in them."""
        draw = partial(uniforms, self._seed, STREAMS["mix"], epoch, rows)
        mixed, shares = self._mixes[pairs.key](inputs, others, pairs.shares, draw)
        return mixed, shares.astype(np.float32)


def make_mixer(modality: ModalityName, settings: Mapping[str, Any], transform: Json) -> Mixer | None:
    """None where nothing is mixed; raises ConfigError for what cannot be done with such data."""
    mixes = make_mixes(modality, settings, transform)
    return Mixer(mixes, settings) if mixes else None


def split_mixed_batch(batch: Batch) -> list[Batch]:
    """Batches whose losses add up to lam * loss(targets) + (1 - lam) * loss(partners' targets), lam being `shares`."""
    if batch.partner_targets is None or batch.shares is None:
        return [batch]
    own, others = batch.weights * batch.shares, batch.weights * (1 - batch.shares)
    plain = batch._replace(partner_targets=None, shares=None)
    return [plain._replace(weights=own), plain._replace(targets=batch.partner_targets, weights=others)]


def sum_over_mixed(batch: Batch, measure: Callable[[Batch], torch.Tensor]) -> torch.Tensor:
    """`measure(part)` (a weighted sum over rows) of each of the parts, added up."""
    own, *others = (measure(part) for part in split_mixed_batch(batch))
    return own + others[0] if others else own  # no sum from 0, which is a step's work for nothing
