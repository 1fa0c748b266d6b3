import numpy as np
import pytest
from scipy.special import logsumexp

from headrace.evaluation.diagnosis import out_of_distribution
from headrace.evaluation.diagnosis.out_of_distribution import (
    compute_energy,
    measure_out_of_distribution,
    summarize_out_of_distribution,
)
from headrace.storage.arrays import create_arrays
from tests.text_tables import make_text_table

RNG = np.random.default_rng(0)
CELLS = np.column_stack([*[RNG.normal(0, 1, 200)] * 2, np.full(200, 2)]).astype(np.float32)  # two equal columns
TRANSFORM = {
    "columns": [],
    "inputs": [
        {"column": "a", "kind": "numeric"}, {"column": "b", "kind": "numeric"},
        {"column": "c", "kind": "categorical", "num_values": 5},
    ],
}  # fmt: skip


def model(rows):
    """Sure of a class where both columns agree."""
    strength = 5 - 5 * np.abs(rows[:, 0] - rows[:, 1])
    return np.stack([strength, -strength], axis=1)


def subject_of(make_subject, **fields):
    return make_subject(CELLS, np.zeros(200, np.int64), model, transform=TRANSFORM, classes=["a", "b"], **fields)


def test_compute_energy_is_the_log_of_the_sum_of_exponentials():
    logits = RNG.normal(0, 5, (20, 3)).astype(np.float32)
    assert compute_energy(logits, "classification") == pytest.approx(logsumexp(logits.astype(float), axis=1))
    assert compute_energy(logits, "multilabel") == pytest.approx(np.log1p(np.exp(logits.astype(float))).sum(axis=1))


def test_measure_out_of_distribution_separates_rows_that_break_the_relation_of_columns(make_subject):
    report = measure_out_of_distribution(subject_of(make_subject))
    assert report["score"] == "energy"
    assert (report["validation_rows"], report["test_rows"]) == (200, 200)
    assert report["accepted_test_rows"] >= 0.95
    shuffled, _ = report["generated"]
    assert shuffled["name"] == "shuffled_columns"
    assert shuffled["auroc_low"] <= shuffled["auroc"] <= shuffled["auroc_high"]
    assert shuffled["rows"] == 200
    metrics = summarize_out_of_distribution(report)
    assert metrics["ood_auroc"] == min(part["auroc"] for part in report["generated"])
    assert "does not show" in report["note"]


def test_measure_out_of_distribution_is_reproducible(make_subject):
    subject = subject_of(make_subject)
    assert measure_out_of_distribution(subject) == measure_out_of_distribution(subject)


def test_measure_out_of_distribution_of_a_regression_says_why_there_is_none(make_subject):
    targets = np.zeros(200, np.float32)
    subject = make_subject(CELLS, targets, lambda rows: rows[:, :1], task="regression", transform=TRANSFORM)
    report = measure_out_of_distribution(subject)
    assert report["score"] is None
    assert "regression" in report["reason"]
    assert summarize_out_of_distribution(report) == {}


def test_measure_out_of_distribution_without_validation_rows_says_so(make_subject, tmp_path):
    subject = subject_of(make_subject)
    empty = tmp_path / "empty"
    create_arrays(empty, num_rows=0, input_shape=[3], modality="table").close()
    report = measure_out_of_distribution(type(subject)(**(vars(subject) | {"val_dir": empty})))
    assert "no validation rows" in report["reason"]


def test_generate_images_and_texts(make_subject):
    pixels = RNG.integers(0, 100, (6, 4, 5, 3), dtype=np.uint8)
    outputs = lambda rows: np.zeros((len(rows), 2))  # noqa: E731
    subject = make_subject(pixels, np.zeros(6, np.int64), outputs, modality="image", classes=["a", "b"])
    images = out_of_distribution.generate_images(subject, np.arange(6))
    assert images["uniform_noise"].max() > 200
    assert (np.sort(images["shuffled_pixels"].reshape(6, -1)) == np.sort(pixels.reshape(6, -1))).all()
    assert (images["shuffled_pixels"] != pixels).any()


def test_generate_texts_of_the_same_lengths(make_subject):
    ids = np.array([[5, 6, 7], [8, 0, 0]], np.int32)
    outputs = lambda rows: np.zeros((len(rows), 2))  # noqa: E731
    subject = make_subject(
        ids, np.zeros(2, np.int64), outputs, modality="text", classes=["a", "b"], transform={"vocabulary": 300}
    )
    words = out_of_distribution.generate_texts(subject, np.arange(2))["random_words"]
    assert ((words == 0) == (ids == 0)).all()
    assert words[ids != 0].min() >= 2
    assert words.dtype == np.int32


def test_generate_tables_leaves_the_columns_of_shuffled_rows_as_they_were(make_subject):
    tables = out_of_distribution.generate_tables(subject_of(make_subject), np.arange(200))
    assert (np.sort(tables["shuffled_columns"], axis=0) == np.sort(CELLS, axis=0)).all()
    assert np.abs(tables["wide_range"][:, 0]).max() > np.abs(CELLS[:, 0]).max()
    assert set(tables["wide_range"][:, 2].tolist()) <= {0, 1, 2, 3, 4}


def test_generated_rows_of_a_table_with_texts_have_whole_texts(make_subject):
    table, outputs = make_text_table(), lambda rows: np.zeros((len(rows), 2))
    subject = make_subject(table.inputs, table.targets, outputs, classes=["a", "b"], transform=table.transform)
    tables = out_of_distribution.generate_tables(subject, np.arange(200))
    bodies, shuffled = (
        {tuple(row) for row in rows[:, 17:33].tolist()} for rows in (table.inputs, tables["shuffled_columns"])
    )
    assert shuffled == bodies
    assert (tables["shuffled_columns"][:, 17:33] != table.inputs[:, 17:33]).any()
    random = tables["wide_range"][:, 17:33]
    assert ((random == 0) == (table.inputs[:, 17:33] == 0)).all()
    assert random.max() < table.transform["vocabulary"]
