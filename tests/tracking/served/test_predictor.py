"""Answers of a served model: decoding outputs, parameters, and what happens to invalid rows."""

import re

import numpy as np
import pytest

from headrace.data.request_rows import Encoded, InvalidRequestError, Problem
from headrace.tracking.served.predictor import Params, Predictor, name_values, read_version


def predictor_of(outputs, problems=(), **card):
    """A predictor whose graph outputs the given rows; row r of a batch has the problems of row r."""
    predictor, rows = object.__new__(Predictor), iter(np.asarray(outputs, np.float32))
    predictor.card = {"modality": "image", "classes": [], "targets": [], "temperature": 1.0, **card}
    predictor.encode = lambda rows: Encoded(np.zeros((len(rows), 1)), [p for p in problems if p.row < len(rows)])
    predictor.run = lambda inputs: np.stack([next(rows) for _ in inputs])
    return predictor


CATS = {"task": "classification", "classes": ["cat", "dog"]}


def test_answers_apply_the_temperature_and_run_in_parts():
    logits = np.random.default_rng(0).normal(size=(600, 2))
    answers = predictor_of(logits, **CATS, temperature=2.0).answer([{"image": row} for row in range(600)])
    assert [answer["label"] for answer in answers] == ["dog" if second > first else "cat" for first, second in logits]
    odds = np.exp(np.abs(logits[:, 0] - logits[:, 1]) / 2)
    assert [answer["confidence"] for answer in answers] == pytest.approx(odds / (1 + odds), rel=1e-4)
    assert [sum(answer["probabilities"].values()) for answer in answers] == pytest.approx([1.0] * 600)


def test_answers_up_to_the_threshold_are_marked_on_demand():
    predictor = predictor_of([[0.0, 3.0], [0.0, 0.1], [5.0, 5.0]] * 2, **CATS, threshold=0.5)
    rows = [{"image": 0}] * 3
    assert "abstain" not in predictor.answer(rows)[0]
    marked = [answer["abstain"] for answer in predictor.answer(rows, Params(abstain=True))]
    assert marked == [False, False, True], "a row at the threshold is not above it"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"abstein": True}, "params: 'abstein' is unknown; this model has ['abstain', 'on_invalid']"),
        ({"abstain": "yes"}, "params: abstain: 'yes'; must be true or false"),
        ({"abstain": True}, "params: abstain: this version has no threshold; register it again"),
        ({"on_invalid": "skip"}, "params: on_invalid: 'skip'; must be one of ['refuse', 'warn']"),
    ],
)
def test_parameters_that_cannot_be_applied_are_refused(params, message):
    with pytest.raises(InvalidRequestError, match=f"^{re.escape(message)}$"):
        predictor_of([], **CATS).read_params(params)


def test_first_invalid_row_is_refused_by_its_place_in_the_request():
    problems = [Problem(250, "image", "unreadable", "send another", is_answerable=False)]
    predictor = predictor_of(np.zeros((600, 2)), problems, **CATS)
    with pytest.raises(InvalidRequestError, match="^row 250, column 'image': unreadable; send another$"):
        predictor.answer([{"image": 0}] * 400)
    outputs = predictor_of(np.zeros((600, 2)), problems, **CATS).predict([{}] * 600)
    assert [problem.row for problem in outputs.problems] == [250, 506]


def test_invalid_rows_are_answered_with_warnings_on_demand():
    problems = [Problem(2, None, "no value", "send one"), Problem(0, "age", "'x' is not a number", "send one", True)]
    answers = predictor_of([[0.0, 3.0]] * 3, problems, **CATS).answer([{}] * 3, Params(on_invalid="warn"))
    assert [answer["label"] for answer in answers] == ["dog", "dog", None]
    assert [answer["warnings"] for answer in answers] == [["column 'age': 'x' is not a number"], [], ["no value"]]
    assert answers[2]["probabilities"] is None


def test_labels_of_multilabel_data_are_those_above_the_threshold():
    predictor = predictor_of([[0.0, 2.0], [-1e4, 1e4]], task="multilabel", classes=["war", "love"], threshold=0.6)
    first, second = predictor.answer([{}] * 2)
    assert first["labels"] == second["labels"] == ["love"]
    assert first["probabilities"]["war"] == 0.5
    assert second["probabilities"] == pytest.approx({"war": 0.0, "love": 1.0})


def test_several_targets_have_a_value_each():
    assert predictor_of([[1.5, 2.5]], task="regression", targets=["price", "area"]).answer([{}]) == [
        {"price": 1.5, "area": 2.5}
    ]


def test_targets_that_have_the_name_of_another_column_of_answers_are_renamed():
    targets = ["version", "version_", "reason", "area"]
    assert name_values(targets) == ["version__", "version_", "reason_", "area"]
    predictor = predictor_of([[1.0, 2.0, 3.0, 4.0]], task="regression", targets=targets)
    assert predictor.answer([{}]) == [{"version__": 1.0, "version_": 2.0, "reason_": 3.0, "area": 4.0}]
    assert name_values([]) == ["prediction"]


def test_version_is_read_as_mlflow_writes_it(tmp_path):
    assert read_version(tmp_path, {"training_id": "abc"}) == "training abc"
    (tmp_path / "registered_model_meta").write_text("model_name: pictures\nmodel_version: '12'\n")
    assert read_version(tmp_path, {"training_id": "abc"}) == "pictures/12"
