"""A registry with three versions and two runs, shared by all tests, which only read it."""

import shutil

import pytest

from headrace.comparison.recorded_model import RecordedModel
from headrace.paths import Paths
from tests.comparison.stored_models import add_run, add_version, draw_classes, make_project, make_record
from tests.projects import build_once, shared_folder

NUM_ROWS = 600


@pytest.fixture(scope="session")
def pets_root(tmp_path_factory, empty_registry):
    """Versions 1 (champion) and 2 (challenger) of two runs; version 3 of the second, as an earlier release had it."""

    def build(root):
        paths = make_project(root, empty_registry)
        first, second = draw_classes(NUM_ROWS, 0.8, 2), draw_classes(NUM_ROWS, 0.9, 3)
        records = make_record(0.001), make_record(0.01, code={"train": "3" * 64, "test": "2" * 64})
        runs = [add_run(paths, *each) for each in (("cnn-1", first, records[0]), ("cnn-2", second, records[1]))]
        add_version(paths, first, records[0], run_id=runs[0], aliases=["champion"])
        add_version(paths, second, records[1], run_id=runs[1], aliases=["challenger", "shadow"])
        add_version(paths, second, run_id=runs[1])

    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        return build_once(shared_folder(tmp_path_factory) / "pets", build)


@pytest.fixture
def pets(pets_root, monkeypatch):
    """The shared project: read only."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Paths(pets_root)


@pytest.fixture
def own_pets(pets_root, tmp_path, monkeypatch):
    """A copy, whose tables still name the original's folders."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(pets_root, tmp_path / "copy")
    return Paths(tmp_path / "copy")


@pytest.fixture
def make_models():
    """(tables of answers) -> models with letters; the records may differ."""

    def make(*answers, records=()):
        parts = [*records, *[make_record()] * (len(answers) - len(records))]
        return [
            RecordedModel(
                letter, f"pets version {at}", table, record["settings"], record["lineage"], record["code"],
                record["metrics"],
            )
            for at, (letter, table, record) in enumerate(zip("ABCDEF", answers, parts, strict=False), start=1)
        ]  # fmt: skip

    return make
