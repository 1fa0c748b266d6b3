"""A section missing from `params.yaml`, under real DVC: reported by the first stage, not by DVC halfway."""

import re
import subprocess
from pathlib import Path

import pytest

from headrace.commands.init import create_project


@pytest.mark.slow
@pytest.mark.e2e
def test_missing_section_is_reported_by_the_first_stage_and_may_be_empty(tmp_path: Path) -> None:
    create_project(tmp_path / "project", "wine")
    params_path = tmp_path / "project" / "params.yaml"
    text = re.sub(r"^explain:\n(  .*\n)+", "", params_path.read_text(), flags=re.MULTILINE)
    params_path.write_text(text)
    message = "params.yaml: explain: missing; add 'explain:', which may be empty, because dvc.yaml names it"
    done = repro(params_path.parent)
    assert done.returncode == 255
    assert message in done.stderr
    assert "Running stage 'clean'" not in done.stdout
    params_path.write_text(f"{text}\nexplain:\n")
    done = repro(params_path.parent)
    assert done.returncode == 0, done.stderr


def repro(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["dvc", "repro", "ingest"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
