"""What the fork server imports; that it serves and ends is tested with its client."""

import os
import subprocess
import sys

from headrace.commands.fork_server import MODULE_ORDER, MODULES

THREADS = """
import os
from importlib import import_module
from headrace.commands.fork_server import MODULES
for modules in MODULES.values():
    for module in modules:
        import_module(module)
names = [open(f"/proc/self/task/{thread}/comm").read().strip() for thread in os.listdir("/proc/self/task")]
print(len([name for name in names if name != "jemalloc_bg_thd"]))
"""


def test_order_names_stages_with_modules() -> None:
    assert {*MODULE_ORDER, "", "fit-baselines"} == set(MODULES)


def test_modules_exist_and_start_no_thread() -> None:
    """A fork has only the thread that forked: what waits for another one at its end would wait for ever."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # its threads expect forks, as jemalloc's does
    process = subprocess.run(
        [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout == "1\n"
