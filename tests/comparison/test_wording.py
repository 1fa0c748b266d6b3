"""Sentences: what a person reads first must hold, and must be readable."""

import numpy as np
import pyarrow as pa
import pytest

from headrace.comparison import wording
from headrace.comparison.changed_slices import SliceChange
from headrace.comparison.compare_models import compare_models
from headrace.comparison.differences import Difference
from headrace.comparison.paired_metrics import PairedMetric
from headrace.evaluation.comparison import compare_outcomes
from tests.comparison.stored_models import draw_classes, draw_labels, draw_values, make_record


def compare(make_models, *tables, **options):
    (comparison,) = compare_models(make_models(*tables, **options), None, 3)
    return comparison


def test_verdict_names_metric_difference_interval_and_rows(make_models):
    comparison = compare(make_models, draw_classes(2000, 0.8, 2), draw_classes(2000, 0.9, 3))
    first, second, change, interval = wording.format_metric(comparison.metrics[0])
    assert comparison.verdict == "better"
    assert wording.describe_verdict(comparison) == (
        f"B is better than A: accuracy {first} -> {second}, {change} {interval} on the same 2,000 rows."
    )
    back = compare(make_models, draw_classes(2000, 0.9, 3), draw_classes(2000, 0.8, 2))
    assert wording.describe_verdict(back).startswith("B is worse than A: accuracy ")


def test_verdict_of_chance_and_of_equal_answers(make_models):
    table = draw_classes(100, 0.8, 2)
    assert wording.describe_verdict(compare(make_models, table, draw_classes(100, 0.8, 3))).startswith(
        "No difference between A and B is shown: accuracy "
    )
    same = compare(make_models, table, table)
    assert wording.describe_verdict(same) == "A and B give the same answers on the same 100 rows."
    assert (wording.describe_objections(same), same.verdict) == ([], "same answers")


def test_different_rows_are_said(make_models):
    some = compare(make_models, draw_classes(100, 0.8, 2), draw_classes(100, 0.8, 2, start=40))
    assert wording.describe_row_sets(some) == [
        "They were tested on different rows: A on 100, B on 100; 60 are common, and only those are compared."
    ]
    assert "on the 60 common rows" in wording.describe_verdict(some)
    none = compare(make_models, draw_classes(10, 0.8, 2), draw_classes(20, 0.8, 2, start=10))
    assert wording.describe_verdict(none) == (
        "A and B cannot be compared: their test rows (10 and 20) have 0 rows in common."
    )
    assert (none.verdict, none.metrics, none.flips, wording.describe_flips(none)) == ("not compared", [], None, "")
    other = compare(make_models, draw_classes(10, 0.8, 2), draw_values(10, 1.0, 2))
    assert "A is a classification, B a regression" in wording.describe_verdict(other)


def test_other_labels_are_said(make_models):
    table = draw_classes(10, 0.8, 2)
    relabelled = table.set_column(table.schema.get_field_index("target"), "target", pa.array(["yak"] * 10))
    assert "and 10 common ones have other labels" in wording.describe_verdict(compare(make_models, table, relabelled))
    half = pa.array([*["yak"] * 5, *table["target"].to_pylist()[5:]])
    half = table.set_column(table.schema.get_field_index("target"), "target", half)
    assert "5 common rows have another label in B" in wording.describe_row_sets(compare(make_models, table, half))[1]


def test_what_contradicts_the_verdict_is_said(make_models):
    first = draw_classes(900, 0.7, 2)
    targets = first["target"].to_numpy(zero_copy_only=False)
    right = np.where(targets == "owl", first["correct"].to_numpy() & (np.arange(900) % 5 > 0), True)
    second = first.set_column(first.schema.get_field_index("correct"), "correct", pa.array(right))
    comparison = compare(make_models, first, second)
    assert comparison.verdict == "better"
    (sentence,) = wording.describe_objections(comparison)
    assert sentence == f"But worse on class=owl ({(targets == 'owl').sum()} rows)."


def test_metrics_that_changed_the_other_way_are_said(make_models):
    comparison = compare(make_models, draw_classes(900, 0.8, 2), draw_classes(900, 0.9, 3))
    comparison.metrics[1:] = [PairedMetric("log_loss", 0.2, 0.5, 0.3, 0.2, 0.4, is_higher_better=False, is_share=False)]
    comparison.slices[:] = []
    assert wording.describe_objections(comparison) == ["But log loss 0.20 -> 0.50, +0.30 [0.20, 0.40]: worse."]


@pytest.mark.parametrize(
    ("numbers", "is_share", "text"),
    [
        ((0.971, 0.979, 0.008, 0.002, 0.014), True, ("97.1 %", "97.9 %", "+0.8 points", "[0.2, 1.4]")),
        ((0.5, 0.5, 0.0, 0.0, 0.0), True, ("50.00 %", "50.00 %", "+0.00 points", "[0.00, 0.00]")),
        ((0.5, 0.6, 0.1, 0.0004, 0.23), True, ("50.00 %", "60.00 %", "+10.00 points", "[0.04, 23.00]")),
        ((12345.6, 12001.2, -344.4, -400.0, -290.0), False, ("12346", "12001", "-344", "[-400, -290]")),
        ((2e-9, 1e-9, -1e-9, -2e-9, 1e-10), False, ("0.000000", "0.000000", "+0.000000", "[0.000000, 0.000000]")),
    ],
)
def test_numbers_have_as_many_decimals_as_the_interval_allows(numbers, is_share, text):
    assert wording.format_metric(PairedMetric("x", *numbers, is_share=is_share)) == text
    change = SliceChange("a", "b", 30, *numbers, 0.01, 1)
    assert wording.format_metric(change, is_share=is_share) == text


def test_small_sentences(make_models):
    values = compare(make_models, draw_values(90, 1.0, 2), draw_values(90, 0.5, 3))
    assert wording.describe_flips(values).startswith("B is closer to the target on ")
    assert wording.describe_slices(values).endswith(" of 3 parts of the rows changed beyond chance.")
    few = compare(make_models, draw_classes(9, 0.8, 2), draw_classes(9, 0.8, 3))
    assert wording.describe_slices(few) == "No part of the rows is large enough to compare."
    assert wording.describe_difference(None) == "unknown: not stored with one of them"
    assert wording.describe_difference([]) == "the same"
    assert wording.describe_difference([Difference("a", "1", "2")]) == "1 differ"
    records = (make_record(), make_record(metrics={}))
    models = make_models(draw_classes(9, 0.8, 2), draw_classes(9, 0.8, 3), records=records)
    assert [wording.describe_served(model) for model in models] == ["int8, 127 kB, 0.17 ms a row", ""]


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        (lambda seed: draw_classes(400, 0.8, seed), "That B loses more than {:.2f} points of accuracy is ruled out"),
        (lambda seed: draw_labels(400, 0.8, seed), "That B's share of wrong labels is more than {:.2f} % above A's is"),
        (lambda seed: draw_values(400, 1.0, seed), "That B's mean absolute error is more than {:.2f} % above A's is"),
    ],
)
def test_loss_that_is_ruled_out_is_that_of_the_champions_rule(make_models, draw, text):
    tables = draw(2), draw(3)
    comparison, rule = compare(make_models, *tables), compare_outcomes(*tables)
    assert comparison.verdict == "no difference shown"
    assert comparison.loss == rule
    assert wording.describe_details(comparison)[-1].startswith(text.format(100 * rule.upper_bound))
    assert wording.describe_loss(compare(make_models, draw_values(90, 1.0, 2), draw_values(90, 0.5, 3))) == ""
