"""Mistakes in `params.yaml` that are found before any data is read."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from headrace.cluster import session
from headrace.commands.recipes import find_recipes
from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.settings.load import check_data_kind, load_settings
from headrace.stages import STAGES

ROOT = Path(__file__).parents[2]
SPEC = Spec(modality="table", task="classification", source="a.csv", format="table", num_rows=9)


def find_error(folder: Path, params: dict[str, Any], stage: str = "ingest") -> str:
    YAML().dump(params, folder / "params.yaml")
    with pytest.raises(ConfigError) as caught:
        load_settings(Paths(folder), stage)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *find_recipes().values()], ids=lambda path: path.stem)
def test_settings_that_come_with_headrace_are_valid(tmp_path: Path, path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(path.read_bytes())
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    assert set(load_settings(Paths(tmp_path), "ingest")) == set(STAGES)


def test_all_mistakes_are_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    message = find_error(
        tmp_path,
        {
            "ingest": {"source": "wine"},
            "clean": {"checks": {"blurred": "drop"}},
            "normalize": {"image_size": 28},
            "tune": {"space": {"learning_rte": {"choices": [1]}, "cutmix": {"low": 0.0, "high": 1.0}}},
            "train": {"model": {"name": "no_such_nets:Two"}, "augmentation": [{"name": "Afine"}], "num_workers": 64},
            "validate": {"gate": {"acuracy": {"min": 0.9}}},
        },
    )
    assert message.startswith("params.yaml: ")
    assert [clause.partition(": ")[0] for clause in message.removeprefix("params.yaml: ").split("; and ")] == [
        "train.augmentation.0.name",
        "validate.gate.acuracy",
        "train.model.name",
        "tune.space.learning_rte",
        "train.num_workers",
        "normalize.image_size",
        "clean.checks.blurred",
        "tune.space.cutmix",
    ]


def test_missing_sections_are_those_that_dvc_would_miss(tmp_path: Path) -> None:
    params = {stage: None for stage in STAGES if stage not in ("tune", "explain")}
    YAML().dump(params, tmp_path / "params.yaml")
    load_settings(Paths(tmp_path), "ingest")  # without DVC, defaults will do
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    assert find_error(tmp_path, params) == (
        "params.yaml: tune: missing; add 'tune:', which may be empty, because dvc.yaml names it; and "
        "explain: missing; add 'explain:', which may be empty, because dvc.yaml names it"
    )
    YAML().dump(params | {"tune": None, "explain": {}}, tmp_path / "params.yaml")
    load_settings(Paths(tmp_path), "ingest")


def test_workers_beyond_this_machine_are_the_clusters_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    params = {"train": {"num_workers": session.num_local_cpus() + 1, "batch_size": "auto"}}
    assert "train.num_workers: the workers need" in find_error(tmp_path, params, "train")
    load_settings(Paths(tmp_path))  # for another machine
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    load_settings(Paths(tmp_path), "train")


def test_the_spec_tells_the_modality_once_the_data_are_ingested(tmp_path: Path) -> None:
    params = {"ingest": {"source": "a.csv"}, "normalize": {"image_size": 28}, "train": {"model": {"name": "mlp"}}}
    YAML().dump(params, tmp_path / "params.yaml")
    paths = Paths(tmp_path)
    sections = load_settings(paths, "clean")
    paths.raw_dir.mkdir(parents=True)
    (paths.raw_dir / "spec.json").write_text(SPEC.to_json())
    load_settings(paths, "ingest")  # which may find something else
    message = "params.yaml: normalize.image_size: is for images, and the modality is table; remove it"
    assert find_error(tmp_path, params, "clean") == message
    with pytest.raises(ConfigError) as caught:
        check_data_kind(sections, SPEC)
    assert str(caught.value) == message
