"""The results of a comparison in words: the verdict first, then what speaks against it."""

from __future__ import annotations

from math import floor, isfinite, log10

from headrace.comparison.aligned_rows import AlignedRows
from headrace.comparison.changed_slices import SliceChange
from headrace.comparison.compare_models import Comparison
from headrace.comparison.differences import Difference
from headrace.comparison.paired_metrics import PairedMetric
from headrace.comparison.recorded_model import RecordedModel

NAMES = {
    "accuracy": "accuracy", "macro_f1": "macro F1", "micro_f1": "micro F1", "exact_match": "exact match",
    "auroc": "AUROC", "mean_average_precision": "mean average precision", "log_loss": "log loss",
    "rmse": "error (RMSE)", "mae": "mean absolute error", "r2": "R2",
}  # fmt: skip
MAX_DECIMALS = 6
MAX_SLICES = 3
"""Parts of the rows that one sentence names."""


def describe_verdict(comparison: Comparison) -> str:
    """Returns one sentence: whether the second model is better, by how much, and on which rows."""
    first, second = comparison.first.letter, comparison.second.letter
    if comparison.verdict == "not compared":
        return f"{first} and {second} cannot be compared: {_explain_no_rows(comparison)}."
    rows, metric = describe_rows(comparison.rows), comparison.metrics[0]
    if comparison.verdict == "same answers":
        return f"{first} and {second} give the same answers on {rows}."
    change = f"{NAMES.get(metric.name, metric.name)} {format_change(metric)} on {rows}"
    if comparison.verdict == "no difference shown":
        return f"No difference between {first} and {second} is shown: {change}."
    return f"{second} is {comparison.verdict} than {first}: {change}."


def describe_details(comparison: Comparison) -> list[str]:
    """Returns the sentences after the verdict: what contradicts it, how large a loss is ruled out, which rows."""
    loss = describe_loss(comparison)
    return [*describe_objections(comparison), *([loss] if loss else []), *describe_row_sets(comparison)]


def describe_rows(rows: AlignedRows) -> str:
    """Names the rows that were compared."""
    return f"the same {len(rows):,} rows" if rows.are_all else f"the {len(rows):,} common rows"


def describe_row_sets(comparison: Comparison) -> list[str]:
    """Returns sentences on test rows that are not common; none if both models were tested on the same rows."""
    rows, (first, second) = comparison.rows, (comparison.first.letter, comparison.second.letter)
    if rows.are_all:
        return []
    sizes = f"{first} on {rows.num_first:,}, {second} on {rows.num_second:,}"
    num_common = len(rows) + rows.num_relabelled
    sentences = [
        f"They were tested on different rows: {sizes}; {num_common:,} are common, and only those are compared."
    ]
    if rows.num_relabelled:
        sentences.append(f"{rows.num_relabelled:,} common rows have another label in {second}, and are left out.")
    return sentences


def describe_loss(comparison: Comparison) -> str:
    """Returns one sentence on how large a loss `register` would rule out, where no difference is shown; else empty."""
    loss, (first, second) = comparison.loss, (comparison.first.letter, comparison.second.letter)
    if comparison.verdict != "no difference shown" or loss is None or not isfinite(loss.upper_bound):
        return ""
    bound = max(loss.upper_bound, 0.0)
    if comparison.first.task == "classification":
        return f"That {second} loses more than {100 * bound:.2f} points of accuracy is ruled out at 95 %."
    what = {"multilabel": "share of wrong labels", "regression": "mean absolute error"}[comparison.first.task]
    return f"That {second}'s {what} is more than {100 * bound:.2f} % above {first}'s is ruled out at 95 %."


def describe_objections(comparison: Comparison) -> list[str]:
    """Returns what contradicts the verdict: other metrics, and parts of the rows, that changed the other way."""
    effect = comparison.metrics[0].effect if comparison.metrics else 0
    against = [metric for metric in comparison.metrics[1:] if metric.effect not in {0, effect}]
    sentences = [
        f"But {NAMES.get(each.name, each.name)} {format_change(each)}: {_judge(each.effect)}." for each in against
    ]
    for side in (-1, 1):
        parts = [change for change in comparison.changed_slices if change.effect == side]
        if parts and side != effect:
            sentences.append(f"But {_judge(side)} on {_list_slices(parts)}.")
    return sentences


