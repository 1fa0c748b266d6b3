import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from headrace.tasks.class_weights import class_weights

ROWS = {"a": 60, "b": 30, "c": 10}


def test_balanced_weights_are_scikit_learns() -> None:
    codes = np.repeat([0, 1, 2], list(ROWS.values()))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=codes)
    np.testing.assert_allclose(class_weights("balanced", ROWS), expected)


@pytest.mark.parametrize("wanted", ["balanced", {"c": 5.0}, {"a": 0.1, "b": 3, "c": 8.0}])
@pytest.mark.parametrize("rows", [ROWS, {"a": 3, "b": 0, "c": 1}])
def test_mean_weight_of_the_train_rows_is_1(wanted: dict[str, float], rows: dict[str, int]) -> None:
    found = class_weights(wanted, rows)
    assert np.dot(found, list(rows.values())) / sum(rows.values()) == pytest.approx(1)
    assert np.isfinite(found).all()


def test_weights_by_name_keep_their_ratios() -> None:
    a, b, c = class_weights({"c": 5.0, "a": 2.0}, ROWS)
    assert c / b == pytest.approx(5)
    assert a / b == pytest.approx(2)
