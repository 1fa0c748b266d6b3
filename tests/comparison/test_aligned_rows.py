import numpy as np
import pyarrow as pa

from headrace.comparison.aligned_rows import Answers, align_rows
from tests.comparison.stored_models import CLASSES, draw_classes, draw_labels, draw_values, make_ids


def test_same_rows_are_aligned_by_id_whatever_their_order(make_models):
    table = draw_classes(50, 0.8, 2)
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(50)))
    rows = align_rows(*make_models(table, shuffled))
    assert (len(rows), rows.are_all, rows.num_relabelled) == (50, True, 0)
    assert rows.first.table.equals(rows.second.table)
    assert [row.decode() for row in rows.row_ids] == make_ids(50)


def test_only_common_rows_are_compared(make_models):
    rows = align_rows(*make_models(draw_classes(50, 0.8, 2), draw_classes(40, 0.8, 2, start=30)))
    assert (len(rows), rows.num_first, rows.num_second, rows.are_all) == (20, 50, 40, False)
    assert rows.first.read("target").tolist() == rows.second.read("target").tolist()
    assert not align_rows(*make_models(draw_classes(5, 0.8, 2), draw_classes(5, 0.8, 2, start=5))).are_enough


def test_rows_with_another_label_are_left_out(make_models):
    table = draw_classes(50, 0.8, 2)
    labels = table["target"].to_pylist()
    labels[7] = next(name for name in CLASSES if name != labels[7])
    relabelled = table.set_column(table.schema.get_field_index("target"), "target", pa.array(labels))
    rows = align_rows(*make_models(table, relabelled))
    assert (len(rows), rows.num_relabelled, rows.are_all) == (49, 1, False)
    assert make_ids(50)[7].encode() not in rows.row_ids.tolist()


def test_different_tasks_have_no_common_rows(make_models):
    rows = align_rows(*make_models(draw_classes(50, 0.8, 2), draw_values(50, 1.0, 2)))
    assert (len(rows), rows.num_relabelled) == (0, 0)


def test_answers_know_classes_probabilities_and_targets():
    answers = Answers(draw_labels(20, 0.9, 2))
    assert (answers.classes, answers.probabilities.shape, answers.targets) == (CLASSES, (20, 3), [])
    several = Answers(pa.table({"row_id": ["a"], "target x": [1.0], "predicted x": [2.0], "error": [1.0]}))
    assert (several.classes, several.targets, several.outcomes.tolist()) == ([], ["x"], [1.0])
