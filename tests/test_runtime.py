import gc
import os
import platform
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
import pytorch_lightning as pl

from headrace import runtime
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training.autotune.operation_counter import avoid_dynamo_import
from headrace.training.engine.lightning_loop import StepLoop
from headrace.training.fit import FitJob, WorkerContext, fit, make_trainer
from headrace.training.settings import ResolvedTrainSettings

SETTINGS = ResolvedTrainSettings(
    model={"name": "cnn", "blocks": [8, "pool"], "dense": [16], "dropout": 0.1}, max_epochs=2, batch_size=48
)


def test_restore_gc_a_second_time_freezes_no_more_objects():
    """Runs in a process of its own, where no earlier training has frozen anything."""
    program = """
import gc
from headrace.runtime import restore_gc
restore_gc()
frozen = gc.get_freeze_count()
left = [[] for _ in range(100_000)]
restore_gc()
assert 0 < gc.get_freeze_count() <= frozen
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_preload_modules_imports_in_the_background_and_skips_a_missing_module(tmp_path, monkeypatch):
    (tmp_path / "ahead_of_time.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    runtime.preload_modules("no_such_module_anywhere", "ahead_of_time")
    for thread in threading.enumerate():
        if thread.name == "imports":
            thread.join()
    assert "ahead_of_time" in sys.modules
    assert "no_such_module_anywhere" not in sys.modules


PROGRAM = """
import ctypes, resource, sys
import torch
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page would count as one fault
from headrace.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for megabytes in range(9, 25):
    torch.ones(2**18 * megabytes)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_page_faults(mode: str) -> int:
    """Counts new pages for tensors of 9 to 24 MB, each freed before the next is allocated."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is configured")
def test_keep_freed_memory_reuses_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    num_pages = sum(range(9, 25)) * 256
    assert count_page_faults("keep") < 0.7 * num_pages
    # each tensor is larger than any before it, so by default glibc gets it from the kernel
    assert count_page_faults("default") > 0.9 * num_pages
    monkeypatch.setenv("HEADRACE_PLAIN", "1")
    assert count_page_faults("keep") > 0.9 * num_pages


WAIT = "from headrace.runtime import wait_briefly; wait_briefly(); import torch"


@pytest.mark.skipif(platform.system() != "Linux", reason="only GNU's OpenMP is configured")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"HEADRACE_PLAIN": "1"}, "300000")],
    ids=["default", "of_the_user", "plain"],
)
def test_idle_threads_wait_briefly(changes: dict[str, str], expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", "OMP_NUM_THREADS": "1", **changes}
    done = subprocess.run([sys.executable, "-c", WAIT], env=environment, capture_output=True, text=True, check=True)
    assert f"GOMP_SPINCOUNT = '{expected}'" in done.stderr


PARTS = (
    "cluster fft integrate interpolate io linalg ndimage odr optimize signal sparse sparse.csgraph sparse.linalg "
    "spatial special stats"
)
USE_SCIPY = f"""
from headrace.runtime import skip_docstrings
skip_docstrings()
import sys
from importlib import import_module
for part in "{PARTS}".split():
    import_module("scipy." + part)
from scipy import optimize, stats
assert not any(type(each).__name__ == "_DocstringsOfScipy" for each in sys.meta_path)
found = optimize.minimize(lambda x: (x - 3) ** 2, [0.0])
print(bool(stats.ttest_ind.__doc__), round(float(found.x[0]), 3), stats.ttest_ind([1, 2, 3], [2, 3, 5], axis=0).pvalue)
"""


def test_scipy_without_docstrings_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each release parses its docstrings in its own way: of a new one, try whether all its parts can be imported."""
    assert version("scipy").startswith(runtime.SCIPY_RELEASES)
    outputs = []
    for is_plain in (0, 1):
        monkeypatch.setenv("HEADRACE_PLAIN", str(is_plain))
        done = subprocess.run([sys.executable, "-c", USE_SCIPY], capture_output=True, text=True, check=True)
        outputs.append(done.stdout.split())
    assert [each[0] for each in outputs] == ["False", "True"]
    assert outputs[0][1:] == outputs[1][1:]


def test_plain_process_is_left_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrapped:
        def method(self) -> None:
            """Wrapped as torch wraps its own."""

    Wrapped.method.__wrapped__ = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setenv("HEADRACE_PLAIN", "1")
    before = gc.get_threshold(), gc.get_freeze_count()
    runtime.relax_gc()
    runtime.restore_gc()
    runtime.preload_modules("no_such_module_anywhere")
    avoid_dynamo_import(Wrapped)
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
    assert "imports" not in {thread.name for thread in threading.enumerate()}
    assert not vars(Wrapped.method.__wrapped__)  # type: ignore[attr-defined]
    assert not isinstance(make_trainer(SETTINGS, WorkerContext(), [], max_epochs=1).fit_loop.epoch_loop, StepLoop)


def test_plain_training_gives_the_same_weights(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(name: str) -> tuple[bytes, bool]:
        loops: list[bool] = []
        monkeypatch.setattr(pl.Trainer, "fit", lambda trainer, *args, **options: (
            loops.append(isinstance(trainer.fit_loop.epoch_loop, StepLoop)), fit_of_lightning(trainer, *args, **options)
        ))  # fmt: skip
        work_dir: Path = trained.root / name
        work_dir.mkdir()
        job = FitJob(trained.normalized_dir, work_dir, SETTINGS)
        fit(job, lambda _: None, WorkerContext(num_threads=1))
        return (work_dir / WEIGHTS).read_bytes(), loops[0]

    fit_of_lightning = pl.Trainer.fit
    weights, uses_step_loop = train("default")
    assert uses_step_loop
    monkeypatch.setenv("HEADRACE_PLAIN", "1")
    assert train("plain") == (weights, False)
