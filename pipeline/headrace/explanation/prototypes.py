"""Prototypes: the train rows that the network represents most like an explained row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.explanation.examples import Prototype, name_target
from headrace.explanation.methods.attributions import ROWS_PER_RUN
from headrace.explanation.row_selection import sample_rows
from headrace.explanation.subject import Subject
from headrace.storage.arrays import Inputs, open_arrays, read_sources

if TYPE_CHECKING:
    from torch import nn

MAX_VALUES = 2**24
"""Input values of all sampled train rows: 111 colour images of 224 pixels, 21,000 images of 28 pixels."""


class Neighbours(NamedTuple):
    """The nearest train rows of some rows, the nearest first."""

    rows: NDArray[np.int64]
    """`[rows, neighbours]`: positions among the train rows."""
    distances: NDArray[np.float64]
    """`[rows, neighbours]`: Euclidean distances of the features."""


def find_prototypes(
    subject: Subject, train_dir: Path, shown: Sequence[NDArray[Any]], *, num_rows: int, number: int, seed: int
) -> list[list[Prototype]]:
    """Returns the nearest train rows of each row of the batches `shown`; nothing where the network has no features.

    `num_rows` random train rows are searched.
    """
    arrays, sources = open_arrays(train_dir), read_sources(train_dir)
    sampled = sample_train_rows(arrays.inputs, num_rows, seed=seed)
    train_features = compute_features(subject.network, arrays.inputs, sampled)
    batches = [compute_features(subject.network, inputs, np.arange(len(inputs))) for inputs in shown if len(inputs)]
    features = [batch for batch in batches if batch is not None]
    if train_features is None or not features:
        return []
    neighbours = find_neighbours(np.concatenate(features), train_features, sampled, number=number)
    return [
        [
            Prototype(
                row_id=arrays.row_ids[row].decode("ascii"),
                source="" if sources is None else str(sources[int(row)]),
                label=name_target(subject.spec, arrays.targets[row]),
                distance=float(distance),
                shown=subject.view.show_input(arrays.inputs[int(row)]),
            )
            for row, distance in zip(*pair, strict=True)
        ]
        for pair in zip(*neighbours, strict=True)
    ]


def find_neighbours(
    features: NDArray[np.float32], train_features: NDArray[np.float32], train_rows: NDArray[np.int64], *, number: int
) -> Neighbours:
    """Returns the `number` nearest of the train rows at positions `train_rows`; ties by position.

    Their outputs differ at most by the distance times the norm of the last layer's weights.
    """
    distances = np.stack([np.linalg.norm(train_features - row, axis=1) for row in features.astype(np.float64)])
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :number]
    return Neighbours(train_rows[nearest], np.take_along_axis(distances, nearest, axis=1))


def sample_train_rows(inputs: Inputs, num_rows: int, *, seed: int) -> NDArray[np.int64]:
    """Returns the sorted positions of at most `num_rows` random rows, of at most MAX_VALUES values."""
    size = max(1, int(np.prod(inputs.shape[1:])))
    return sample_rows(len(inputs), max(1, min(num_rows, MAX_VALUES // size)), seed=seed)


def compute_features(network: nn.Sequential, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Returns the inputs `[rows, features]` of the last linear layer that the network executes; None without one.

    Linear layers of tokens do not count: their number varies.
    """
    import torch

    from headrace.models.tta import remove_test_time_augmentation

    network = remove_test_time_augmentation(network)
    recorded: list[Any] = []
    linear = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]

    def record(_: Any, values: tuple[Any, ...]) -> None:
        recorded.extend(values[:1] if values[0].ndim == 2 else [])  # noqa: PLR2004 [rows, features]

    hooks = [module.register_forward_pre_hook(record) for module in linear]
    features = []
    try:
        with torch.no_grad():
            for start in range(0, len(rows), ROWS_PER_RUN):
                batch = rows[start : start + ROWS_PER_RUN]
                recorded.clear()
                network(torch.from_numpy(np.array(inputs[batch])))
                if not recorded:
                    return None
                features.append(recorded[-1].numpy())
    finally:
        for hook in hooks:
            hook.remove()
    return np.concatenate(features)
