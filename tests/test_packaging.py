"""Wheel and sdist: they build, and contain the files of a new project."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_init_needs(tmp_path):
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel_path,) = tmp_path.glob("headrace-*.whl")
    names = set(zipfile.ZipFile(wheel_path).namelist())
    template = {
        "dvc.yaml",
        "params.yaml",
        ".dvcignore",
        ".gitignore",
        ".dvc/config",
        ".dvc/.gitignore",
        "model_code/fingerprint.json",
        *(f"recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")),
        "cluster/README.md",
        "cluster/kuberay/rayjob.yaml",
        "cluster/onprem.yaml",
    }
    assert {f"headrace/template/{name}" for name in template} <= names
    assert {"headrace/__main__.py", "headrace/py.typed", "headrace/tracking/served/served_model.py"} <= names
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    assert "headrace = headrace.__main__:main" in zipfile.ZipFile(wheel_path).read(entry_points).decode()
    check_init_of_the_wheel(wheel_path, tmp_path)
    (sdist_path,) = tmp_path.glob("headrace-*.tar.gz")
    with tarfile.open(sdist_path) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"dvc.yaml", "params.yaml", "uv.lock", "LICENSE", "README.md", "Makefile", ".dvcignore"} <= inside
    assert not [name for name in inside if name.startswith((".venv", "data/", ".git/", ".dvc/cache", "mlruns"))]


def check_init_of_the_wheel(wheel_path, folder):
    """The files of the wheel create a project outside any clone."""
    zipfile.ZipFile(wheel_path).extractall(folder / "installed")
    environment = os.environ | {"PYTHONPATH": str(folder / "installed")}
    command = [sys.executable, "-m", "headrace", "init", "project", "--recipe", "wine"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (folder / "project" / "params.yaml").read_bytes() == (ROOT / "recipes" / "wine.yaml").read_bytes()
    assert (folder / "project" / "cluster" / "kuberay" / "rayjob.yaml").is_file()
    shown = subprocess.run([*command[:3], "recipes"], cwd=folder, env=environment, capture_output=True, text=True)
    assert "linear-gd" in shown.stdout, shown.stderr


def test_lock_is_that_of_the_project():
    check = ["uv", "lock", "--check", "--offline", "--python", sys.executable]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"run: make lock\n{done.stderr}"


def test_requirements_for_pip_are_those_that_uv_installs():
    export = ["uv", "export", "--quiet", "--frozen", "--no-emit-project", "--python", sys.executable]
    exported = subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    printed = subprocess.run(
        [sys.executable, "tools/lock_requirements.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    here = {line for line in read_requirements(exported) if line.marker is None or line.marker.evaluate()}
    assert {(line.name, str(line.specifier)) for line in here} == {
        (line.name, str(line.specifier)) for line in read_requirements(printed)
    }
    assert printed.count("--hash=sha256:") >= len(here)


def read_requirements(text: str) -> list[Requirement]:
    """The requirements of a file with hashes."""
    lines = [line.removesuffix("\\").strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    return [Requirement(line) for line in lines]


def test_dependencies_are_bounded_and_say_why_they_are_there():
    text = (ROOT / "pyproject.toml").read_text()
    for dependency in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]:
        bounds = {specifier.operator for specifier in Requirement(dependency).specifier}
        assert bounds & {"<", "=="}, dependency
        line = next(line for line in text.splitlines() if f'"{dependency}"' in line)
        assert "# " in line, f"{dependency}: no comment with the reason"
    assert requires("headrace")


def run_find_python(*candidates):
    command = [ROOT / "tools" / "find_python.sh", *candidates]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def write_old_python(path):
    """An interpreter that is this one in all but the version that it states."""
    code = "import sys, platform; sys.version_info = (3, 11, 2); platform.python_version = lambda: '3.11.2'; "
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}exec(sys.argv[2])" "$@"\n')
    path.chmod(0o755)
    return path


def test_find_python_takes_the_first_that_is_supported(tmp_path):
    old = write_old_python(tmp_path / "python3.11")
    done = run_find_python("no-such-python", old, sys.executable)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, sys.executable, "")


def test_setup_refuses_an_old_python_in_one_line(tmp_path):
    old, venv = write_old_python(tmp_path / "python3.11"), tmp_path / "venv"
    command = ["make", "--no-print-directory", "setup", f"PYTHON={old}", f"VENV={venv}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    line, _ = done.stderr.splitlines()  # the second is make's
    assert line == (
        f"setup: no Python 3.11.4 to 3.13 among {old}; {old} is 3.11.2; install one, or name it: "
        "make setup PYTHON=/path/to/python3.12"
    )
    assert not venv.exists()
