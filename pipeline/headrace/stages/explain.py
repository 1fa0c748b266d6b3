"""Explain: models, data/normalized, test predictions -> reports/explain. Shows what predictions rely on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.predictions import Predictions, open_split, predict_split
from headrace.evaluation.result import Table, write_tables
from headrace.explanation.compare_methods import choose_methods, measure_method
from headrace.explanation.examples import (
    Example,
    ExplainedRows,
    build_examples,
    group_by_prediction,
    join_maps,
)
from headrace.explanation.methods.attributions import MethodName
from headrace.explanation.page import ExplanationReport, render_explanation
from headrace.explanation.permutation_importance import Importance, measure_importances
from headrace.explanation.prototypes import find_prototypes
from headrace.explanation.row_selection import (
    TEST_GROUP,
    pick_class_examples,
    pick_test_mistakes,
    pick_value_examples,
    sample_rows,
    scale_values,
    spread_rows,
)
from headrace.explanation.subject import AnsweredSplit, Subject
from headrace.explanation.views import VIEWS
from headrace.paths import Paths
from headrace.quantization.selected import read_selected_graph
from headrace.settings.explain import Config
from headrace.storage.arrays import Arrays, read_sources
from headrace.storage.atomic import atomic_dir, write_json, write_text
from headrace.storage.bundle import read_bundle

if TYPE_CHECKING:
    from markupsafe import Markup


Batch = tuple[AnsweredSplit, dict[str, NDArray[np.int64]], ExplainedRows]
"""Answered rows, positions of those to show by group, and their attributions."""


def run(config: Config, paths: Paths) -> Metrics:
    """Explains validation rows and test mistakes, measures how faithful the explanations are, and writes the page.

    Answers are those of the served graph, with its calibrated probabilities; attributions are of the float32 network.
    For the metrics see `measure_faithfulness`, `check_sanity` and `Subject.compare_with_float32`.
    """
    subject = _load_subject(config, paths)
    methods, omitted = choose_methods(subject, config.method, config.other_methods)
    val = _answer_val(subject, paths)
    test = _answer_test_mistakes(config, subject, paths, val.predictions)
    sample = sample_rows(len(val.answers.row_ids), config.num_rows, seed=config.seed)
    compared = sample[spread_rows(len(sample), config.num_compared_rows)]
    drawn, others = subject.explain(val, sample, methods[:1]), subject.explain(val, compared, methods[1:])
    results = [
        measure_method(subject, val, rows, method, seed=config.seed) for rows in (drawn, others) for method in rows.maps
    ]
    batches = [_explain_mistakes(subject, test, methods), _explain_examples(config, subject, val, methods)]
    report = ExplanationReport(
        source=subject.spec.source,
        task=subject.spec.task,
        precision=subject.precision,
        wording=subject.view.wording,
        agreement=subject.compare_with_float32(val.predictions),
        methods=results,
        examples=_build_examples(config, subject, paths, batches),
        overview=_show_overview(subject, val, drawn),
        omitted=omitted,
        quality=find_evaluator(subject.spec).quality,
        importances=measure_importances(
            subject, val, num_rows=config.num_permuted_rows, num_repeats=config.num_repeats, seed=config.seed
        ),
    )
    _write(paths, report, [(val, drawn), *((split, rows) for split, _, rows in batches)])
    return report.metrics


def _load_subject(config: Config, paths: Paths) -> Subject:
    from headrace.models.network import load_network  # imports torch

    bundle, selected = read_bundle(paths.trained_dir), read_selected_graph(paths)
    return Subject(
        bundle=bundle,
        spec=bundle.spec,
        graph_path=selected.path,
        precision=selected.precision,
        calibration=selected.calibration,
        read_calibration=selected.read_calibration,
        network=load_network(bundle),
        view=VIEWS[bundle.spec.modality](bundle.card.transform),
        num_steps=config.num_steps,
    )


def _answer_val(subject: Subject, paths: Paths) -> AnsweredSplit:
    folder = paths.normalized_dir / "val"
    return subject.answer(predict_split(subject.bundle, folder, subject.graph_path), read_sources(folder))


def _answer_test_mistakes(config: Config, subject: Subject, paths: Paths, val: Predictions) -> AnsweredSplit:
    """Answers the test rows to show, in the order of `pick_test_mistakes`."""
    folder = paths.normalized_dir / "test"
    arrays, sources = open_split(folder), read_sources(folder)
    recorded = paths.report_dir("test") / "predictions.parquet"
    rows = pick_test_mistakes(recorded, arrays.row_ids, number=config.num_test_mistakes)
    mistakes = Arrays(arrays.inputs[rows], arrays.targets[rows], arrays.row_ids[rows])
    logits = val.predict(mistakes.inputs) if len(rows) else val.logits[:0]
    answered = replace(val, arrays=mistakes, logits=logits)
    return subject.answer(answered, None if sources is None else sources.take(pa.array(rows)))


def _explain_mistakes(subject: Subject, test: AnsweredSplit, methods: list[MethodName]) -> Batch:
    rows = np.arange(len(test.answers.row_ids))
    return test, {TEST_GROUP: rows}, subject.explain(test, rows, methods)


def _explain_examples(config: Config, subject: Subject, val: AnsweredSplit, methods: list[MethodName]) -> Batch:
    """Explains the validation rows to show."""
    answers = val.answers
    if answers.confidence is None or answers.is_right is None:
        scale = subject.bundle.card.transform["target"]
        values, errors, _ = scale_values(val.predictions.arrays, val.predictions.logits, answers.outputs, scale)
        groups = pick_value_examples(values, errors, num_examples=config.num_examples, seed=config.seed)
    else:
        groups = pick_class_examples(
            answers.confidence, answers.is_right, num_examples=config.num_examples, seed=config.seed
        )
    return val, groups, subject.explain(val, np.concatenate(list(groups.values())), methods)


def _build_examples(config: Config, subject: Subject, paths: Paths, batches: list[Batch]) -> list[Example]:
    """Builds the examples of all batches, with their nearest train rows."""
    examples = [
        example
        for split, groups, rows in batches
        for example in build_examples(
            subject.spec, split.answers, groups=groups, shown=rows, view=subject.view, sources=split.sources
        )
    ]
    if config.num_prototypes == 0:
        return examples
    prototypes = find_prototypes(
        subject,
        paths.normalized_dir / "train",
        [rows.inputs for _, _, rows in batches],
        num_rows=config.num_train_rows,
        number=config.num_prototypes,
        seed=config.seed,
    )
    pairs = zip(examples, prototypes or [[] for _ in examples], strict=True)
    return [replace(example, prototypes=nearest) for example, nearest in pairs]


def _show_overview(subject: Subject, val: AnsweredSplit, drawn: ExplainedRows) -> Markup:
    groups = group_by_prediction(subject.spec, val.answers, drawn.rows)
    return subject.view.overview(drawn.inputs, next(iter(drawn.maps.values())), groups)


def _write(paths: Paths, report: ExplanationReport, explained: list[tuple[AnsweredSplit, ExplainedRows]]) -> None:
    """Writes the page, its numbers as JSON and CSV, and the attributions of all rows by the chosen method."""
    row_ids = np.concatenate([split.answers.row_ids[rows.rows] for split, rows in explained])
    maps = join_maps([next(iter(rows.maps.values())) for _, rows in explained if rows.maps])
    with atomic_dir(paths.report_dir("explain")) as folder:
        write_text(folder / "index.html", render_explanation(report))
        write_json(folder / "summary.json", report.to_json())
        write_json(folder / "examples.json", {"examples": [example.to_json() for example in report.examples]})
        np.savez_compressed(folder / "attributions.npz", row_ids=row_ids, attributions=maps)
        if report.importances:
            write_tables(folder, {"permutation_importance": Table(Importance._fields, report.importances)})
