import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from headrace.tasks.class_weights import class_weights, positive_weights

ROWS = {"a": 60, "b": 30, "c": 10}


def test_balanced_class_weights_match_scikit_learn() -> None:
    codes = np.repeat([0, 1, 2], list(ROWS.values()))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=codes)
    np.testing.assert_allclose(class_weights("balanced", ROWS), expected)


@pytest.mark.parametrize("setting", ["balanced", {"c": 5.0}, {"a": 0.1, "b": 3, "c": 8.0}])
@pytest.mark.parametrize("rows", [ROWS, {"a": 3, "b": 0, "c": 1}])
def test_class_weights_have_mean_1_over_the_train_rows(setting: dict[str, float], rows: dict[str, int]) -> None:
    weights = class_weights(setting, rows)
    assert np.dot(weights, list(rows.values())) / sum(rows.values()) == pytest.approx(1)
    assert np.isfinite(weights).all()


def test_class_weights_by_name_have_the_given_ratios() -> None:
    a, b, c = class_weights({"c": 5.0, "a": 2.0}, ROWS)
    assert c / b == pytest.approx(5)
    assert a / b == pytest.approx(2)


def test_balanced_positive_weights_are_ratios_of_rows_without_to_rows_with_the_label() -> None:
    assert positive_weights("balanced", {"a": 60, "b": 10, "c": 0}, num_rows=80) == [20 / 60, 7.0, 80.0]
    assert positive_weights({"b": 4}, {"a": 60, "b": 10}, num_rows=80) == [1.0, 4.0]