def format_change(metric: PairedMetric) -> str:
    """Formats both values, the difference and its interval: `97.1 % -> 97.9 %, +0.8 points [0.2, 1.4]`."""
    first, second, change, interval = format_metric(metric)
    return f"{first} -> {second}, {change} {interval}"


def format_metric(metric: PairedMetric | SliceChange, *, is_share: bool | None = None) -> tuple[str, ...]:
    """Formats first value, second value, difference with its unit, and 95 % interval."""
    share = metric.is_share if isinstance(metric, PairedMetric) else bool(is_share)
    scale, unit, sign = (100.0, " %", " points") if share else (1.0, "", "")
    decimals = _choose_decimals(scale * metric.low, scale * metric.high)
    low, high, change = (
        round(scale * value, decimals) + 0.0 for value in (metric.low, metric.high, metric.difference)
    )  # without -0
    values = (f"{scale * value:.{decimals}f}{unit}" for value in (metric.first, metric.second))
    return *values, f"{change:+.{decimals}f}{sign}", f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def describe_flips(comparison: Comparison) -> str:
    """Returns one sentence on the rows whose answers changed."""
    flips, (first, second) = comparison.flips, (comparison.first.letter, comparison.second.letter)
    if flips is None:
        return ""
    if comparison.first.task == "regression":
        return f"{second} is closer to the target on {flips.num_fixed:,} rows, {first} on {flips.num_broken:,}."
    return (
        f"{second} is right where {first} is wrong on {flips.num_fixed:,} rows, and wrong where {first} is right on "
        f"{flips.num_broken:,}; {flips.num_changed:,} answers differ."
    )


def describe_slices(comparison: Comparison) -> str:
    """Returns one sentence on the parts of the rows."""
    number, changed = len(comparison.slices), len(comparison.changed_slices)
    if not number:
        return "No part of the rows is large enough to compare."
    return f"{changed:,} of {number:,} parts of the rows changed beyond chance."


def describe_difference(parts: list[Difference] | None) -> str:
    """Returns `the same`, `unknown`, or how many things differ."""
    if parts is None:
        return "unknown: not stored with one of them"
    return f"{len(parts)} differ" if parts else "the same"


def describe_served(model: RecordedModel) -> str:
    """Returns kind, size and time of the graph that is served; empty if they are unknown."""
    measured = model.metrics.get("quantize", {})
    kind = "int8" if measured.get("passed") else "fp32"
    if f"{kind}_bytes" not in measured or f"{kind}_latency_ms" not in measured:
        return ""
    return f"{kind}, {measured[f'{kind}_bytes'] / 1000:,.0f} kB, {measured[f'{kind}_latency_ms']:.3g} ms a row"


def _explain_no_rows(comparison: Comparison) -> str:
    rows, (first, second) = comparison.rows, (comparison.first, comparison.second)
    if first.task != second.task:
        return f"{first.letter} is a {first.task}, {second.letter} a {second.task}"
    left = f", and {rows.num_relabelled:,} common ones have other labels" if rows.num_relabelled else ""
    return f"their test rows ({rows.num_first:,} and {rows.num_second:,}) have {len(rows)} rows in common{left}"


def _judge(effect: int) -> str:
    return "better" if effect > 0 else "worse"


def _list_slices(parts: list[SliceChange]) -> str:
    names = ", ".join(f"{part.name} ({part.rows:,} rows)" for part in parts[:MAX_SLICES])
    return names + (f" and {len(parts) - MAX_SLICES} more parts" if len(parts) > MAX_SLICES else "")


def _choose_decimals(low: float, high: float) -> int:
    """Enough for steps of at most a third of the interval's half width, and for ends that are not 0 to be seen."""
    half_width = (high - low) / 2
    if half_width <= 0 or not isfinite(half_width):
        return 2
    decimals = min(max(-floor(log10(half_width / 3)), 0), MAX_DECIMALS)
    nearest = min(abs(low), abs(high))
    while decimals < MAX_DECIMALS and not low <= 0 <= high and round(nearest, decimals) == 0:
        decimals += 1
    return decimals
