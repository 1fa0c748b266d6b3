import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from headrace.learning.allocation import keep_freed_memory
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
