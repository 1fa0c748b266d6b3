import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.stages.explain import Config, run
from tests.projects import calibrate

SMALL = Config(num_rows=20, num_examples=6, num_steps=8, num_compared_rows=8, num_train_rows=100)


def judge(paths: Paths, **settings: Any) -> None:
    """Runs the stages between `train` and `explain`."""
    calibrate(paths, **settings)
    module = import_module("headrace.stages.test")
    module.run(module.Config(noise_sigmas=[]), paths)


def read_json(paths: Paths, name: str) -> Any:
    return json.loads((paths.report_dir("explain") / name).read_text())


def spoil(paths: Paths, split: str) -> None:
    """Makes the first five labels of a split wrong."""
    targets = np.load(paths.normalized_dir / split / "targets.npy", mmap_mode="r+")
    targets[:5] = (targets[:5] + 1) % 3
    targets.flush()


def test_explain_writes_page_examples_and_maps(trained: Paths) -> None:
    spoil(trained, "val")
    spoil(trained, "test")
    judge(trained, max_latency=0.001)
    metrics = run(SMALL, trained)
    folder = trained.report_dir("explain")
    assert metrics["num_rows"] == 20
    assert metrics["deletion"] == pytest.approx(metrics["random_auc"] - metrics["deletion_auc"])
    assert metrics["insertion"] == pytest.approx(metrics["insertion_auc"] - metrics["random_auc"])
    assert metrics["deletion_low"] > 0.05
    assert metrics["agreement"] == 1
    examples = read_json(trained, "examples.json")["examples"]
    groups = [example["group"] for example in examples]
    assert groups[-6:] == ["wrong"] * 2 + ["unsure"] * 2 + ["right"] * 2
    assert set(groups[:-6]) == {"test_mistakes"}
    wrong = {"wrong", "test_mistakes"}
    assert all((example["group"] in wrong) == (example["actual"] != example["predicted"]) for example in examples)
    text = (folder / "index.html").read_text()
    assert all(example["row_id"] in text for example in examples)
    with np.load(folder / "attributions.npz") as maps:
        assert maps["attributions"].shape == (20 + len(examples), 16, 16)
        assert maps["row_ids"].shape == (20 + len(examples),)


def test_test_mistakes_have_the_recorded_answers_and_percentages(trained: Paths) -> None:
    spoil(trained, "test")
    judge(trained)
    run(SMALL, trained)
    recorded = pq.read_table(trained.report_dir("test") / "predictions.parquet").to_pylist()
    answers = {row["row_id"]: row for row in recorded}
    mistakes = [each for each in read_json(trained, "examples.json")["examples"] if each["group"] == "test_mistakes"]
    worst = sorted((row for row in recorded if not row["correct"]), key=lambda row: -row["confidence"])[:6]
    assert [each["row_id"] for each in mistakes] == [row["row_id"] for row in worst]
    for each in mistakes:
        answer = answers[each["row_id"]]
        assert (each["predicted"], each["actual"]) == (answer["predicted"], answer["target"])
        assert each["confidence"] == pytest.approx(answer["confidence"], abs=1e-6)
        assert each["source"] == answer["source"]
    text = (trained.report_dir("explain") / "index.html").read_text()
    assert f"{worst[0]['confidence']:.1%}" in text


def test_prototypes_are_train_rows_with_their_labels(trained: Paths) -> None:
    judge(trained)
    run(SMALL, trained)
    row_ids = np.load(trained.normalized_dir / "train" / "row_ids.npy").astype(str).tolist()
    targets = np.load(trained.normalized_dir / "train" / "targets.npy")
    examples = read_json(trained, "examples.json")["examples"]
    rights = [example for example in examples if example["group"] == "right"]
    for example in examples:
        assert len(example["prototypes"]) == 3
        for each in example["prototypes"]:
            assert each["label"] == ["cross", "disc", "square"][targets[row_ids.index(each["row_id"])]]
        distances = [each["distance"] for each in example["prototypes"]]
        assert distances == sorted(distances)
    nearest = [example["prototypes"][0]["label"] == example["predicted"] for example in rights]
    assert all(nearest), "the features of a trained network separate the classes"


