"""Worker processes: a killed one is reported, and none outlives its caller."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from headrace.cluster.process_pool import Processes, Threads
from headrace.errors import ClusterError


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_process_is_an_error_of_one_line():
    with pytest.raises(ClusterError, match="a process that worked on the data was killed"):
        list(Processes(2)(kill_itself, [1, 2]))


@pytest.mark.faults
def test_processes_do_not_outlive_a_killed_caller(tmp_path):
    script = tmp_path / "caller.py"
    script.write_text(
        "import time\nfrom headrace.cluster.process_pool import Processes\n"
        "if __name__ == '__main__':\n    print('go', flush=True)\n    list(Processes(2)(time.sleep, [600, 600]))\n"
    )
    caller = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert caller.stdout.readline() == "go\n"
    children = []
    for _ in range(300):
        # the first child is the resource tracker, which ends after all others
        children = psutil.Process(caller.pid).children(recursive=True)
        if len(children) >= 3 and all(child.num_threads() > 1 for child in children[1:]):
            break
        time.sleep(0.1)
    assert len(children) >= 3
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert not psutil.wait_procs(children, timeout=30)[1]


def test_threads_keep_the_order_and_end_when_their_caller_stops():
    threads, num_before = Threads(2), threading.active_count()
    assert list(threads(abs, range(-9, 0))) == list(range(9, 0, -1))
    results = threads(abs, range(-9, 0))
    assert next(results) == 9
    results.close()
    assert threading.active_count() == num_before


def test_pool_keeps_the_order_and_is_reusable_after_close():
    processes = Processes(2)
    try:
        assert list(processes(abs, range(-9, 0))) == list(range(9, 0, -1))
        processes.close()
        assert list(processes(abs, [-1])) == [1]
    finally:
        processes.close()
