"""Drift: how the rows that a model is asked about differ from those that it was trained and tested on, by histograms.

A registered version has the histograms of a sample of its train rows (as the graph sees them: encoded rows), and of
its answers for the test rows. Both are small, and no row can be read out of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import count_tokens, tokens_by_column
from headrace.storage.arrays import Inputs

NUM_BINS = 10
MAX_CATEGORIES = 50
SAMPLE_ROWS = 20_000
"""Train rows that are summarized, evenly spaced: enough for shares to half a percentage point."""
ROWS_AT_ONCE = 512
MIN_ROWS = 30
"""With fewer new rows nothing is said about them."""
SHIFTED, STRONGLY_SHIFTED = 0.1, 0.25
"""The usual limits of the population stability index (Siddiqi, Credit Risk Scorecards, 2006, chapter 8)."""
SIGNIFICANCE = 0.01
"""Chance of calling any column shifted although none is; shared by the columns (Bonferroni)."""
CONFIDENCE, LABEL, PREDICTION = "confidence", "label", "prediction"
Values = NDArray[Any]


class Difference(NamedTuple):
    """How one column differs from that of the train rows, or the answers from those for the test rows."""

    column: str
    kind: str
    """input, or answer."""
    psi: float
    """Population stability index: sum of (q - p) ln(q / p) over the bins."""
    psi_by_chance: float
    """What it is on average for as many rows without any shift: (bins - 1) (1 / rows + 1 / train rows)."""
    p_value: float
    """Of the chi-square test for equal shares."""
    verdict: str
    """alike, shifted, strongly shifted, or too few rows."""
    largest: str
    """The bin whose share changed most, in words."""


def summarize_rows(inputs: Inputs, card: Json) -> list[Json]:
    """Returns a histogram of each column of encoded train rows; `card` is that of the served model."""
    rows = np.arange(0, len(inputs), max(1, -(-len(inputs) // SAMPLE_ROWS)))
    parts = [
        extract_features(inputs[rows[start : start + ROWS_AT_ONCE]], card)
        for start in range(0, len(rows), ROWS_AT_ONCE)
    ]
    return [_make_histogram(name, np.concatenate([part[name] for part in parts]), card) for name in parts[0]]


def summarize_answers(answers: Mapping[str, Values]) -> list[Json]:
    """Returns a histogram of each column of answers for the test rows: `confidence`, `label` or `prediction`."""
    return [_make_histogram(name, values, {}) for name, values in answers.items()]


def extract_features(inputs: Values, card: Json) -> dict[str, Values]:
    """Returns what is compared, by name: `[rows]` numbers (NaN if missing), or names of categories.

    Images: brightness and contrast, from 0 to 1. Texts: tokens, and the share of unknown ones. Tables: the columns.
    """
    if card["modality"] == "image":
        pixels = inputs.reshape(len(inputs), -1)
        return {"brightness": pixels.mean(axis=1) / 255, "contrast": pixels.std(axis=1) / 255}
    if card["modality"] == "text":
        lengths = (inputs != 0).sum(axis=1)
        unknown = (inputs == card["unknown"]).sum(axis=1)
        return {"tokens": lengths.astype(np.float64), "unknown tokens": unknown / np.maximum(lengths, 1)}
    return dict(_extract_columns(inputs, card))


def count_values(histogram: Json, values: Values) -> NDArray[np.int64]:
    """Returns how many values fall into each bin of a histogram; the last one is for missing or other values."""
    if "edges" in histogram:
        num_bins = len(histogram["edges"]) + 1
        bins = np.searchsorted(np.array(histogram["edges"]), values.astype(np.float64), side="left")
        bins = np.where(np.isnan(values.astype(np.float64)), num_bins, bins)
        return np.bincount(bins, minlength=num_bins + 1)
    index = {name: position for position, name in enumerate(histogram["values"])}
    names, counts = np.unique(values.astype(str), return_counts=True)
    totals = np.zeros(len(index) + 1, np.int64)
    for name, count in zip(names.tolist(), counts.tolist(), strict=True):
        totals[index.get(name, len(index))] += count
    return totals


def compare_counts(histogram: Json, counts: NDArray[np.int64], kind: str, num_columns: int) -> Difference:
    """Compares the bins of new values with those of a histogram; `num_columns` are compared in all."""
    from scipy.stats import chi2_contingency

    before = np.array(histogram["counts"], np.int64)
    is_used = (before + counts) > 0
    old, new = before[is_used] + 0.5, counts[is_used] + 0.5  # half a row: no bin is empty
    p, q = old / old.sum(), new / new.sum()
    psi = float(((q - p) * np.log(q / p)).sum())
    by_chance = (len(p) - 1) * (1 / max(1, before.sum()) + 1 / max(1, counts.sum()))
    table = np.stack([before[is_used], counts[is_used]])
    p_value = float(chi2_contingency(table, correction=False).pvalue) if len(p) > 1 and table.sum(axis=1).all() else 1.0
    is_significant = p_value < SIGNIFICANCE / num_columns
    verdict = "alike"
    if counts.sum() < MIN_ROWS:
        verdict = "too few rows"
    elif is_significant and psi >= SHIFTED:
        verdict = "strongly shifted" if psi >= STRONGLY_SHIFTED else "shifted"
    largest = int(np.abs(q - p).argmax())
    bin_name = _name_bin(histogram, int(np.flatnonzero(is_used)[largest]))
    words = f"{bin_name}: {p[largest]:.1%} before, {q[largest]:.1%} now"
    return Difference(histogram["name"], kind, psi, float(by_chance), p_value, verdict, words)


def _make_histogram(name: str, values: Values, card: Json) -> Json:
    histogram: Json = {"name": name, "rows": len(values)}
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)].astype(np.float64)
        steps = np.arange(1, NUM_BINS) / NUM_BINS
        edges = np.unique(np.quantile(known, steps, method="inverted_cdf")) if len(known) else np.array([])
        histogram["edges"] = edges.tolist()
        column = next((column for column in card.get("columns", []) if column["name"] == name), None)
        if column is not None:
            histogram["scale"] = {key: column[key] for key in ("kind", "offset", "unit")}
    else:
        names, counts = np.unique(values.astype(str), return_counts=True)
        order = np.lexsort([names, -counts])[:MAX_CATEGORIES]
        histogram["values"] = names[order].tolist()
    return histogram | {"counts": count_values(histogram, values).tolist()}


def _extract_columns(inputs: Values, card: Json) -> Any:
    """Yields name and values of each column of a table; of dates only the days, of texts the number of tokens."""
    by_name = {column["name"]: column for column in card["columns"]}
    for name, indices in tokens_by_column(card).items():
        yield f"{name} (tokens)", count_tokens(inputs, indices)
    for index, entry in enumerate(card["inputs"]):
        name = entry["column"]
        if entry["kind"] == "categorical":
            names = np.array(["(rare or unknown)", "(missing)", *by_name[name]["values"]], object)
            yield name, names[inputs[:, index].astype(np.int64)]
        elif by_name[name]["kind"] == "numeric" or entry["name"].endswith(".days"):
            yield name, inputs[:, index]


def _name_bin(histogram: Json, index: int) -> str:
    if "values" in histogram:
        return str(histogram["values"][index]) if index < len(histogram["values"]) else "(others)"
    edges = histogram["edges"]
    if index == len(edges) + 1:
        return "(missing)"
    low = _format_edge(histogram, edges[index - 1]) if index else ""
    high = _format_edge(histogram, edges[index]) if index < len(edges) else ""
    if low and high:
        return f"above {low}, up to {high}"
    return f"above {low}" if low else f"up to {high}"


def _format_edge(histogram: Json, edge: float) -> str:
    scale = histogram.get("scale")
    if scale is None:
        return f"{edge:.4g}"
    value = edge * scale["unit"] + scale["offset"]
    return str(np.datetime64(int(value), "D")) if scale["kind"] == "date" else f"{value:.4g}"
