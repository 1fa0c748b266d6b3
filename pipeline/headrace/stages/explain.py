"""Explain: models/trained, models/quantized, data/normalized/val -> reports/explain. Shows what predictions rely on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics, TaskName
from headrace.evaluation.evaluators import find_cutoff, find_evaluator
from headrace.evaluation.metrics.classification import softmax
from headrace.evaluation.metrics.multilabel import sigmoid
from headrace.evaluation.predictions import Predictions, predict_split
from headrace.explanation.attributions import AttributionRequest
from headrace.explanation.examples import (
    ExplainedRows,
    ModelAnswers,
    build_examples,
    collect_answers,
    group_by_prediction,
    pick_class_examples,
    pick_value_examples,
    scale_values,
)
from headrace.explanation.faithfulness import Score, compare_deletion_curves, compute_similarity, measure_faithfulness
from headrace.explanation.page import ExplanationReport, render_explanation
from headrace.explanation.views import VIEWS
from headrace.explanation.views.base import View
from headrace.paths import Paths
from headrace.quantization.selected import SelectedGraph, read_selected_graph
from headrace.settings.explain import Config
from headrace.storage.arrays import read_sources
from headrace.storage.atomic import atomic_dir, write_json, write_text
from headrace.storage.bundle import Bundle, read_bundle


def run(config: Config, paths: Paths) -> Metrics:
    """Explains a sample and some examples, measures the faithfulness of the explanations, and writes the page.

    The answers are those of the selected graph, with the server's confidence; attributions are of the float32 network.
    For an int8 graph, `int8_agreement` is the fraction of predictions of the sample that are equal, `int8_difference`
    (regression) their mean distance in the target's unit, or in standard deviations of several targets.
    """
    bundle, selected = read_bundle(paths.trained_dir), read_selected_graph(paths)
    spec, view = bundle.spec, VIEWS[bundle.spec.modality](bundle.card.transform)
    predictions = predict_split(bundle, paths.normalized_dir / "val", selected.path)
    answers = _collect_answers(predictions, selected)
    sample, groups = _choose_rows(config, bundle, predictions, answers)
    rows = np.concatenate([sample, *groups.values()])
    inputs = predictions.arrays.inputs[rows]
    maps = _attribute(config, bundle, inputs, answers.outputs[rows], view)
    parts = slice(len(sample)), slice(len(sample), None)
    drawn, shown = (ExplainedRows(rows[part], inputs[part], maps[part]) for part in parts)
    # places may move a value either way, but only those that support a class count for it
    strengths = np.abs(drawn.maps) if spec.task == "regression" else drawn.maps
    score = _make_score(bundle, selected, predictions, drawn.rows, answers)
    curves = compare_deletion_curves(score, drawn.inputs, strengths, view, seed=config.seed)
    compared, sources = _compare_int8(bundle, selected, predictions, drawn), read_sources(paths.normalized_dir / "val")
    metrics = {"num_rows": len(sample), **measure_faithfulness(curves), **compared}
    report = ExplanationReport(
        source=spec.source,
        task=spec.task,
        method=config.method,
        wording=view.wording,
        metrics=metrics,
        curves=curves,
        examples=build_examples(spec, answers, groups=groups, shown=shown, view=view, sources=sources),
        overview=view.overview(drawn.inputs, drawn.maps, group_by_prediction(spec, answers, drawn)),
    )
    with atomic_dir(paths.report_dir("explain")) as folder:
        write_text(folder / "index.html", render_explanation(report))
        write_json(folder / "examples.json", {"examples": [example.to_json() for example in report.examples]})
        np.savez_compressed(folder / "attributions.npz", row_ids=answers.row_ids[rows], attributions=maps)
    return metrics


def _choose_rows(
    config: Config, bundle: Bundle, predictions: Predictions, answers: ModelAnswers
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Returns the positions of the sample, and of the examples by group."""
    num_all = len(predictions.arrays)
    num_rows = min(config.num_rows, num_all)
    sample = np.sort(np.random.default_rng(config.seed).choice(num_all, num_rows, replace=False))
    options = {"num_examples": config.num_examples, "seed": config.seed}
    if answers.confidence is None:
        scale = bundle.card.transform["target"]
        values, errors, _ = scale_values(predictions.arrays, predictions.logits, answers.outputs, scale)
        return sample, pick_value_examples(values, errors, **options)
    is_correct = np.asarray(answers.predicted == answers.targets, bool)
    return sample, pick_class_examples(answers.confidence, is_correct, **options)


def _attribute(
    config: Config, bundle: Bundle, inputs: NDArray[Any], outputs: NDArray[np.int64], view: View
) -> NDArray[np.float32]:
    """Attributes the outputs to the inputs; several targets in standard deviations, to make them comparable."""
    from headrace.models.network import load_network  # imports torch

    request = AttributionRequest(load_network(bundle), inputs, outputs, config.method, config.num_steps)
    maps = view.attribute(request)
    if not bundle.spec.targets:
        return maps
    std = np.array(bundle.card.transform["target"]["std"], np.float32)[outputs]
    return np.asarray(maps / std.reshape(-1, *(1,) * (maps.ndim - 1)))


def _probabilities(task: TaskName, logits: NDArray[np.float32], selected: SelectedGraph) -> NDArray[np.float64] | None:
    """Calibrated probabilities of classes or labels; None for values."""
    if task == "regression":
        return None
    temperature = selected.read_calibration("temperature")
    return softmax(logits, temperature) if task == "classification" else sigmoid(logits, temperature)


def _collect_answers(predictions: Predictions, selected: SelectedGraph) -> ModelAnswers:
    task, logits = predictions.spec.task, predictions.logits
    threshold = selected.read_calibration("threshold") if task == "multilabel" else 0.0
    return collect_answers(
        predictions.spec,
        predictions.arrays,
        logits,
        _probabilities(task, logits, selected),
        threshold=threshold,
    )


def _make_score(
    bundle: Bundle, selected: SelectedGraph, predictions: Predictions, rows: NDArray[np.int64], answers: ModelAnswers
) -> Score:
    """Returns the score of `rows`: the probability of the prediction, or the similarity to the predicted value."""
    outputs, positions = answers.outputs[rows], np.arange(len(rows))

    def score(inputs: NDArray[Any]) -> NDArray[np.float64]:
        logits = predictions.predict(inputs)
        probabilities = _probabilities(bundle.spec.task, logits, selected)
        if probabilities is not None:
            return np.asarray(probabilities[positions, outputs])
        before = predictions.logits[rows, outputs].astype(np.float64)
        spread = np.atleast_1d(bundle.card.transform["target"]["std"])[outputs]
        return compute_similarity(logits[positions, outputs].astype(np.float64), before, spread)

    return score


def _compare_int8(bundle: Bundle, selected: SelectedGraph, predictions: Predictions, drawn: ExplainedRows) -> Metrics:
    if selected.precision != "int8":
        return {}
    int8, float32 = predictions.logits[drawn.rows], bundle.graph().predict(drawn.inputs)
    if bundle.spec.task == "regression":
        unit = np.array(bundle.card.transform["target"]["std"]) if bundle.spec.targets else 1.0
        return {"int8_difference": float(np.abs((int8 - float32.astype(np.float64)) / unit).mean())}
    evaluator, cutoff = find_evaluator(bundle.spec), find_cutoff(selected.calibration)
    return {"int8_agreement": evaluator.agreement(int8, float32, cutoff)}
