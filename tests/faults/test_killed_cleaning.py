"""Clean and normalize, killed halfway: old results stay intact, and the same command again ends the same."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from headrace.paths import Paths
from headrace.settings.normalize import TextOptions
from headrace.stages import clean, normalize, split
from tests.drawn import MODALITIES, faulty_rows, hashes, rows, write_raw

ROOT = Path(__file__).resolve().parents[2]
OUTS = ("data", "reports")
CHECKS = {"label_error": "off"}  # whose packages take seconds to import
PARAMS = dict.fromkeys(("image", "text", "table"), "clean: {checks: {label_error: 'off'}}\n")
PARAMS["text"] += "normalize: {text: {vocabulary: 300, max_tokens: 16}}\n"
# runs a stage that hangs at the second call of a function, and signals it by a file
HANGING_STAGE = """
import sys, time
from importlib import import_module
from pathlib import Path
from headrace.__main__ import main

stage, where, name, num_processes = sys.argv[1:]
owner = import_module(where)
*parts, last = name.split(".")
for part in parts:
    owner = getattr(owner, part)
work, calls = getattr(owner, last), []

def hang(*arguments, **options):
    calls.append(name)
    if len(calls) == 2:
        Path("hanging").touch()
        time.sleep(600)
    return work(*arguments, **options)

if __name__ == "__main__":
    setattr(owner, last, hang)
    if int(num_processes) > 1:
        from headrace.cluster import batch_engine
        batch_engine.SERIAL_BYTES, batch_engine.num_local_cpus = 0, lambda: int(num_processes)
    main([stage])
"""
PLACES = {
    "clean: while rows are checked": ("clean", "headrace.storage.scratch", "Scratch.append", "1"),
    "clean: while rows are checked by processes": ("clean", "headrace.storage.scratch", "Scratch.append", "2"),
    "clean: while rows are written": ("clean", "headrace.data.text.checker", "TextChecker.repair", "1"),
    "normalize: while rows are stored": ("normalize", "headrace.storage.arrays", "ArrayWriter.put", "1"),
    "normalize: while rows are stored by processes": ("normalize", "headrace.storage.arrays", "ArrayWriter.put", "2"),
}
pytestmark = pytest.mark.faults


def start_hanging_stage(paths, place):
    """Starts a stage that hangs at a place."""
    script = paths.root / "hanging.py"
    script.write_text(HANGING_STAGE)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    command = [sys.executable, script, *PLACES[place]]
    with (paths.root / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=paths.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    for _ in range(1200):
        if (paths.root / "hanging").exists():
            return process
        assert process.poll() is None, (paths.root / "log").read_text()
        time.sleep(0.05)
    raise AssertionError("the stage did not get there")


def run_again(paths, stage):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    command = [sys.executable, "-m", "headrace", stage]
    done = subprocess.run(command, cwd=paths.root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    # what was assumed about the data, and nothing about the killed run
    assert all(re.match("headrace: (texts cut|equal rows): ", line) for line in done.stderr.splitlines()), done.stderr


def half_written(paths):
    return sorted(str(path.relative_to(paths.root)) for path in paths.root.rglob(".*.tmp"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """By modality: a project that was cleaned and normalized without interruption."""
    projects = {}
    for modality in MODALITIES:
        listed = rows(modality, 40) + faulty_rows(modality)
        paths = write_raw(tmp_path_factory.mktemp(modality) / "project", modality, listed)
        paths.params_path.write_text(PARAMS[modality])
        clean.run(clean.Config(checks=CHECKS), paths)
        split.run(split.Config(), paths)
        normalize.run(normalize.Config(text=TextOptions(vocabulary=300, max_tokens=16)), paths)
        projects[modality] = paths
    return projects


CASES = [
    ("image", "clean: while rows are checked by processes"),
    ("text", "normalize: while rows are stored"),
    pytest.param("image", "normalize: while rows are stored by processes", marks=pytest.mark.slow),
    pytest.param("text", "clean: while rows are written", marks=pytest.mark.slow),
    pytest.param("table", "clean: while rows are checked", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "place"), CASES)
def test_killed_stage_keeps_old_results_and_ends_the_same_later(undisturbed, tmp_path, modality, place):
    shutil.copytree(undisturbed[modality].root, tmp_path / "project")
    paths, stage = Paths(tmp_path / "project"), PLACES[place][0]
    before = hashes(paths.root, *OUTS)
    process = start_hanging_stage(paths, place)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    after = hashes(paths.root, *OUTS)
    assert {name: after[name] for name in before} == before
    assert all("/." in name for name in after.keys() - before.keys()), "incomplete files are hidden"
    run_again(paths, stage)
    assert hashes(paths.root, *OUTS) == before
    assert half_written(paths) == []
    assert not (paths.state_dir / "scratch" / "clean").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "place"), CASES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_stage_cleans_up(undisturbed, tmp_path, modality, place, number):
    code, line = {signal.SIGTERM: (143, "terminated"), signal.SIGINT: (130, "interrupted")}[number]
    shutil.copytree(undisturbed[modality].root, tmp_path / "project")
    paths, stage = Paths(tmp_path / "project"), PLACES[place][0]
    before = hashes(paths.root, *OUTS)
    process = start_hanging_stage(paths, place)
    begun = psutil.Process(process.pid).children(recursive=True)
    assert bool(begun) == place.endswith("by processes")
    if number == signal.SIGINT:  # a terminal sends it to all processes
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(60) == code, (paths.root / "log").read_text()
    assert (paths.root / "log").read_text() == f"headrace: {line}\n"
    assert hashes(paths.root, *OUTS) == before
    assert half_written(paths) == []
    assert not (paths.state_dir / "scratch" / "clean").exists()
    assert not psutil.wait_procs(begun, timeout=30)[1]
    run_again(paths, stage)
    assert hashes(paths.root, *OUTS) == before


def test_first_run_that_is_killed_leaves_no_folder(undisturbed, tmp_path):
    paths = Paths(tmp_path / "project")
    shutil.copytree(undisturbed["text"].raw_dir, paths.raw_dir)
    paths.params_path.write_text(PARAMS["text"])
    process = start_hanging_stage(paths, "clean: while rows are written")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    assert not paths.clean_dir.exists()
    assert not paths.quarantine_dir.exists()
    assert half_written(paths) != []
    run_again(paths, "clean")
    assert half_written(paths) == []
    assert hashes(paths.root, "data/clean") == hashes(undisturbed["text"].root, "data/clean")
