"""Settings of the process itself: garbage collection, background imports, memory, and a switch that turns them off."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, NoReturn

DEFAULT_GC_THRESHOLDS, STARTUP_GC_THRESHOLDS = (700, 10, 10), (50_000, 20, 100)
"""For gc.set_threshold: CPython's own, and those used while modules are imported."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
SCIPY_RELEASES = ("1.17.", "1.18.")
"""Those whose docstrings are skipped."""
GOMP_SPINCOUNT = "1000"
"""Turns in which an idle thread of OpenMP waits busily; GNU's libgomp takes this where threads outnumber the cores."""
TRIM_THRESHOLD_BYTES, MMAP_THRESHOLD_BYTES = 2**30, 2**25
"""Free bytes allowed at the end of the heap; the largest block taken from the heap (glibc's maximum)."""


def is_plain() -> bool:
    """Returns whether HEADRACE_PLAIN=1 turns off the workarounds for libraries, to bisect a problem.

    These are: the garbage-collection thresholds, background imports, short waits of threads, quick exit and malloc
    settings of this module, the fork server, the training loop in `engine/lightning_loop.py`, the avoided import of
    `torch._dynamo`, the check of requirements that MLflow is spared, the docstrings of SciPy, and in `cluster/` the
    omitted actors and the environment of Ray. Results are the same, but slower.
    """
    return os.environ.get("HEADRACE_PLAIN") == "1"


def relax_gc() -> None:
    """Makes garbage collection rare during imports: they leave no cycles, and collection takes 20 % of their time."""
    if not is_plain():
        gc.set_threshold(*STARTUP_GC_THRESHOLDS)


def wait_briefly() -> None:
    """Lets OpenMP's idle threads sleep soon, here and in child processes; call it before torch is imported.

    By default they wait busily for milliseconds. Beside other work this takes the core that a thread needs: a training
    of a small convolutional network then ran 4 times slower than with this setting, and alone at the same speed.
    """
    if not is_plain():
        os.environ.setdefault("GOMP_SPINCOUNT", GOMP_SPINCOUNT)


class _Sections(defaultdict[str, list[Any]]):
    """Stands for a parsed docstring, and is always empty."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__(list)

    def __str__(self) -> str:
        return "\n"


class _DocstringsOfScipy:
    """Replaces the parser of docstrings while SciPy is imported, in the releases for which this was tried."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname != "scipy._lib._docscrape":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        version = getattr(sys.modules["scipy"], "__version__", "")
        if spec is not None and spec.loader is not None and version.startswith(SCIPY_RELEASES):
            execute = spec.loader.exec_module

            def execute_and_replace(module: Any) -> None:
                execute(module)
                module.FunctionDoc = _Sections

            spec.loader.exec_module = execute_and_replace  # type: ignore[method-assign]
        return spec


def skip_docstrings() -> None:
    """Saves half of the time of importing SciPy, which parses and rewrites the docstrings of a thousand functions.

    Those functions have no docstrings afterwards. Does nothing if SciPy is imported already.
    """
    if not is_plain() and "scipy" not in sys.modules:
        sys.meta_path.insert(0, _DocstringsOfScipy())


def restore_gc() -> None:
    """Restores CPython's thresholds for long work, and excludes what imports left, so that each collection is short."""
    if is_plain():
        return
    if not gc.get_freeze_count():  # only once: objects of an earlier training in this process must stay collectable
        gc.freeze()
    gc.set_threshold(*DEFAULT_GC_THRESHOLDS)


def exit_process(code: int) -> NoReturn:
    """Ends the process after its threads and exit handlers, without the teardown of the interpreter.

    Destroying the modules of torch and MLflow takes 0.3 to 1.5 s and changes nothing, except that some complain of
    objects that are left.
    """
    if is_plain():
        sys.exit(code)
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 as multiprocessing ends its processes
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a pipe that nobody reads any more
            stream.flush()
    os._exit(code)


def preload_modules(*modules: str) -> None:
    """Imports the modules in this order in a thread; a failed import is left to the code that needs the module."""
    if is_plain():
        return

    def load() -> None:
        for module in modules:
            with suppress(Exception):
                import_module(module)

    threading.Thread(target=load, name="imports", daemon=True).start()


def keep_freed_memory() -> None:
    """Lets a training reuse the memory of its previous step instead of new pages from the kernel.

    Each step allocates and frees activations of several megabytes. By default, glibc returns them to the kernel, which
    must clear every page again: a sixth of a step of a small convolutional network (43 against 36 ms for 128 images of
    32 x 32 pixels). Other C libraries are not changed.
    """
    if is_plain() or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
