import warnings
from collections.abc import Callable

import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.evaluation.baselines.estimators import BASELINES, TrainRows, describe_baseline, list_baselines
from headrace.evaluation.baselines.features import read_inputs
from headrace.evaluation.baselines.fit import draw_train_rows
from headrace.evaluation.metrics.multilabel import sigmoid
from headrace.evaluation.metrics.regression import mean_r_squared
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from tests.text_tables import make_text_table

Build = Callable[[str, str], Paths]
CLASSES = ["image", "text", "table"]


def read(paths: Paths, split: str = "val"):
    arrays = open_arrays(paths.normalized_dir / split)
    inputs = read_inputs(arrays.inputs, np.arange(len(arrays)), Spec.read(paths.normalized_dir))
    return inputs, np.asarray(arrays.targets)


def fit(name: str, rows: TrainRows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logistic regression that has not converged
        return BASELINES[name].fit(rows)


@pytest.mark.parametrize("modality", CLASSES)
def test_classifiers_are_better_than_the_majority_class(built_project: Build, modality: str) -> None:
    paths = built_project(modality, "classification")
    rows, (inputs, targets) = draw_train_rows(paths, 10_000), read(paths)
    assert list_baselines(rows.spec) == ["prior", "linear", *(["boosting"] if modality == "table" else [])]
    accuracies = {}
    for name in list_baselines(rows.spec):
        outputs = fit(name, rows)(inputs)
        assert outputs.shape == (len(inputs), len(rows.spec.classes))
        assert outputs.dtype == np.float32
        assert np.exp(outputs).sum(axis=1) == pytest.approx(1, abs=1e-4)
        accuracies[name] = (outputs.argmax(axis=1) == targets).mean()
    assert accuracies["prior"] < 0.7
    assert min(value for name, value in accuracies.items() if name != "prior") > accuracies["prior"] + 0.1
    assert accuracies.get("boosting", 1) > 0.9


@pytest.mark.parametrize("modality", ["text", "table"])
def test_regressions_are_better_than_the_mean(built_project: Build, modality: str) -> None:
    paths = built_project(modality, "regression")
    rows, (inputs, targets) = draw_train_rows(paths, 10_000), read(paths)
    r2 = {name: mean_r_squared(fit(name, rows)(inputs), targets) for name in list_baselines(rows.spec)}
    assert r2["prior"] == pytest.approx(0, abs=0.02)
    assert r2["linear"] > 0.8
    assert r2.get("boosting", 1) > 0.9


def test_several_targets_are_predicted_as_each_alone(built_project: Build) -> None:
    paths = built_project("table", "regression")
    rows, (inputs, _) = draw_train_rows(paths, 10_000), read(paths)
    spec = rows.spec.model_copy(update={"targets": ["worth", "debt"]})
    several = rows._replace(targets=np.stack([rows.targets, -100 * rows.targets], axis=1), spec=spec)
    for name in BASELINES:
        alone, both = fit(name, rows)(inputs), fit(name, several)(inputs)
        assert both[:, :1] == pytest.approx(alone, rel=1e-4)
        assert both[:, 1:] == pytest.approx(-100 * alone, rel=0.02)


def test_labels_are_predicted_one_by_one(built_project: Build) -> None:
    paths = built_project("table", "regression")
    rows, (inputs, values) = draw_train_rows(paths, 10_000), read(paths)
    labels = np.stack([rows.targets > 50, rows.targets > 60, rows.targets > 1e9], axis=1).astype(np.float32)
    spec = rows.spec.model_copy(update={"task": "multilabel", "classes": ["high", "top", "never"]})
    for name in BASELINES:
        probabilities = sigmoid(fit(name, rows._replace(targets=labels, spec=spec))(inputs))
        assert probabilities[:, 2].max() < 1e-6
        if name == "prior":
            assert probabilities[:, :2] == pytest.approx(np.tile(labels[:, :2].mean(axis=0), (len(inputs), 1)))
        else:
            assert ((probabilities[:, 0] > 0.5) == (values > 50)).mean() > 0.9


def test_classes_without_train_rows_are_never_predicted(built_project: Build) -> None:
    rows = draw_train_rows(built_project("table", "classification"), 10_000)
    spec = rows.spec.model_copy(update={"classes": ["absent", "high", "low"]})
    only_high = rows._replace(targets=np.ones_like(rows.targets), spec=spec)
    for name in BASELINES:
        outputs = fit(name, rows._replace(targets=rows.targets + 1, spec=spec))(rows.inputs)
        assert set(outputs.argmax(axis=1)) <= {1, 2}
        assert np.exp(outputs[:, 0]).max() < 1e-9
        assert set(fit(name, only_high)(rows.inputs).argmax(axis=1)) == {1}


def test_missing_cells_and_categories_reach_gradient_boosting(built_project: Build) -> None:
    """A label that depends on whether a cell is missing, and on one category of three that no order separates."""
    rows = draw_train_rows(built_project("table", "classification"), 10_000)
    is_missing = np.isnan(rows.inputs[:, 1])
    is_middle = rows.inputs[:, 2] == 3
    targets = (is_missing | is_middle).astype(np.int64)
    outputs = fit("boosting", rows._replace(targets=targets))(rows.inputs)
    assert (outputs.argmax(axis=1) == targets).mean() > 0.98


def test_linear_baseline_reads_texts_and_boosting_the_other_columns() -> None:
    table = make_text_table()
    rows = TrainRows(table.inputs, table.targets, table.spec, table.transform)
    assert list_baselines(table.spec) == ["prior", "linear", "boosting"]
    accuracies = {
        name: (fit(name, rows)(table.inputs).argmax(axis=1) == table.targets).mean() for name in ("linear", "boosting")
    }
    assert accuracies["linear"] == 1.0
    assert describe_baseline("boosting", table.spec) == "gradient boosting without the texts"
    assert describe_baseline("linear", table.spec) == "logistic regression"
    texts = [column for column in table.spec.columns if column.kind == "text"]
    assert list_baselines(table.spec.model_copy(update={"columns": texts})) == ["prior", "linear"]
