"""Comparison of attribution methods: the faithfulness of each, and its sanity check, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.errors import ConfigError
from headrace.explanation.examples import ExplainedRows
from headrace.explanation.faithfulness import Curves, compare_with_random, measure_faithfulness
from headrace.explanation.methods.attributions import MethodName
from headrace.explanation.row_selection import spread_rows
from headrace.explanation.sanity_check import check_sanity
from headrace.explanation.subject import AnsweredSplit, Subject

if TYPE_CHECKING:
    from torch import nn

NUM_RANDOMIZED = 3
"""Networks with shuffled weights."""
MAX_SANITY_ROWS = 8


class MethodResult(NamedTuple):
    """How much one method's attributions say about the model."""

    method: MethodName
    num_rows: int
    curves: Curves
    metrics: Metrics
    """See `measure_faithfulness`."""
    sanity_check: float | None
    """See `check_sanity`."""


def choose_methods(
    subject: Subject, chosen: MethodName, others: Literal["auto"] | Sequence[MethodName]
) -> tuple[list[MethodName], dict[MethodName, str]]:
    """Returns the methods to use, the chosen one first, and why others do not apply to the model.

    Raises ConfigError if the chosen one does not.
    """
    candidates = dict.fromkeys((chosen, *(subject.view.methods if others == "auto" else others)))
    obstacles = {method: subject.view.find_obstacle(method, subject.network) for method in candidates}
    if obstacles[chosen]:
        possible = [
            method for method in subject.view.methods if not subject.view.find_obstacle(method, subject.network)
        ]
        raise ConfigError(
            f"params.yaml: explain.method: {chosen!r} does not apply: {obstacles[chosen]}; choose one of {possible}"
        )
    usable = [method for method, obstacle in obstacles.items() if not obstacle]
    return usable, {method: obstacle for method, obstacle in obstacles.items() if obstacle}


def measure_method(
    subject: Subject, split: AnsweredSplit, explained: ExplainedRows, method: MethodName, *, seed: int
) -> MethodResult:
    """Measures the attributions of some rows by one method."""
    rows, inputs = explained.rows, explained.inputs
    strengths = subject.measure_strength(explained.maps[method])
    score = subject.make_score(split, rows)
    curves = compare_with_random(score, inputs, strengths, subject.view, seed=seed)
    some = spread_rows(len(rows), MAX_SANITY_ROWS)
    outputs = split.answers.outputs[rows[some]]

    def attribute(network: nn.Sequential) -> NDArray[np.float32]:
        maps = subject.attribute(method, inputs[some], outputs, network)
        return subject.measure_strength(maps)

    similarity = check_sanity(
        subject.network,
        attribute,
        strengths[some],
        is_place=subject.view.are_places(inputs[some]),
        num_networks=NUM_RANDOMIZED,
        seed=seed,
    )
    return MethodResult(method, len(rows), curves, measure_faithfulness(curves), similarity)
