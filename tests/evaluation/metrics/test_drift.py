"""Drift: histograms of what a model was trained on, and their comparison with new rows."""

import numpy as np
import pytest

from headrace.evaluation.metrics.drift import (
    compare_counts,
    count_values,
    extract_features,
    summarize_answers,
    summarize_rows,
)
from tests.text_tables import make_text_table

CARD = {
    "modality": "table",
    "columns": [
        {"name": "age", "kind": "numeric", "offset": 100.0, "unit": 2.0},
        {"name": "seen", "kind": "date", "offset": 0.0, "unit": 1.0, "parts": ["days", "year_sin"]},
        {"name": "colour", "kind": "categorical", "values": ["red", "blue"]},
    ],
    "inputs": [
        {"name": "age", "column": "age", "kind": "numeric"},
        {"name": "seen.days", "column": "seen", "kind": "numeric"},
        {"name": "seen.year_sin", "column": "seen", "kind": "numeric"},
        {"name": "colour", "column": "colour", "kind": "categorical"},
    ],
}


def table_inputs(num_rows: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    age = rng.normal(shift, 1, num_rows)
    age[rng.random(num_rows) < 0.1] = np.nan
    days, colour = rng.integers(0, 300, num_rows), rng.integers(0, 4, num_rows)
    return np.stack([age, days, np.sin(days), colour], axis=1).astype(np.float32)


def compare(histograms, inputs, card=CARD):
    features = extract_features(inputs, card)
    counts = {histogram["name"]: count_values(histogram, features[histogram["name"]]) for histogram in histograms}
    return {
        histogram["name"]: compare_counts(histogram, counts[histogram["name"]], "input", len(histograms))
        for histogram in histograms
    }


def test_rows_of_the_same_kind_are_alike_and_psi_is_what_chance_gives() -> None:
    histograms = summarize_rows(table_inputs(4000, 0), CARD)
    assert [histogram["name"] for histogram in histograms] == ["age", "seen", "colour"]
    assert all(sum(histogram["counts"]) == histogram["rows"] == 4000 for histogram in histograms)
    psi = [compare(histograms, table_inputs(500, seed))["age"] for seed in range(1, 30)]
    assert {each.verdict for each in psi} == {"alike"}
    assert np.mean([each.psi for each in psi]) == pytest.approx(psi[0].psi_by_chance, rel=0.2)


def test_shifted_column_is_named_with_the_bin_that_changed_most_in_its_own_unit() -> None:
    histograms = summarize_rows(table_inputs(4000, 0), CARD)
    differences = compare(histograms, table_inputs(500, 1, shift=3.0))
    assert differences["age"].verdict == "strongly shifted"
    edge = histograms[0]["edges"][-1] * 2 + 100
    assert differences["age"].largest.startswith(f"above {edge:.4g}: ")
    assert differences["seen"].verdict == differences["colour"].verdict == "alike"


def test_missing_cells_and_new_categories_have_a_bin() -> None:
    histograms = summarize_rows(table_inputs(4000, 0), CARD)
    inputs = table_inputs(500, 1)
    inputs[:, 0], inputs[:, 3] = np.nan, 0
    differences = compare(histograms, inputs)
    assert differences["age"].largest.startswith("(missing): 10.")
    assert differences["colour"].largest.startswith("(rare or unknown): ")
    inputs[:, 1] = 10_000
    assert compare(histograms, inputs)["seen"].largest.startswith("above 1970-")


def test_few_rows_say_nothing() -> None:
    histograms = summarize_rows(table_inputs(4000, 0), CARD)
    assert compare(histograms, table_inputs(29, 1, shift=9.0))["age"].verdict == "too few rows"


def test_images_are_compared_by_brightness_and_contrast() -> None:
    features = extract_features(
        np.stack([np.zeros((2, 2, 1)), np.full((2, 2, 1), 255)]).astype(np.uint8), {"modality": "image"}
    )
    assert features["brightness"].tolist() == [0, 1]
    assert features["contrast"].tolist() == [0, 0]


def test_texts_are_compared_by_length_and_unknown_tokens() -> None:
    card = {"modality": "text", "unknown": 1}
    features = extract_features(np.array([[5, 1, 0, 0], [0, 0, 0, 0]], np.int32), card)
    assert features["tokens"].tolist() == [2, 0]
    assert features["unknown tokens"].tolist() == [0.5, 0]


def test_histograms_of_more_rows_than_are_sampled_and_read_at_once() -> None:
    (histogram, _) = summarize_rows(np.zeros((30_000, 2, 2, 1), np.uint8), {"modality": "image"})
    assert (histogram["rows"], histogram["edges"], histogram["counts"]) == (15_000, [0.0], [15_000, 0, 0])


def test_answers_are_compared_like_columns() -> None:
    (label, confidence) = summarize_answers({"label": np.array(["a", "b", "a"], object), "confidence": np.ones(3)})
    assert (label["values"], label["counts"]) == (["a", "b"], [2, 1, 0])
    assert count_values(label, np.array(["c"], object)).tolist() == [0, 0, 1]
    assert confidence["counts"] == [3, 0, 0]


def test_texts_of_a_table_are_compared_by_length() -> None:
    table = make_text_table()
    card = {"modality": "table", **table.transform}
    histograms = summarize_rows(table.inputs, card)
    assert [histogram["name"] for histogram in histograms] == [
        "title (tokens)", "body (tokens)", "size", "colour",
    ]  # fmt: skip
    assert histograms[0]["counts"][-1] == np.isnan(extract_features(table.inputs, card)["title (tokens)"]).sum() == 29
    cut = table.inputs.copy()
    cut[:, 20:33] = 0
    assert compare(histograms, cut, card)["body (tokens)"].verdict == "strongly shifted"
