import numpy as np
import pyarrow as pa

from headrace.comparison.aligned_rows import align_rows
from headrace.comparison.flipped_rows import find_flips
from tests.comparison.stored_models import draw_classes, draw_values, make_ids


def flips_of(make_models, first, second, limit=9):
    models = make_models(first, second)
    return find_flips(align_rows(*models), models[0].task, limit)


def test_flips_of_classes_are_counted_and_the_surest_mistakes_come_first(make_models):
    first, second = draw_classes(300, 0.7, 2), draw_classes(300, 0.8, 3)
    flips = flips_of(make_models, first, second)
    right = [table["correct"].to_numpy() for table in (first, second)]
    assert (flips.num_fixed, flips.num_broken) == ((~right[0] & right[1]).sum(), (right[0] & ~right[1]).sum())
    assert flips.num_fixed > flips.num_broken > 0
    assert flips.num_changed >= flips.num_fixed + flips.num_broken
    assert len(flips.fixed) == min(9, flips.num_fixed)
    for row in flips.fixed:
        assert row.target == row.second != row.first
        assert (row.gain, row.source) == (1, f"pets.csv:{int(row.row_id, 16)}")
    assert all(row.target == row.first != row.second for row in flips.broken)
    confidence = dict(zip(second["row_id"].to_pylist(), second["confidence"].to_pylist(), strict=True))
    sure = [confidence[row.row_id] for row in flips.broken]
    assert sure == sorted(sure, reverse=True)


def test_flips_of_values_are_the_largest_changes_of_the_error(make_models):
    first, second = draw_values(100, 1.0, 2), draw_values(100, 1.0, 3)
    flips = flips_of(make_models, first, second, 3)
    gains = np.abs(first["error"].to_numpy()) - np.abs(second["error"].to_numpy())
    assert [row.gain for row in flips.fixed] == sorted(gains, reverse=True)[:3]
    assert [row.gain for row in flips.broken] == sorted(gains)[:3]
    assert flips.num_fixed + flips.num_broken == flips.num_changed == 100
    assert flips.fixed[0].source == ""


def test_flips_of_labels_are_rows_that_are_entirely_right_or_not(make_models):
    def table(predicted, shares):
        return pa.table({
            "row_id": make_ids(4), "target": ['["cat", "dog"]', "[]", '["dog"]', '["dog"]'], "predicted": predicted,
            "wrong_share": shares,
        })  # fmt: skip

    first = table(["[]", "[]", '["dog"]', '["cat"]'], [1.0, 0.0, 0.0, 1.0])
    second = table(['["cat", "dog"]', '["dog"]', '["dog"]', '["cat", "dog"]'], [0.0, 0.5, 0.0, 0.5])
    flips = flips_of(make_models, first, second)
    assert [(row.target, row.first, row.second, row.gain) for row in flips.fixed] == [
        ("cat, dog", "none", "cat, dog", 1.0)
    ]
    assert [(row.target, row.first, row.second, row.gain) for row in flips.broken] == [("none", "none", "dog", -0.5)]
    assert flips.num_changed == 3


def test_flips_of_several_targets_name_each(make_models):
    def table(predicted):
        error = [abs(value) for value in predicted]
        return pa.table({"row_id": make_ids(2), "target x": [0.0, 0.0], "predicted x": predicted, "error": error})

    flips = flips_of(make_models, table([3.0, 1.0]), table([1.0, 1.0]))
    assert [(row.target, row.first, row.second, row.gain) for row in flips.fixed] == [("x 0", "x 3", "x 1", 2.0)]
    assert (flips.broken, flips.num_changed) == ([], 1)


def test_rows_of_outcomes_alone_have_no_answers(make_models):
    tables = [draw_classes(50, accuracy, 2).select(["row_id", "correct"]) for accuracy in (0.6, 0.9)]
    flips = flips_of(make_models, *tables)
    assert flips.num_fixed > 0
    assert (flips.fixed[0].target, flips.fixed[0].first) == ("", "")
