"""How far a repeated training agrees with a registered model: data, code, environment, weights and metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path

import numpy as np

from headrace.contracts import Json, Metrics
from headrace.paths import Paths
from headrace.storage.bundle import GRAPH, WEIGHTS, read_bundle
from headrace.tracking.outbox import hash_file

MEASURED_TIMES = ("seconds", "per_second", "latency", "_ms", "memory")
"""Parts of the names of metrics that differ in every run."""
STAGES_COMPARED = ("train", "validate", "test")


def compare_data(lineage: Json, repeated: Json) -> Iterator[str]:
    """Yields a line for data, and one for each other thing that differs: code, environment."""
    hashes, own = lineage.get("data") or {}, repeated.get("data") or {}
    changed = [name for name in hashes if hashes[name] and hashes[name] != own.get(name)]
    known = [f"data/{name} {digest}" for name, digest in hashes.items() if digest]
    if changed:
        yield f"data: differ ({', '.join(f'data/{name}' for name in changed)}): the source has changed since"
    else:
        yield f"data: equal ({', '.join(known)})" if known else "data: DVC's hashes were not recorded"
    if lineage.get("code") != repeated.get("code"):
        yield "code: differs from that of the model; its version of headrace is needed"
    before, now = (
        {"python": each.get("python"), "platform": each.get("platform")} | (each.get("packages") or {})
        for each in (lineage, repeated)
    )
    others = [f"{name} {before[name]} (here {now.get(name)})" for name in before if before[name] != now.get(name)]
    if others:
        yield f"environment: differs: {', '.join(others)}"


def compare_weights(project: Paths, digest: str, graph_path: Path | None) -> tuple[bool, str]:
    """Returns whether the weights are equal, and a line.

    `digest`: the SHA-256 of the model's weights, or ""; `graph_path`: its graph, None if that is quantised or gone.
    """
    own = hash_file(project.trained_dir / WEIGHTS)
    if own == digest:
        return True, f"weights: equal bit for bit (sha256 {own})"
    if graph_path is None:
        known = "differ" if digest else "not compared: their hash was not recorded"
        return False, f"weights: {known}; the model serves no float32 graph, whose numbers could be compared"
    difference, name = _find_largest_difference(graph_path, project.trained_dir / GRAPH)
    if difference == 0 and not digest:
        return True, "weights: equal bit for bit (those of the graph)"
    return False, f"weights: differ, {f'by at most {difference:.3g} ({name})' if name else 'also in their shapes'}"


def _find_largest_difference(first_path: Path, second_path: Path) -> tuple[float, str]:
    """Returns the largest difference between two graphs' numbers, and the name of its tensor; "" for other shapes."""
    import onnx
    from onnx import numpy_helper

    first, second = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
        for path in (first_path, second_path)
    )
    if {name: values.shape for name, values in first.items()} != {name: each.shape for name, each in second.items()}:
        return inf, ""
    differences = {
        name: float(np.abs(values.astype(np.float64) - second[name].astype(np.float64)).max(initial=0.0))
        for name, values in first.items()
    }
    name = max(differences, key=differences.__getitem__, default="")
    return differences.get(name, 0.0), name


def compare_metrics(metrics: Mapping[str, Metrics], project: Paths) -> tuple[bool, str]:
    """Returns whether the metrics that are no times are equal, and a line with the largest difference."""
    pairs: dict[str, tuple[float, float | None]] = {}
    for stage in STAGES_COMPARED:
        path = project.metrics_path(stage)
        own = json.loads(path.read_bytes()) if path.is_file() else {}
        for name, value in metrics.get(stage, {}).items():
            if not any(part in name for part in MEASURED_TIMES):
                pairs[f"{stage}/{name}"] = (value, own.get(name))
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    num_equal = len(pairs) - len(different)
    if not different:
        return bool(pairs), f"metrics: all {len(pairs)} equal bit for bit" if pairs else "metrics: none were recorded"
    distances = {name: _measure_distance(*pair) for name, pair in different.items()}
    farthest = max(distances, key=distances.__getitem__)
    before, now = different[farthest]
    return False, (
        f"metrics: {num_equal} of {len(pairs)} equal bit for bit; farthest apart is {farthest}:"
        f" {before!r}, here {'not there' if now is None else repr(now)}"
    )


def _measure_distance(before: float, now: float | None) -> float:
    return inf if now is None else abs(before - now) / max(abs(before), abs(now))


def read_lineage(project: Paths) -> Json:
    """Returns the lineage of the repeated training."""
    return read_bundle(project.trained_dir).card.lineage
