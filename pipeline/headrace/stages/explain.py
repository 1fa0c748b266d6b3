"""Explain: models/trained + models/quantized + data/normalized/val -> reports/explain. What the model looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from headrace.config import Section
from headrace.contracts import Metrics, TaskName
from headrace.explanation.page import ExplanationReport
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions
    from headrace.explanation.examples import ExplainedRows, ModelAnswers
    from headrace.explanation.views.base import View
    from headrace.storage.bundle import Bundle


class Config(Section):
    """The section `explain`."""

    num_rows: Annotated[int, Field(gt=0)] = 64
    """Validation rows, drawn at random, that the figures and the overview are over."""
    num_examples: Annotated[int, Field(ge=0)] = 12
    """Rows shown beside: a third each of surest mistakes, least sure and right ones (regression: of the largest
    errors, extreme values and others)."""
    method: Literal["integrated_gradients", "occlusion"] = "integrated_gradients"
    """Gradients along the way from an input that says nothing to the row's, or hiding it part by part (slower)."""
    num_steps: Annotated[int, Field(ge=2)] = 32
    """Points along that way; occlusion does not use it."""
    seed: int = 0
    """Of the rows drawn and of the random order to compare with."""


def run(config: Config, paths: Paths) -> Metrics:
    """Explains a sample and some telling examples, measures how faithful that is, and writes the page.

    What is there when `quantize` kept a model, over the same rows: `int8_agreement`, the share of equal answers, or
    for a regression `int8_difference`, the mean distance of the answers in the target's unit (of several targets, in
    standard deviations of the train rows').
    """
    from headrace.evaluation.predictions import predict_split
    from headrace.explanation.examples import ExplainedRows, build_examples, group_by_prediction, collect_answers
    from headrace.explanation.views import VIEWS
    from headrace.storage.bundle import read_bundle

    bundle = read_bundle(paths.trained_dir)
    found, view = predict_split(bundle, paths.normalized_dir / "val"), VIEWS[bundle.spec.modality](bundle.card.transform)
    said = collect_answers(bundle.spec, found.arrays, found.logits, _probabilities(bundle.spec.task, found.logits))
    sample, groups = _rows(config, bundle, found, said)
    rows = np.concatenate([sample, *groups.values()])
    inputs = found.arrays.inputs[rows]
    maps = _maps(config, bundle, inputs, said.asked[rows], view)
    parts = slice(len(sample)), slice(len(sample), None)
    drawn, shown = (ExplainedRows(rows[part], inputs[part], maps[part]) for part in parts)
    curves = _curves(config, bundle, _follower(bundle, found, drawn, said), drawn, view)
    metrics = _metrics(curves, len(sample)) | _int8(paths, bundle, found, drawn)
    findings = ExplanationReport(
        source=bundle.spec.source,
        task=bundle.spec.task,
        method=config.method,
        words=view.words,
        metrics=metrics,
        curves=curves,
        examples=build_examples(bundle.spec, said, groups=groups, shown=shown, view=view),
        overview=view.overview(drawn.inputs, drawn.maps, group_by_prediction(bundle.spec, said, drawn)),
    )
    _write(paths, findings, maps=maps, row_ids=found.arrays.row_ids[rows])
    return metrics


def _maps(
    config: Config, bundle: Bundle, inputs: NDArray[Any], asked: NDArray[np.int64], view: View
) -> NDArray[np.float32]:
    """Attributions of the outputs `asked`, of several targets in standard deviations: else one unit drowned others."""
    from headrace.explanation.attributions import AttributionRequest
    from headrace.models.network import load_network

    maps = view.attribute(AttributionRequest(load_network(bundle), inputs, asked, config.method, config.num_steps))
    if not bundle.spec.targets:
        return maps
    std = np.array(bundle.card.transform["target"]["std"], np.float32)[asked]
    return np.asarray(maps / std.reshape(-1, *(1,) * (maps.ndim - 1)))


