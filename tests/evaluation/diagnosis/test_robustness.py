import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from headrace.evaluation.diagnosis import robustness
from headrace.evaluation.diagnosis.corruptions import CORRUPTIONS
from headrace.evaluation.diagnosis.robustness import accuracy_under_noise
from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.predictions import predict_split
from headrace.evaluation.result import EvaluationResult
from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.storage.parquet import write_shards
from tests.text_tables import make_text_table

TARGETS = np.arange(600) % 2
INPUTS = np.broadcast_to(np.where(TARGETS == 1, 138, 118).astype(np.uint8)[:, None, None, None], (600, 2, 2, 1))


def brightness(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A model that predicts class 1 for images brighter than the middle."""
    mean = inputs.astype(np.float32).mean(axis=(1, 2, 3))
    return np.stack([128 - mean, mean - 128], axis=1)


def accuracies(seed: int = 0) -> list[float]:
    return accuracy_under_noise(brightness, INPUTS, TARGETS, sigmas=[0.1, 20, 80], seed=seed)


def test_accuracy_under_noise_follows_the_normal_distribution() -> None:
    from statistics import NormalDist

    # the mean of 4 pixels is 10 levels from the threshold: correct with probability Phi(10 / (sigma / 2))
    expected = [NormalDist().cdf(20 / sigma) for sigma in (0.1, 20, 80)]
    assert accuracies() == pytest.approx(expected, abs=0.05)


def test_accuracy_under_noise_depends_only_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accuracies() == accuracies()
    assert accuracies() != accuracies(seed=1)
    monkeypatch.setattr(
        robustness, "ROWS_PER_DRAW", 64
    )  # generators fill in order, so the size of a draw changes nothing
    in_small_draws = accuracies()
    monkeypatch.undo()
    assert in_small_draws == accuracies()


def test_accuracy_under_noise_without_sigmas_is_empty() -> None:
    assert accuracy_under_noise(brightness, INPUTS, TARGETS, sigmas=[], seed=0) == []


def image_subject(make_subject, num_rows=40):
    targets = np.arange(num_rows) % 2
    shades = np.where(targets == 1, 138, 118).astype(np.uint8)
    inputs = np.broadcast_to(shades[:, None, None, None], (num_rows, 8, 8, 1))
    return make_subject(inputs, targets, brightness, modality="image", classes=["dark", "light"])


def table_subject(make_subject, num_rows=300, **fields):
    cells = np.random.default_rng(0).normal(0, 1, (num_rows, 1)).astype(np.float32)
    transform = {"columns": [{"name": "x", "kind": "numeric"}], "inputs": [{"column": "x", "kind": "numeric"}]}
    model = lambda rows: np.nan_to_num(rows) * [[-1, 1]]  # noqa: E731
    targets = (cells[:, 0] > 0).astype(np.int64)
    return make_subject(cells, targets, model, transform=transform, classes=["low", "high"], **fields)


def test_measure_robustness_of_images_has_every_corruption_and_strength(make_subject) -> None:
    rows = robustness.measure_robustness(image_subject(make_subject), 40)
    assert rows[0][:4] == ("none", 0, 40, 1.0)
    assert [(row.name, row.strength) for row in rows[1:]] == [
        (name, strength) for name in CORRUPTIONS for strength in range(1, 6)
    ]
    values = {(row.name, row.strength): row.value for row in rows}
    assert values["brightness", 5] == 0.5  # all images are light
    assert values["jpeg_compression", 5] == 1
    assert all(row.low <= row.value <= row.high for row in rows)
    metrics = robustness.summarize_robustness(rows, "accuracy")
    assert metrics["robust_accuracy"] == pytest.approx(np.mean([row.value for row in rows[1:]]))
    assert metrics["robust_accuracy_worst"] <= np.mean([values["brightness", at] for at in range(1, 6)])
    plot = list(robustness.make_plot(rows).rows)
    assert [strength for strength, *_ in plot] == [0, 1, 2, 3, 4, 5]
    assert plot[0] == (0, 1.0, 1.0)
    assert plot[5][2] == min(row.value for row in rows if row.strength == 5)


def test_measure_robustness_of_tables_loses_with_missing_cells_and_noise(make_subject) -> None:
    rows = {(row.name, row.strength): row for row in robustness.measure_robustness(table_subject(make_subject), 200)}
    assert rows["none", 0].value == 1
    # an empty cell makes both outputs equal, which means the first class
    assert rows["missing_cells", 5].value == pytest.approx(0.75, abs=0.08)
    # the probability that noise of the same deviation changes the sign of a normal number is 1/4
    assert rows["noise", 5].value == pytest.approx(0.75, abs=0.08)
    assert rows["noise", 1].value > rows["noise", 5].value


def test_measure_robustness_does_not_depend_on_the_other_rows(make_subject) -> None:
    subject = image_subject(make_subject)
    every, some = np.arange(40), np.arange(0, 40, 3)
    together = {
        (change.name, change.strength): change.inputs[some] for change in robustness.change_images(subject, every)
    }
    for change in robustness.change_images(subject, some):
        assert (together[change.name, change.strength] == change.inputs).all()


@pytest.mark.parametrize("num_rows", [1, 2])
def test_measure_robustness_of_few_rows(make_subject, num_rows: int) -> None:
    assert {row.rows for row in robustness.measure_robustness(image_subject(make_subject, num_rows), 9)} == {num_rows}


def test_measure_robustness_of_a_regression_is_its_r2(make_subject) -> None:
    cells = np.random.default_rng(0).normal(0, 1, (100, 1)).astype(np.float32)
    transform = {"columns": [{"name": "x", "kind": "numeric"}], "inputs": [{"column": "x", "kind": "numeric"}]}
    subject = make_subject(cells, cells[:, 0], np.nan_to_num, task="regression", transform=transform)
    rows = {(row.name, row.strength): row for row in robustness.measure_robustness(subject, 100)}
    assert rows["none", 0].value == 1
    assert rows["noise", 5].value == pytest.approx(0, abs=0.4)  # errors as large as the deviation
    assert rows["noise", 5].low < rows["noise", 5].value < rows["noise", 5].high


def test_draw_sample_takes_fewer_rows_of_large_images(make_subject, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = image_subject(make_subject)
    assert robustness.draw_sample(subject, 10).tolist() == [0, 4, 8, 13, 17, 21, 26, 30, 34, 39]
    assert robustness.draw_sample(subject, 100).tolist() == list(range(40))
    monkeypatch.setattr(robustness, "MAX_VALUES", 64 * 7)
    assert len(robustness.draw_sample(subject, 10)) == 7


def test_summarize_robustness_of_no_rows_is_empty() -> None:
    assert robustness.summarize_robustness([], "accuracy") == {}
    assert list(robustness.make_plot([]).rows) == []


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_change_texts_reads_the_clean_texts(project: Paths) -> None:
    bundle = read_bundle(project.trained_dir)
    predictions = predict_split(bundle, project.normalized_dir / "val")
    result = EvaluationResult({}, {})
    subject = Subject(predictions, result, {}, "accuracy", None, project.clean_dir, project.root, None, 0)
    changes = list(robustness.change_texts(subject, np.arange(0, 150, 2)))
    assert [change.name for change in changes] == ["none", *["typos"] * 5, *["dropped_words"] * 5]
    lengths = [(change.inputs != 0).sum() for change in changes]
    assert lengths[0] < lengths[5]  # words that the tokenizer does not know take more tokens
    assert lengths[10] < lengths[6] < lengths[0]
    assert (changes[0].inputs == predictions.arrays.inputs[np.arange(0, 150, 2)]).all()


def test_change_tables_makes_typos_in_texts(make_subject, tmp_path):
    table = make_text_table()
    subject = make_subject(
        table.inputs, table.targets, lambda rows: np.zeros((len(rows), 2)), classes=["a", "b"],
        transform=table.transform,
    )  # fmt: skip
    (tmp_path / "clean").mkdir()
    names = [row_id.decode() for row_id in subject.predictions.arrays.row_ids]
    clean = table.clean.set_column(0, "row_id", pa.array(names))
    write_shards(tmp_path / "clean", clean.schema, clean.to_batches())
    sample = np.arange(0, 200, 2)
    changes = {(change.name, change.strength): change.inputs for change in robustness.change_tables(subject, sample)}
    assert {name for name, _ in changes} == {"none", "missing_cells", "noise", "typos", "dropped_words"}
    unchanged, typos, dropped = changes["none", 0], changes["typos", 5], changes["dropped_words", 5]
    assert (typos[:, [16, 33]] == unchanged[:, [16, 33]]).all()
    assert (typos[:, 17:33] != unchanged[:, 17:33]).any(axis=1).mean() > 0.9
    assert (typos[0, :16] == 0).all(), "a missing title stays missing"
    assert (dropped[:, 17:33] != 0).sum() < 0.7 * (unchanged[:, 17:33] != 0).sum()
