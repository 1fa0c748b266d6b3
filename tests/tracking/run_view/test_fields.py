"""Parameters, metrics, tags and data of a run, as MLflow accepts them."""

import json

from headrace.tracking.run_view.fields import (
    describe_counts,
    make_datasets,
    make_params,
    make_tags,
    name_metrics,
)

LINEAGE = {"code": "c0", "git_dirty": True, "data": {"raw": "a" * 32 + ".dir", "normalized": ""}}


def test_params_have_their_section_but_those_of_train() -> None:
    settings = {"train": {"model": {"name": "cnn"}}, "clean": {"checks": {"a%": "drop"}}, "tune": {}}
    assert make_params(settings) == {"model.name": "cnn", "clean.checks.a:25:": "drop"}
    assert len(make_params({"ingest": {"long": "x" * 9000}})["ingest.long"]) == 6000


def test_metrics_of_validation_rows_have_a_second_name_and_counts_are_no_metrics() -> None:
    metrics = {"accuracy": 0.9, "accuracy_low": 0.8, "loss": 0.5}
    assert name_metrics("test", metrics) == {f"test/{name}": value for name, value in metrics.items()}
    named = name_metrics("validate", metrics)
    assert {name: named[name] for name in named if name.startswith("val/")} == {"val/accuracy": 0.9, "val/loss": 0.5}
    assert len(named) == 5
    assert name_metrics("clean", {"rows_in": 9}) == {}


def test_counts_are_one_line_without_zeros() -> None:
    counts = {"rows_in": 123456, "rows_out": 178.0, "quarantined": 0, "imbalance": 1.479166}
    assert describe_counts(counts) == "rows_in 123456, rows_out 178, imbalance 1.479"


def test_tags_name_the_experiment_of_dvc() -> None:
    card = {"training_id": "f9", "lineage": LINEAGE}
    tags = make_tags(card | {"experiment": "puffy-cat"})
    assert (tags["headrace.git_dirty"], tags["dvc.experiment"]) == ("true", "puffy-cat")
    assert "dvc.experiment" not in make_tags(card)


def test_datasets_have_the_hash_of_dvc_and_no_password() -> None:
    (raw,) = make_datasets({"lineage": LINEAGE, "source": "https://me:secret@example.org/data/wine.csv"})
    assert (raw.dataset.name, raw.dataset.digest) == ("wine.csv", LINEAGE["data"]["raw"])
    assert json.loads(raw.dataset.source) == {"path": "data/raw", "source": "https://example.org/data/wine.csv"}
    assert [(tag.key, tag.value) for tag in raw.tags] == [("mlflow.data.context", "source")]
    both = make_datasets({"lineage": {"data": {"raw": "a", "normalized": "b"}}})
    assert [(each.dataset.name, each.dataset.digest) for each in both] == [("data/normalized", "b"), ("data/raw", "a")]
    assert make_datasets({"lineage": {}}) == []
