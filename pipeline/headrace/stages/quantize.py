"""Quantize: models/trained + train sample + val -> models/quantized. Keeps the int8 graph that is measured right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from headrace.config import Section
from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.quantization.benchmark import CandidateMetrics
    from headrace.quantization.selection import Assessment
    from headrace.storage.arrays import Inputs
    from headrace.storage.bundle import Bundle
    from headrace.tasks import Task


class Config(Section):
    """The section `quantize`."""

    max_loss: Annotated[float, Field(ge=0, le=1)] = 0.005
    """Accuracy in [0, 1] (or R2, for regression) that int8 may lose on the validation rows: 0.005 is half a point."""
    max_latency: Annotated[float, Field(gt=0)] = 1.25
    """Times the latency of fp32 in ONNX Runtime, the mean of the ratios at 1 row and at 64.

    Above 1 because int8 is about as fast as fp32 on tiny networks, and measuring is noisy.
    """
    max_size: Annotated[float, Field(gt=0)] = 0.6
    """Times the bytes of the fp32 graph."""
    num_calibration_rows: Annotated[int, Field(gt=0)] = 512
    """Train rows that the ranges of the activations are read from."""
    seed: int = 0
    """Of the draw of those rows."""
    methods: Annotated[list[Literal["static", "dynamic"]], Field(min_length=1)] = ["static", "dynamic"]
    """Which candidates are made: calibrated activations (convolutions), or ranged as they come (transformers)."""


def run(config: Config, paths: Paths) -> Metrics:
    """Makes candidates, measures them against fp32, and keeps the best that passes; none is no failure.

    The `int8_` metrics are those of the kept candidate, or, where `passed` is 0, of the one that came nearest.
    """
    from tempfile import TemporaryDirectory

    from headrace.storage.arrays import open_arrays
    from headrace.storage.atomic import atomic_dir
    from headrace.storage.bundle import read_bundle
    from headrace.tasks import TASKS

    bundle = read_bundle(paths.trained_dir)
    rows = _calibration_rows(open_arrays(paths.normalized_dir / "train").inputs, config)
    with TemporaryDirectory() as scratch, atomic_dir(paths.quantized_dir) as folder:
        graph_paths, failures = _make(bundle, Path(scratch), rows=rows, methods=config.methods)
        task = TASKS[bundle.spec.task]
        figures = _measured(graph_paths, paths.normalized_dir / "val", task)
        verdicts = _judged(figures, failures, config=config, quality=task.quality)
        return _keep(folder, graph_paths, fp32=figures["fp32"], verdicts=verdicts, config=config, quality=task.quality)


def _calibration_rows(inputs: Inputs, config: Config) -> NDArray[Any]:

    num_rows = min(config.num_calibration_rows, len(inputs))
    if num_rows == 0:
        raise DataError("data/normalized/train: holds no rows to calibrate with; run: dvc repro")
    # in order, as the disk likes it
    return inputs[np.sort(np.random.default_rng(config.seed).choice(len(inputs), num_rows, replace=False))]


def _make(
    bundle: Bundle, scratch: Path, *, rows: NDArray[Any], methods: list[Literal["static", "dynamic"]]
) -> tuple[dict[str, Path], dict[str, str]]:
    """The graphs by name, fp32 first, and why others could not be made."""
    from headrace.quantization.candidates import CANDIDATES, make_candidate, prepare_graph
    from headrace.storage.bundle import GRAPH

    graph_paths, failures = {"fp32": bundle.folder / GRAPH}, {}
    prepare_graph(graph_paths["fp32"], scratch / "prepared.onnx")
    for name, recipe in CANDIDATES.items():
        if recipe.method not in methods:
            continue
        path = scratch / f"{name}.onnx"
        try:
            make_candidate(recipe, scratch / "prepared.onnx", path, rows=rows)
        except DataError as error:
            failures[name] = str(error)
        else:
            graph_paths[name] = path
    return graph_paths, failures


def _measured(graph_paths: dict[str, Path], val_dir: Path, task: Task) -> dict[str, CandidateMetrics]:
    from headrace.quantization.benchmark import measure_graphs
    from headrace.storage.arrays import open_arrays

    val = open_arrays(val_dir)
    if len(val) == 0:
        raise DataError(f"{val_dir}: holds no rows; give the split a larger share in params.yaml: split.fractions")
    return measure_graphs(graph_paths, val, task, reference="fp32")


def _judged(figures: dict[str, CandidateMetrics], failures: dict[str, str], *, config: Config, quality: str) -> list[Assessment]:
    from headrace.quantization.selection import SelectionLimits, Assessment, assess_candidate

    limits = SelectionLimits(config.max_loss, config.max_latency, config.max_size)
    judged = [
        assess_candidate(name, found, fp32=figures["fp32"], limits=limits, quality=quality)
        for name, found in figures.items()
        if name != "fp32"
    ]
    return judged + [Assessment(name, None, 1.0, 0.0, 0.0, [reason]) for name, reason in failures.items()]


def _keep(
    folder: Path, graph_paths: dict[str, Path], *, fp32: CandidateMetrics, verdicts: list[Assessment], config: Config, quality: str
) -> Metrics:
    """Copies the chosen graph, tells why in `choice.json`, and sums it up."""
    import shutil

    from headrace.quantization.selection import select_candidate
    from headrace.storage.atomic import write_json

    best = select_candidate(verdicts)
    has_passed = best is not None and not best.reasons
    choice: dict[str, Any] = {
        "chosen": best.name if best and has_passed else None,
        "limits": config.model_dump(include={"max_loss", "max_latency", "max_size"}),
        "fp32": fp32.named(quality),
        "candidates": [_told(verdict, quality) for verdict in verdicts],
    }
    write_json(folder / "choice.json", choice)
    if best and has_passed:
        shutil.copyfile(graph_paths[best.name], folder / "model.onnx")
    else:
        _warn(verdicts)
    metrics: Metrics = {"passed": int(has_passed), "num_candidates": len(verdicts), **_prefixed("fp32", fp32, quality)}
    if best and best.figures:
        ratios = {"loss": best.loss, "size_ratio": best.size_ratio, "latency_ratio": best.latency_ratio}
        metrics |= {**_prefixed("int8", best.figures, quality), "agreement": best.figures.agreement, **ratios}
    return metrics


def _prefixed(prefix: str, figures: CandidateMetrics, quality: str) -> Metrics:
    return {f"{prefix}_{name}": value for name, value in figures.named(quality).items() if name != "agreement"}


def _told(verdict: Assessment, quality: str) -> dict[str, Any]:
    if verdict.figures is None:
        return {"name": verdict.name, "passed": False, "reasons": verdict.reasons}
    return {
        "name": verdict.name,
        "passed": not verdict.reasons,
        "reasons": verdict.reasons,
        "loss": verdict.loss,
        "latency_ratio": verdict.latency_ratio,
        "size_ratio": verdict.size_ratio,
        **verdict.figures.named(quality),
    }


def _warn(verdicts: list[Assessment]) -> None:
    import logging

    reasons = "; ".join(f"{verdict.name} {' and '.join(verdict.reasons)}" for verdict in verdicts)
    logging.getLogger(__name__).warning(
        "quantize: no int8 model is kept: %s; serve fp32, or change the limits in params.yaml: quantize", reasons
    )
