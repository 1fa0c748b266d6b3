"""How a process begins: without Python's search for garbage, and with imports made where something is waited for."""

import gc
import threading
from contextlib import suppress
from importlib import import_module

USUAL, SELDOM = (700, 10, 10), (50_000, 20, 100)
"""Thresholds of gc.set_threshold: CPython's own, and those of a process that begins."""


def collect_seldom() -> None:
    """Spares imports the search for cyclic garbage: they make none, and it is a fifth of their time."""
    gc.set_threshold(*SELDOM)


def collect_as_usual() -> None:
    """For long work: as often as CPython does, but not among what imports left, so that each search is short."""
    if not gc.get_freeze_count():  # once: what an earlier training in this process left is no part of it
        gc.freeze()
    gc.set_threshold(*USUAL)


def import_ahead(*modules: str) -> None:
    """Imports the modules in this order, in a thread; one that cannot be imported is left to whoever needs it."""

    def load() -> None:
        for module in modules:
            with suppress(Exception):
                import_module(module)

    threading.Thread(target=load, name="imports", daemon=True).start()
