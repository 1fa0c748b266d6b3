import json

import numpy as np
import pytest

from headrace.paths import Paths
from headrace.stages.explain import Config, run
from tests.projects import calibrate

SMALL = Config(num_rows=20, num_examples=6, num_steps=8)


def test_explain_writes_page_examples_and_maps(trained: Paths) -> None:
    targets = np.load(trained.normalized_dir / "val" / "targets.npy", mmap_mode="r+")
    targets[:5] = (targets[:5] + 1) % 3  # mistakes to show
    targets.flush()
    calibrate(trained, max_latency=0.001)
    metrics = run(SMALL, trained)
    folder = trained.report_dir("explain")
    assert metrics["num_rows"] == 20
    assert metrics["faithfulness"] == pytest.approx(metrics["random_auc"] - metrics["deletion_auc"])
    assert metrics["faithfulness"] > 0.05
    assert "int8_agreement" not in metrics
    examples = json.loads((folder / "examples.json").read_text())["examples"]
    assert [example["group"] for example in examples] == ["wrong"] * 2 + ["unsure"] * 2 + ["right"] * 2
    assert all((example["group"] == "wrong") == (example["actual"] != example["predicted"]) for example in examples)
    text = (folder / "index.html").read_text()
    assert all(example["row_id"] in text for example in examples)
    with np.load(folder / "attributions.npz") as maps:
        assert maps["attributions"].shape == (20 + len(examples), 16, 16)
        assert maps["row_ids"].shape == (20 + len(examples),)


def test_explain_measures_how_often_int8_agrees(trained: Paths) -> None:
    calibrate(trained)
    assert 0.9 < run(SMALL, trained)["int8_agreement"] <= 1


def test_explain_by_occlusion_without_examples(trained: Paths) -> None:
    calibrate(trained)
    metrics = run(Config(num_rows=20, num_examples=0, method="occlusion"), trained)
    assert metrics["faithfulness"] > 0.05
    assert json.loads((trained.report_dir("explain") / "examples.json").read_text()) == {"examples": []}


def test_explain_of_more_rows_than_there_are_uses_all(trained: Paths) -> None:
    calibrate(trained)
    assert run(SMALL.model_copy(update={"num_rows": 10_000}), trained)["num_rows"] == 200


def test_explain_with_the_same_seed_writes_the_same_page(trained: Paths) -> None:
    calibrate(trained)
    pages = []
    for _ in range(2):
        run(SMALL, trained)
        pages.append((trained.report_dir("explain") / "index.html").read_bytes())
    assert pages[0] == pages[1]


KINDS = [(modality, task) for modality in ("table", "text") for task in ("classification", "regression")]


@pytest.mark.parametrize("project", KINDS, indirect=True, ids="-".join)
@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_explain_of_texts_and_tables_is_faithful(project: Paths, method: str) -> None:
    calibrate(project)
    is_regression = json.loads((project.trained_dir / "bundle.json").read_text())["spec"]["task"] == "regression"
    metrics = run(SMALL.model_copy(update={"method": method, "num_rows": 60}), project)
    assert metrics["num_rows"] == 60
    assert metrics["faithfulness"] > 0.05
    compared = metrics["int8_difference" if is_regression else "int8_agreement"]
    assert 0 < compared < 2 if is_regression else compared > 0.9
    folder = project.report_dir("explain")
    text = (folder / "index.html").read_text()
    examples = json.loads((folder / "examples.json").read_text())["examples"]
    assert len(examples) >= 4
    assert all(example["row_id"] in text for example in examples)
    assert all(part["name"] in text for example in examples for part in example["parts"])
    assert all(("confidence" in example) != is_regression for example in examples)
    with np.load(folder / "attributions.npz") as maps:
        assert len(maps["attributions"]) == len(maps["row_ids"]) == 60 + len(examples)
