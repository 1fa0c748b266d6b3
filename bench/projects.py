"""Projects that the benchmarks run stages in, as a user would: one process a stage, timed and watched."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

LEFT_HALF = ("ingest", "clean", "split", "normalize")


class Watched:
    """Seconds, and the peak memory (PSS, MB) of a process and its children: shared pages count once."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.peak_mb = 0.0
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        watcher = threading.Thread(target=self._watch, args=(process.pid,), daemon=True)
        watcher.start()
        self.output = process.communicate()[0]
        self.seconds = time.perf_counter() - started
        watcher.join()
        if process.returncode:
            sys.exit(f"{command}: {self.output}")

    def _watch(self, pid: int) -> None:
        while True:
            try:
                parent = psutil.Process(pid)
                total = sum(_pss(one) for one in [parent, *parent.children(recursive=True)])
                if parent.status() == psutil.STATUS_ZOMBIE:
                    return
            except psutil.NoSuchProcess:
                return
            self.peak_mb = max(self.peak_mb, total / 1e6)
            time.sleep(0.05)


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0


@contextmanager
def project(**sections: dict) -> Iterator[Path]:
    """A folder with a params.yaml of these sections."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        (Path(folder) / "params.yaml").write_text(json.dumps(sections))  # JSON is YAML
        yield Path(folder)


def run_stage(folder: Path, stage: str) -> Watched:
    """Runs one stage in a process of its own."""
    return Watched([sys.executable, "-m", "pipeline", stage], folder)


def metrics(folder: Path, stage: str) -> dict:
    """What a stage measured."""
    return json.loads((folder / "metrics" / f"{stage}.json").read_text())


def bench_data() -> Path | None:
    """Where the real data sets lie; None, told aloud, where nothing says."""
    place = os.environ.get("HEADRACE_BENCH_DATA")
    if place is None:
        print("HEADRACE_BENCH_DATA is not set: rows that need the real data sets are left out")
        return None
    return Path(place)
