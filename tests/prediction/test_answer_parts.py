"""Parts of answers: what is left after an interruption, and the file that they become."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.prediction.answer_parts import AnswerParts, flatten_answers
from headrace.prediction.chunk_answers import ChunkAnswers


def answers(first_row: int, size: int = 2) -> ChunkAnswers:
    by_class = [{"cat": 0.25, "dog": 0.75}] * size
    table = pa.record_batch({"row": range(first_row, first_row + size), "probabilities": by_class})
    return ChunkAnswers(table, 1, {"input age": [size, 0]})


def test_written_parts_are_found_by_the_same_key_only(tmp_path):
    work = tmp_path / "work"
    parts = AnswerParts(work, "key")
    parts.add(answers(0))
    parts.flush()
    parts.add(answers(2))  # not written: lost by a kill
    again = AnswerParts(work, "key")
    assert (again.num_rows, again.num_set_aside, again.counts) == (2, 1, {"input age": [2, 0]})
    again.add(answers(2, 3))
    assert (again.num_rows, again.num_set_aside, again.counts) == (5, 2, {"input age": [5, 0]})
    again.join(tmp_path / "answers.parquet")
    assert pq.read_table(tmp_path / "answers.parquet").column("row").to_pylist() == [0, 1, 2, 3, 4]


def test_parts_of_another_key_are_removed(tmp_path):
    parts = AnswerParts(tmp_path, "key")
    parts.add(answers(0))
    parts.flush()
    assert AnswerParts(tmp_path, "other").num_rows == AnswerParts(tmp_path, "key").num_rows == 0


def test_csv_has_a_column_for_each_class(tmp_path):
    (tmp_path / "work").mkdir()
    parts = AnswerParts(tmp_path / "work", "key")
    parts.add(answers(0))
    parts.join(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {"row": "1", "probability_cat": "0.25", "probability_dog": "0.75"}
    assert not (tmp_path / "work").exists()


def test_rows_without_an_answer_stay_empty_in_flat_columns():
    kind = pa.struct([("cat", pa.float64())])
    table = pa.table({"labels": [["a", "b"], None], "probabilities": pa.array([{"cat": 1.0}, None], kind)})
    assert flatten_answers(table).to_pylist() == [
        {"labels": '["a", "b"]', "probability_cat": 1.0},
        {"labels": None, "probability_cat": None},
    ]


def test_copied_columns_that_are_nested_become_json():
    kind = pa.struct([("cat", pa.string())])
    table = pa.table({"box": pa.array([{"cat": "a"}, None], kind), "probabilities": [{"cat": 1.0}] * 2})
    assert flatten_answers(table).to_pylist() == [
        {"box": '{"cat": "a"}', "probability_cat": 1.0},
        {"box": None, "probability_cat": 1.0},
    ]