def _probabilities(task: TaskName, outputs: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Of classes or labels, before calibration; None for values."""
    from headrace.evaluation.metrics.classification import softmax
    from headrace.evaluation.metrics.multilabel import sigmoid

    if task == "regression":
        return None
    return softmax(outputs) if task == "classification" else sigmoid(outputs)


def _rows(
    config: Config, bundle: Bundle, found: Predictions, said: ModelAnswers
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Indices of the sample, and of the examples by group; a regression has no confidence."""
    from headrace.explanation.examples import pick_class_examples, pick_value_examples, scale_values

    num_rows = min(config.num_rows, len(found.arrays))
    sample = np.sort(np.random.default_rng(config.seed).choice(len(found.arrays), num_rows, replace=False))
    told = {"num_examples": config.num_examples, "seed": config.seed}
    if said.confidence is None:
        scale = bundle.card.transform["target"]
        values, errors, _ = scale_values(found.arrays, found.logits, said.asked, scale)
        return sample, pick_value_examples(values, errors, **told)
    is_right = np.asarray(said.predicted == said.targets, bool)
    return sample, pick_class_examples(said.confidence, is_right, **told)


def _follower(
    bundle: Bundle, found: Predictions, drawn: ExplainedRows, said: ModelAnswers
) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """Inputs of the sample -> `[rows]`: probability of what was predicted, or the likeness to the value before."""
    from headrace.explanation.faithfulness import compute_likeness

    task, asked, rows = bundle.spec.task, said.asked[drawn.rows], np.arange(len(drawn.rows))

    def follow(inputs: NDArray[Any]) -> NDArray[np.float64]:
        outputs = found.predict(inputs)
        probabilities = _probabilities(task, outputs)
        if probabilities is not None:
            return np.asarray(probabilities[rows, asked])
        before = found.logits[drawn.rows, asked].astype(np.float64)
        spread = np.atleast_1d(bundle.card.transform["target"]["std"])[asked]
        return compute_likeness(outputs[rows, asked].astype(np.float64), before, spread)

    return follow


def _curves(
    config: Config,
    bundle: Bundle,
    follow: Callable[[NDArray[Any]], NDArray[np.float64]],
    drawn: ExplainedRows,
    view: View,
) -> dict[str, NDArray[np.float64]]:
    """Deletion curves of the sample: the most attributed places first, and in random order.

    Of a class, those that speak for it; of a value, those that move it most either way.
    """
    from headrace.explanation.faithfulness import compute_deletion_curve

    maps = np.abs(drawn.maps) if bundle.spec.task == "regression" else drawn.maps
    chance = np.random.default_rng(config.seed).random(maps.shape, dtype=np.float32)
    is_place = view.are_places(drawn.inputs)
    return {
        name: compute_deletion_curve(follow, drawn.inputs, np.where(is_place, order, -np.inf), erase=view.erase)
        for name, order in (("most attributed first", maps), ("random order", chance))
    }


def _metrics(curves: dict[str, NDArray[np.float64]], num_rows: int) -> Metrics:
    from headrace.explanation.faithfulness import area_under_curve

    deletion, chance = (area_under_curve(curve) for curve in curves.values())
    return {
        "num_rows": num_rows,
        "deletion_auc": deletion,
        "random_auc": chance,
        "faithfulness": chance - deletion,
    }


def _int8(paths: Paths, bundle: Bundle, found: Predictions, drawn: ExplainedRows) -> Metrics:

    from headrace.storage.onnx_model import OnnxModel

    path = paths.quantized_dir / "model.onnx"
    if not path.is_file():
        return {}
    outputs, before = OnnxModel(path).predict(drawn.inputs), found.logits[drawn.rows]
    if bundle.spec.task == "regression":
        unit = np.array(bundle.card.transform["target"]["std"]) if bundle.spec.targets else 1.0
        return {"int8_difference": float(np.abs((outputs - before.astype(np.float64)) / unit).mean())}
    if bundle.spec.task == "multilabel":
        return {"int8_agreement": float(((outputs > 0) == (before > 0)).all(axis=1).mean())}
    return {"int8_agreement": float((outputs.argmax(axis=1) == found.predicted[drawn.rows]).mean())}


def _write(paths: Paths, findings: ExplanationReport, *, maps: NDArray[np.float32], row_ids: NDArray[np.bytes_]) -> None:

    from headrace.explanation.page import render_explanation
    from headrace.storage.atomic import atomic_dir, write_json, write_text

    with atomic_dir(paths.report_dir("explain")) as folder:
        write_text(folder / "index.html", render_explanation(findings))
        write_json(folder / "examples.json", {"examples": [example.told() for example in findings.examples]})
        np.savez_compressed(folder / "attributions.npz", row_ids=row_ids, attributions=maps)
