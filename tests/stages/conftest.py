"""A project that is ready to train: arrays and settings, in the calling process."""

import shutil
from pathlib import Path

import pytest

from headrace.paths import Paths


@pytest.fixture
def normalized(trained_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project as it stands before `tune`: `data/normalized` and empty settings."""
    paths = Paths(tmp_path / "project")
    shutil.copytree(trained_root / "data", paths.root / "data")
    shutil.copyfile(trained_root / "mlflow.db", paths.root / "mlflow.db")
    paths.params_path.write_text("{}\n")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return paths
