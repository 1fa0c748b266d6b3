import platform
import subprocess
import sys
import threading

import pytest

from headrace.runtime import preload_modules


def test_garbage_is_searched_seldom_until_the_work_begins():
    """In a process of its own: what an earlier training left is not set aside with the imports."""
    program = """
import gc
from headrace.runtime import SELDOM, USUAL, restore_gc, relax_gc
collect_seldom()
assert gc.get_threshold() == SELDOM
collect_as_usual()
assert gc.get_threshold() == USUAL
left = [[] for _ in range(100_000)]
frozen = gc.get_freeze_count()
assert 0 < frozen < 100_000
collect_as_usual()
assert gc.get_freeze_count() <= frozen
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_modules_are_imported_in_the_background_and_a_missing_one_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "ahead_of_time.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    preload_modules("no_such_module_anywhere", "ahead_of_time")
    for thread in threading.enumerate():
        if thread.name == "imports":
            thread.join()
    assert "ahead_of_time" in sys.modules
    assert "no_such_module_anywhere" not in sys.modules


def test_work_is_counted_without_the_compiler(trained):
    """torch._dynamo takes a second to import, in which Ray could start already."""
    program = """
import json, sys
from pathlib import Path
from headrace.contracts import Spec
from headrace.training.autotune.workload import count_workload
from headrace.storage.arrays import open_arrays
folder = Path(sys.argv[1])
transform = json.loads((folder / "transform.json").read_bytes())
model = {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}
assert count_workload(model, Spec.read(folder), transform, open_arrays(folder / "train")).num_operations > 10
assert "torch" in sys.modules
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(trained.normalized_dir)], check=True)


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


def faults(how: str) -> int:
    """Pages that the kernel hands out for tensors of 9 to 24 MB, one freed before the next is made."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told how to keep what is freed")
def test_kept_memory_is_used_again_in_place_of_new_pages() -> None:
    pages = sum(range(9, 25)) * 256
    assert faults("keep") < pages / 2
    assert faults("leave") > 0.9 * pages  # each is larger than glibc has seen: it comes from the kernel
