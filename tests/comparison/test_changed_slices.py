import numpy as np
import pyarrow as pa
import pytest

from headrace.comparison.aligned_rows import align_rows
from headrace.comparison.changed_slices import find_changed_slices
from headrace.evaluation.slices import SliceKey
from tests.comparison.stored_models import CLASSES, draw_classes, draw_labels, draw_values


def with_flips(table, flags, value):
    """The table in which the rows with a flag are right, or wrong."""
    correct = np.where(flags, value, table["correct"].to_numpy())
    return table.set_column(table.schema.get_field_index("correct"), "correct", pa.array(correct))


def test_part_that_became_worse_is_found_and_others_are_not(make_models):
    first = draw_classes(1000, 0.9, 2)
    flags = np.arange(1000) % 5 == 0
    slices = {
        SliceKey("city", "Rome"): flags,
        SliceKey("city", "Oslo"): np.roll(flags, 1),
        SliceKey("tiny", "x"): np.arange(1000) < 5,
    }
    second = with_flips(first, flags & (np.arange(1000) % 2 == 0), value=False)
    models = make_models(first, second)
    changes = find_changed_slices(align_rows(*models), "classification", slices)
    by_name = {change.name: change for change in changes}
    assert set(by_name) == {"city=Rome", "city=Oslo", *(f"class={name}" for name in CLASSES)}, "tiny has too few rows"
    assert changes[0].name == "city=Rome"
    assert (by_name["city=Rome"].effect, by_name["city=Oslo"].effect) == (-1, 0)
    assert by_name["city=Rome"].high < 0
    assert by_name["city=Rome"].second == pytest.approx(second["correct"].to_numpy()[flags].mean())
    assert by_name["city=Oslo"].p == 1


def test_chance_alone_changes_no_part(make_models):
    found = 0
    for seed in range(20):
        first, second = draw_classes(500, 0.8, 2 * seed + 2), draw_classes(500, 0.8, 2 * seed + 3)
        numbers = np.random.default_rng(seed).integers(0, 10, 500)
        slices = {SliceKey("number", str(number)): numbers == number for number in range(10)}
        changes = find_changed_slices(align_rows(*make_models(first, second)), "classification", slices)
        found += any(change.effect for change in changes)
    assert found <= 5, "of 20: 1 expected, more than 5 once in 3,000"


def test_values_are_sliced_by_thirds_of_the_target_and_smaller_errors_are_better(make_models):
    models = make_models(draw_values(600, 1.0, 2), draw_values(600, 0.5, 3))
    changes = find_changed_slices(align_rows(*models), "regression", {})
    assert {change.name for change in changes} == {"target=low", "target=middle", "target=high"}
    assert all(change.effect == 1 and change.high < 0 for change in changes)
    assert all(change.low <= change.difference <= change.high for change in changes)


def test_labels_are_parts_of_their_own(make_models):
    models = make_models(draw_labels(400, 0.8, 2), draw_labels(400, 0.95, 3))
    changes = find_changed_slices(align_rows(*models), "multilabel", {})
    assert {change.name for change in changes} == {f"label={name}" for name in CLASSES}
    assert all(change.effect == 1 for change in changes)


def test_same_answers_change_nothing(make_models):
    for table, task in ((draw_classes(90, 0.8, 2), "classification"), (draw_values(90, 1.0, 2), "regression")):
        changes = find_changed_slices(align_rows(*make_models(table, table)), task, {})
        assert changes
        assert all(change.effect == 0 and change.p == 1 for change in changes)
