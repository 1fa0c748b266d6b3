from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.settings import ingest, train, tune
from headrace.settings.project import (
    find_class_mistakes,
    find_source_mistakes,
    find_worker_mistakes,
)


def find_source_mistake(folder: Path, source: str) -> str:
    mistakes = find_source_mistakes({"ingest": ingest.Config(source=source)}, Paths(folder))
    return "".join(mistakes)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (".", "data/raw"), ("./", "data/raw"), ("..", "data/raw"), ("data", "data/raw"), ("data/", "data/raw"),
        ("data/raw", "data/raw"), ("data/raw/part-00000.parquet", "data/raw"), ("data/clean", "data/clean"),
        ("models", "models/trained"), ("metrics/train.json", "metrics"), ("**/*.png", "data/raw"),
        ("photos/../data", "data/raw"), (".headrace/sources", ".headrace"),
    ],
)  # fmt: skip
def test_source_with_what_the_pipeline_writes_is_a_mistake(tmp_path: Path, source: str, name: str) -> None:
    for given in (source, str(tmp_path / source), f"file://{tmp_path / source}"):
        assert find_source_mistake(tmp_path, given) == (
            f"ingest.source: got {given!r}, which contains what the pipeline writes ({name}); put the data in a folder"
            " of their own"
        )


@pytest.mark.parametrize("source", ["", "  "])
def test_empty_source_is_a_mistake(tmp_path: Path, source: str) -> None:
    assert find_source_mistake(tmp_path, source) == (
        f"ingest.source: got {source!r}; must be a built-in dataset, a path or a URL"
    )


@pytest.mark.parametrize(
    "source",
    [
        "~nobody-here/x",
        "x" * 300,
        "a\0b",
        "loop/x",
        "wine",
        "photos",
        "data/photos",
        "data/*.csv",
        "photos/**/*.png",
        "../photos",
        "https://x.org/data",
        "s3://data",
    ],
)
def test_other_sources_are_accepted(tmp_path: Path, source: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert find_source_mistake(tmp_path, source) == ""


def test_linked_folder_of_the_pipeline_is_found(tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(tmp_path / "data")
    assert "which contains what the pipeline writes (data/raw)" in find_source_mistake(tmp_path, "photos")


def test_class_is_looked_up_in_train_and_tune() -> None:
    sections = {
        "train": train.Config(model={"name": "no_such_nets:Two"}),
        "tune": tune.Config(
            space={"model.name": {"choices": ["mlp", "no_such_nets:Three"]}, "model": {"choices": [{"name": "json:x"}]}}
        ),
    }
    assert [mistake.partition(": ")[0] for mistake in find_class_mistakes(sections)] == [
        "train.model.name", "tune.space.model", "tune.space.model.name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "num_cpus"),
    [({"num_workers": 0}, 0), ({"num_workers": 2}, 2), ({"num_workers": 2, "num_threads": 3}, 6), ({}, 0)],
)
def test_workers_need_their_threads(monkeypatch: pytest.MonkeyPatch, settings: dict[str, int], num_cpus: int) -> None:
    sections = {"train": train.Config(**settings)}
    monkeypatch.setattr("headrace.settings.project.num_local_cpus", lambda: num_cpus)
    assert find_worker_mistakes(sections) == []
    monkeypatch.setattr("headrace.settings.project.num_local_cpus", lambda: max(num_cpus - 1, 0))
    assert bool(find_worker_mistakes(sections)) == (num_cpus > 0)
