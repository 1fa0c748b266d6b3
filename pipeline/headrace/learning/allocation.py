"""How the C library gives a training its memory."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""mallopt(3)."""
MOST_OF_HEAP, LARGEST_OF_HEAP = 2**30, 2**25
"""Bytes that may lie free at the heap's end; the largest block that comes of the heap (what glibc allows)."""


def keep_freed_memory() -> None:
    """Lets a training use the memory of its last step again, in place of new pages from the kernel.

    Each step frees and takes activations of megabytes. By itself glibc gives them back to the kernel, which must clear
    every page anew: a sixth of a step of a small convolutional network, 43 against 36 ms of 128 images at
    32 x 32 pixels. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_OF_HEAP)
        mallopt(M_TRIM_THRESHOLD, MOST_OF_HEAP)
