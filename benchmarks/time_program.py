"""Runs a command in a folder; prints its wall seconds, and the CPU seconds of it and of all that it started, as JSON.

Usage: python time_program.py FOLDER COMMAND ...
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): processes whose parent has ended become children of this one, which then counts their time."""


def main() -> None:
    folder, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.perf_counter()
    result = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    wall = time.perf_counter() - started
    if result.returncode:
        sys.exit(result.stdout[-400:])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}))


main()
