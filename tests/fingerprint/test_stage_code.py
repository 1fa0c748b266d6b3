"""The fingerprint of each stage, on copies of the package that are edited."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import DataError
from headrace.fingerprint.stage_code import COPIED, hash_stages, is_current, open_cache, read_code_file
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_json
from headrace.tracking.serving_package import COMMON_CODE, SERVING_CODE

PACKAGE = Path(__file__).resolve().parents[2] / "pipeline" / "headrace"
PROGRAM = """
import json
from pathlib import Path
from headrace.fingerprint.stage_code import hash_stages, open_cache
from headrace.paths import Paths
from headrace.stages import STAGES
print(json.dumps(hash_stages(STAGES, open_cache(Paths(Path.cwd())))))
"""
MODELS = {"tune", "train", "validate", "test", "quantize", "explain", "register"}
EDITS = {
    "data/readers.py": ({"ingest"}, "\nADDED = 1\n"),
    "training/fit.py": ({"tune", "train"}, "\nADDED = 1\n"),
    "quantization/selection.py": ({"quantize"}, "\nADDED = 1\n"),
    "tracking/served/served_model.py": ({"register"}, "\nADDED = 1\n"),
    "data/image/serving.py": ({"register"}, "\nADDED = 1\n"),
    "templates/explanation/page.html.jinja": ({"clean", "explain", "register"}, "<p>"),
    "storage/atomic.py": (set(STAGES), "\nADDED = 1\n"),
    "__init__.py": (set(), "\nADDED = 1\n"),
    "__main__.py": (set(), "\nADDED = 1\n"),
    "commands/inspection/status.py": (set(), "\nADDED = 1\n"),
    "models/cnn.py": (set(), "\n# a comment\n"),
}
"""File -> the stages whose fingerprint changes, and what is appended."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "headrace", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "headrace"


def hashes(package: Path) -> dict[str, str]:
    """The fingerprints that an installed copy has."""
    environment = os.environ | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM]
    shown = subprocess.run(
        command, cwd=package.parent, env=environment, capture_output=True, text=True, check=True
    ).stdout
    return dict(json.loads(shown))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_stages_that_import_the_file(package: Path, name: str) -> None:
    before, (expected, added) = hashes(package), EDITS[name]
    text = (package / name).read_text()
    (package / name).write_text(text + added)
    after = hashes(package)
    (package / name).write_text(text)
    changed = {stage for stage in STAGES if before[stage] != after[stage]}
    assert changed == expected


def test_stages_before_training_do_not_depend_on_it(package: Path) -> None:
    before = hashes(package)
    for room in ("training", "models", "evaluation", "explanation", "quantization", "tracking", "tasks"):
        text = (package / room / "__init__.py").read_text()
        (package / room / "__init__.py").write_text(f"{text}\nADDED = 1\n")
    for name in ("training.py", "hyperparameter_search.py", "submit.py"):
        text = (package / "cluster" / name).read_text()
        (package / "cluster" / name).write_text(f"{text}\nADDED = 1\n")
    after = hashes(package)
    assert {stage for stage in STAGES if before[stage] != after[stage]} == MODELS


def test_copied_code_is_that_of_the_served_model() -> None:
    served = {f"headrace.{name}" for serving in SERVING_CODE.values() for name in (*COMMON_CODE, *serving.code)}
    files = {f"headrace.tracking.served.{name}" for name in ("served_model", "verified_files")}
    assert set(COPIED["headrace.tracking.serving_package"]) == served | files


def test_code_file_is_current_missing_or_invalid(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert read_code_file(paths) is None
    assert is_current("split", paths), "a project of a version without code.json"
    write_json(paths.code_path, hash_stages(["split"], open_cache(paths)))
    assert is_current("split", paths)
    assert not is_current("test", paths)
    write_json(paths.code_path, {"split": "0" * 64})
    assert not is_current("split", paths)
    for text in ("{", "[1]"):
        paths.code_path.write_text(text)
        with pytest.raises(DataError, match=r"^code\.json: .*; run: headrace upgrade$"):
            read_code_file(paths)
