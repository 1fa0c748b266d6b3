"""Compares models with the first of them: verdict, metrics, rows, parts of the rows, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from headrace.comparison.aligned_rows import AlignedRows, align_rows
from headrace.comparison.changed_slices import SliceChange, find_changed_slices
from headrace.comparison.differences import Differences, find_differences
from headrace.comparison.flipped_rows import FlippedRow, Flips, find_flips
from headrace.comparison.paired_metrics import PairedMetric, measure_paired
from headrace.comparison.project_rows import ProjectRows
from headrace.comparison.recorded_model import RecordedModel
from headrace.contracts import Json
from headrace.evaluation.comparison import COMPARISONS
from headrace.evaluation.comparison import Comparison as Loss
from headrace.evaluation.slices import Slices

Verdict = Literal["better", "worse", "no difference shown", "same answers", "not compared"]


@dataclass(frozen=True)
class Comparison:
    """The second model against the first."""

    first: RecordedModel
    second: RecordedModel
    rows: AlignedRows
    metrics: list[PairedMetric]
    """The first decides; empty without common rows."""
    flips: Flips | None
    slices: list[SliceChange]
    differences: Differences
    contents: dict[str, Json]
    """Row id -> `pixels`, `text` or `cells` of a flipped row that the project has."""

    @property
    def verdict(self) -> Verdict:
        """By the interval of the first metric."""
        if not self.metrics or self.flips is None:
            return "not compared"
        if self.flips.num_changed == 0 and self.metrics[0].difference == 0:
            return "same answers"
        effects: dict[int, Verdict] = {1: "better", -1: "worse", 0: "no difference shown"}
        return effects[self.metrics[0].effect]

    @property
    def loss(self) -> Loss | None:
        """What `register` would find if the first were the champion: how much the second loses at most."""
        if not self.metrics:
            return None
        outcomes = [self.rows.first.read(self.first.outcome), self.rows.second.read(self.first.outcome)]
        return COMPARISONS[self.first.outcome][0](*outcomes)

    @property
    def changed_slices(self) -> list[SliceChange]:
        """The parts that changed beyond chance."""
        return [change for change in self.slices if change.effect]

    def to_json(self) -> Json:
        """The content of `--json`, without pictures."""
        flips, loss = self.flips, self.loss
        return {
            "first": self.first.letter,
            "second": self.second.letter,
            "verdict": self.verdict,
            "rows": {
                "common": len(self.rows),
                "first": self.rows.num_first,
                "second": self.rows.num_second,
                "relabelled": self.rows.num_relabelled,
            },
            "loss": None if loss is None else {"value": loss.difference, "at_most": loss.upper_bound},
            "metrics": [{**metric._asdict(), "effect": metric.effect} for metric in self.metrics],
            "flipped": None
            if flips is None
            else {
                "num_fixed": flips.num_fixed,
                "num_broken": flips.num_broken,
                "num_changed": flips.num_changed,
                "fixed": [self._describe(row) for row in flips.fixed],
                "broken": [self._describe(row) for row in flips.broken],
            },
            "slices": [change._asdict() for change in self.slices],
            "differences": {
                topic: None if parts is None else [part._asdict() for part in parts]
                for topic, parts in self.differences._asdict().items()
            },
        }

    def _describe(self, row: FlippedRow) -> Json:
        content = self.contents.get(row.row_id, {})
        return {**row._asdict(), **{name: value for name, value in content.items() if name != "pixels"}}


def compare_models(models: Sequence[RecordedModel], project: ProjectRows | None, num_rows: int) -> list[Comparison]:
    """Compares each model but the first with the first; describes at most `num_rows` flipped rows of each kind."""
    return [_compare_pair(models[0], second, project, num_rows) for second in models[1:]]


def _compare_pair(
    first: RecordedModel, second: RecordedModel, project: ProjectRows | None, num_rows: int
) -> Comparison:
    rows, differences = align_rows(first, second), find_differences(first, second)
    if not rows.are_enough:
        return Comparison(first, second, rows, [], None, [], differences, {})
    task = first.task
    slices: Slices = project.slice_rows(rows.row_ids) if project else {}
    flips = find_flips(rows, task, num_rows)
    return Comparison(
        first,
        second,
        rows,
        measure_paired(rows, task),
        flips,
        find_changed_slices(rows, task, slices),
        differences,
        _read_contents(flips, project),
    )


def _read_contents(flips: Flips, project: ProjectRows | None) -> dict[str, Json]:
    ids = [row.row_id for row in (*flips.fixed, *flips.broken)]
    if project is None or not ids:
        return {}
    contents = project.read_contents(np.array(ids, "S32"))
    return dict(zip(ids, contents, strict=True))


def describe_models(models: Sequence[RecordedModel]) -> list[Json]:
    """Returns what `--json` says of each model."""
    hidden = {"answers"}
    return [
        {**{name: value for name, value in vars(model).items() if name not in hidden}, "task": model.task}
        for model in models
    ]