def test_summary_has_what_the_page_of_the_run_shows(trained: Paths) -> None:
    judge(trained)
    metrics = run(SMALL, trained)
    summary = read_json(trained, "summary.json")
    assert summary["faithfulness"]["deletion"] == metrics["deletion"]
    assert summary["faithfulness"]["insertion_high"] == metrics["insertion_high"]
    assert summary["sanity_check"] == metrics["sanity_check"] < 0.9
    assert summary["agreement"] == metrics["agreement"] > 0.9
    assert summary["sentence"] in (trained.report_dir("explain") / "index.html").read_text()
    assert [each["method"] for each in summary["methods"]] == ["integrated_gradients", "grad_cam", "occlusion"]
    assert summary["omitted"] == {"attention": "the model has no attention"}


def test_explain_by_occlusion_without_examples(trained: Paths) -> None:
    judge(trained)
    config = Config(num_rows=20, num_examples=0, num_test_mistakes=0, method="occlusion", other_methods=[])
    assert run(config, trained)["deletion"] > 0.05
    assert read_json(trained, "examples.json") == {"examples": []}


def test_explain_of_more_rows_than_there_are_uses_all(trained: Paths) -> None:
    judge(trained)
    config = SMALL.model_copy(update={"num_rows": 10_000, "other_methods": [], "num_prototypes": 0})
    assert run(config, trained)["num_rows"] == 200


def test_explain_with_the_same_seed_writes_the_same_files(trained: Paths) -> None:
    judge(trained)
    contents = []
    for _ in range(2):
        run(SMALL, trained)
        folder = trained.report_dir("explain")
        contents.append({path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".npz"})
    assert contents[0] == contents[1]


def test_explain_before_test_or_by_an_unfit_method_raises_with_the_remedy(trained: Paths) -> None:
    calibrate(trained)
    with pytest.raises(DataError, match=r"predictions\.parquet: no such file; run the stages before"):
        run(SMALL, trained)
    with pytest.raises(ConfigError, match=r"explain\.method: 'attention' does not apply"):
        run(Config(method="attention"), trained)
    assert not trained.report_dir("explain").exists()


KINDS = [(modality, task) for modality in ("table", "text") for task in ("classification", "regression")]


@pytest.mark.parametrize("project", KINDS, indirect=True, ids="-".join)
@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_explain_of_texts_and_tables_is_faithful(project: Paths, method: str) -> None:
    judge(project)
    is_regression = json.loads((project.trained_dir / "bundle.json").read_text())["spec"]["task"] == "regression"
    metrics = run(SMALL.model_copy(update={"method": method, "num_rows": 60}), project)
    assert metrics["num_rows"] == 60
    assert metrics["deletion"] > 0.05
    assert metrics["agreement"] > 0.9
    assert ("difference" in metrics) == is_regression
    folder = project.report_dir("explain")
    text = (folder / "index.html").read_text()
    examples = read_json(project, "examples.json")["examples"]
    assert len(examples) >= 4
    assert all(example["row_id"] in text for example in examples)
    assert all(part["name"] in text for example in examples for part in example["parts"])
    assert all(("confidence" in example) != is_regression for example in examples)
    assert any(example["group"] == "test_mistakes" for example in examples) or not is_regression
    check_importances(project, folder / "permutation_importance.csv")
    with np.load(folder / "attributions.npz") as maps:
        assert len(maps["attributions"]) == len(maps["row_ids"]) == 60 + len(examples)


def check_importances(project: Paths, path: Path) -> None:
    """Tables have the importance of their columns, of which two determine the target; texts have none."""
    is_table = json.loads((project.trained_dir / "bundle.json").read_text())["spec"]["modality"] == "table"
    assert path.exists() == is_table
    importances = read_json(project, "summary.json")["permutation_importance"]
    assert [each["column"] for each in importances[:2]] == (["size", "colour"] if is_table else [])
    assert all(each["low"] > 0 for each in importances[:2])
