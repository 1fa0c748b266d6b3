import numpy as np
import pytest

from headrace.explanation.permutation_importance import measure_importance

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(200, 4)).astype(np.float32)
TARGETS = INPUTS[:, 0] + INPUTS[:, 1] > 0
COLUMNS = {"unused": [3], "pair": [0, 1], "part": [0]}


def predict(inputs: np.ndarray) -> np.ndarray:
    return np.asarray(inputs[:, :1] + inputs[:, 1:2])


def quality(outputs: np.ndarray) -> np.ndarray:
    return np.asarray((outputs[:, 0] > 0) == TARGETS, float)


def measure(seed: int = 0, inputs: np.ndarray = INPUTS):
    return measure_importance(predict, inputs, COLUMNS, quality_by_row=quality, num_repeats=5, seed=seed)


def test_columns_that_the_model_uses_are_important_and_others_are_not():
    importances = measure()
    assert [each.column for each in importances] == ["pair", "part", "unused"]
    pair, part, unused = importances
    assert pair.importance == pytest.approx(0.5, abs=0.1)
    assert 0 < part.low < part.importance < part.high < pair.importance
    assert unused[1:] == (0, 0, 0)


def test_importance_is_the_decrease_of_the_quality_by_hand():
    order = np.random.default_rng(3).permutation(200)
    permuted = INPUTS.copy()
    permuted[:, 0] = INPUTS[order, 0]
    (part,) = measure_importance(predict, INPUTS, {"part": [0]}, quality_by_row=quality, num_repeats=1, seed=3)
    assert part.importance == pytest.approx(1 - quality(predict(permuted)).mean())


def test_same_seed_same_importances():
    assert measure() == measure()
    assert measure() != measure(seed=1)


def test_inputs_stay_as_they_are_and_one_row_has_no_importance():
    before = INPUTS.copy()
    measure()
    assert (before == INPUTS).all()
    assert measure(inputs=INPUTS[:1]) == []
