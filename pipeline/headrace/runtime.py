"""How a process begins: without Python's search for garbage, and with imports made where something is waited for.

How the C library gives a training its memory.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module

USUAL, SELDOM = (700, 10, 10), (50_000, 20, 100)
"""Thresholds of gc.set_threshold: CPython's own, and those of a process that begins."""


def is_plain() -> bool:
    """Whether HEADRACE_PLAIN=1 turns off every workaround for a library, to bisect a fault."""
    return os.environ.get("HEADRACE_PLAIN") == "1"


def relax_gc() -> None:
    """Spares imports the search for cyclic garbage: they make none, and it is a fifth of their time."""
    gc.set_threshold(*SELDOM)


def restore_gc() -> None:
    """For long work: as often as CPython does, but not among what imports left, so that each search is short."""
    if not gc.get_freeze_count():  # once: what an earlier training in this process left is no part of it
        gc.freeze()
    gc.set_threshold(*USUAL)


def preload_modules(*modules: str) -> None:
    """Imports the modules in this order, in a thread; one that cannot be imported is left to whoever needs it."""

    def load() -> None:
        for module in modules:
            with suppress(Exception):
                import_module(module)

    threading.Thread(target=load, name="imports", daemon=True).start()


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
