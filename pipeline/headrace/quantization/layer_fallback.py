"""Fallback by layer: the nodes that cost a candidate most of its quality are left in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.errors import DataError
from headrace.evaluation.result import Table
from headrace.quantization.candidates import CANDIDATES, Candidate, find_nodes, make_candidate
from headrace.storage.onnx_model import OnnxModel

NUM_RANKING_ROWS = 64
SMALL_GEMM = 16
"""Matrix products with fewer rows or columns gain nothing from 8 bits."""
GROWTH = 0.25
"""Each step excludes this fraction more nodes than the last: a deep network takes tens of steps, not hundreds."""


class Sensitivity(NamedTuple):
    """What quantizing one node alone does to the outputs."""

    node: str
    op: str
    divergence: float | None
    """Mean squared difference of the outputs, as a fraction of their variance; None if the graph cannot run."""
    excluded: bool = False
    """Whether the node stays in float32."""


class Fallback(NamedTuple):
    """A candidate with some nodes in float32."""

    sensitivities: list[Sensitivity]
    """The nodes that could be quantized, the most sensitive first; those that were not ranked in time are missing."""
    excluded: list[str]
    """Nodes in float32; empty if no graph within the limit was found."""
    num_nodes: int
    """Nodes that could be quantized."""
    num_tried: int
    """Nodes in float32 in the last graph that was tried."""

    @property
    def reason(self) -> str:
        """Why no graph within the limit was found."""
        return f"loses too much with {self.num_tried} of {self.num_nodes} nodes in float32 too"

    def to_json(self) -> list[Json]:
        """The content of `sensitivity.json`."""
        return [each._asdict() for each in self.sensitivities]


def choose_candidate_to_repair(losses: dict[str, float], max_loss: float) -> str | None:
    """Returns the candidate whose nodes should be excluded, by the loss of each; None if that gains nothing.

    That is the best static one if all static ones lose too much: they are the quick ones. Without static ones, it is
    `weights`, if it loses too much.
    """
    methods = {CANDIDATES[name].method for name in losses}
    method = "static" if "static" in methods else "weights"
    candidates = {name: loss for name, loss in losses.items() if CANDIDATES[name].method == method}
    best = min(candidates, key=candidates.__getitem__, default=None)
    return best if best and candidates[best] > max_loss else None


def exclude_sensitive_nodes(
    candidate: Candidate,
    prepared_path: Path,
    path: Path,
    *,
    rows: NDArray[Any],
    is_within_limit: Callable[[Path], bool],
    seconds: float,
) -> Fallback:
    """Writes the candidate with as few nodes in float32 as `is_within_limit` needs, which measures a graph.

    The first and the last layer and matrix products below SMALL_GEMM are excluded first, then the most sensitive nodes,
    until the graph is within the limit, no more than one node is left, or `seconds` are over, at most half of which go
    into ranking.
    """
    end = perf_counter() + seconds
    nodes = find_nodes(candidate, prepared_path, rows)
    ranked = rank_nodes(candidate, prepared_path, rows=rows[:NUM_RANKING_ROWS], end=end - seconds / 2)
    order = list(dict.fromkeys([*(each.node for each in ranked), *nodes]))
    excluded: list[str] = []
    for excluded in _grow(find_cheap_nodes(prepared_path, nodes), order):
        try:
            make_candidate(candidate, prepared_path, path, rows=rows, exclude=excluded)
            is_enough = is_within_limit(path)
        except DataError:  # ONNX Runtime cannot quantize the graph with these exclusions
            is_enough = False
        if is_enough:
            marked = [each._replace(excluded=each.node in excluded) for each in ranked]
            return Fallback(marked, excluded, len(nodes), len(excluded))
        if perf_counter() > end:
            break
    return Fallback(ranked, [], len(nodes), len(excluded))


def rank_nodes(
    candidate: Candidate, prepared_path: Path, *, rows: NDArray[Any], end: float = float("inf")
) -> list[Sensitivity]:
    """Quantizes each node alone, and sorts the nodes by the divergence on `rows`, the largest first.

    Nodes that are not ranked before `end` (of `perf_counter`) are missing.
    """
    nodes, expected = find_nodes(candidate, prepared_path, rows), OnnxModel(prepared_path).predict(rows)
    ranked = []
    for node, op in nodes.items():
        if perf_counter() > end:
            break
        path = prepared_path.with_name("alone.onnx")
        try:
            make_candidate(candidate, prepared_path, path, rows=rows, exclude=nodes.keys() - {node})
            divergence = _measure_divergence(OnnxModel(path).predict(rows), expected)
        except DataError:
            divergence = None
        ranked.append(Sensitivity(node, op, divergence))
    return sorted(ranked, key=lambda each: -np.inf if each.divergence is None else -each.divergence)


def tabulate_nodes(fallback: Fallback | None) -> Table:
    """Returns the table for `dvc plots`; it is empty if the nodes were not ranked."""
    return Table(Sensitivity._fields, fallback.sensitivities if fallback else ())


def _measure_divergence(outputs: NDArray[np.float32], expected: NDArray[np.float32]) -> float | None:
    divergence = float(np.square(outputs - expected).mean() / max(float(expected.var()), np.finfo(np.float32).tiny))
    return divergence if np.isfinite(divergence) else None


def _grow(cheap: list[str], order: list[str]) -> Iterator[list[str]]:
    """Yields growing lists of excluded nodes: the cheap ones, then more and more in `order`, but never all of them."""
    excluded, rest = cheap, [node for node in order if node not in cheap]
    while True:
        if excluded and len(excluded) < len(order):
            yield excluded
        if not rest:
            return
        num_more = max(1, int(GROWTH * len(excluded)))
        excluded, rest = [*excluded, *rest[:num_more]], rest[num_more:]


def find_cheap_nodes(prepared_path: Path, nodes: dict[str, str]) -> list[str]:
    """Returns the first and the last node with weights, and small matrix products: they cost little size and time."""
    import onnx

    graph = onnx.load(prepared_path).graph
    dims = {tensor.name: list(tensor.dims) for tensor in graph.initializer if len(tensor.dims) > 1}
    shapes = {node.name: dims[node.input[1]] for node in graph.node if len(node.input) > 1 and node.input[1] in dims}
    layers = [node for node in nodes if node in shapes]
    small = [node for node in layers if nodes[node] in {"Gemm", "MatMul"} and min(shapes[node]) < SMALL_GEMM]
    return list(dict.fromkeys([*layers[:1], *layers[-1:], *small]))
