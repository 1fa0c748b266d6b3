"""Projects that the benchmarks run stages in, as a user would: one process a stage, timed and watched."""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from environments import allow

LEFT_HALF = ("ingest", "clean", "split", "normalize")
ROOT = Path(__file__).resolve().parent.parent


class Timed:
    """Seconds and output of a process; raises RuntimeError with the end of its output when it fails."""

    def __init__(self, command: list[str], folder: Path, *, cores: int = 0) -> None:
        """`cores`: how many it may use, 0 for all."""
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=(lambda: allow(cores)) if cores else None,  # noqa: PLW1509 no other thread runs yet
        )
        self._begin(process.pid)
        self.output = process.communicate()[0]
        self.seconds = time.perf_counter() - started
        self._end()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}: {' '.join(self.output.split())[-400:]}")

    def _begin(self, pid: int) -> None:
        """Nothing runs beside it."""

    def _end(self) -> None:
        """Nothing to be ended."""


class Watched(Timed):
    """Seconds, and the peak memory (MB) of a process and its children, which takes some of a core to look at.

    `peak_mb` is PSS: pages that several processes share count once, and pages of mapped files count as long as they are
    in memory. `peak_own_mb` leaves those of files out: the kernel takes them back when it needs room.
    """

    def _begin(self, pid: int) -> None:
        self.peak_mb = self.peak_own_mb = 0.0
        self._watcher = threading.Thread(target=self._watch, args=(pid,), daemon=True)
        self._watcher.start()

    def _end(self) -> None:
        self._watcher.join()

    def _watch(self, pid: int) -> None:
        while True:
            try:
                parent = psutil.Process(pid)
                family = [_memory(one.pid) for one in [parent, *parent.children(recursive=True)]]
                if parent.status() == psutil.STATUS_ZOMBIE:
                    return
            except psutil.NoSuchProcess:
                return
            self.peak_mb = max(self.peak_mb, sum(whole for whole, _ in family))
            self.peak_own_mb = max(self.peak_own_mb, sum(own for _, own in family))
            time.sleep(0.05)


def _memory(pid: int) -> tuple[float, float]:
    """MB of a process: PSS, and PSS without the pages of files (proc(5), smaps_rollup)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:  # it has ended
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines}
    return sizes.get("Pss", 0.0), sizes.get("Pss_Anon", 0.0) + sizes.get("Pss_Shmem", 0.0)


@contextmanager
def project(**sections: dict) -> Iterator[Path]:
    """A folder with a params.yaml of these sections."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        write_params(Path(folder), sections)
        yield Path(folder)


def write_params(folder: Path, sections: dict) -> None:
    """Writes a project's settings."""
    (folder / "params.yaml").write_text(json.dumps(sections))  # JSON is YAML


def run_stage(folder: Path, stage: str) -> Watched:
    """Runs one stage in a process of its own, its memory watched."""
    return Watched(command_of(stage), folder)


def time_stage(folder: Path, stage: str, *, cores: int = 0) -> Timed:
    """Runs one stage in a process of its own, with nothing beside it."""
    return Timed(command_of(stage), folder, cores=cores)


def command_of(stage: str) -> list[str]:
    """What runs a stage."""
    return [sys.executable, "-m", "headrace", stage]


def metrics(folder: Path, stage: str) -> dict:
    """What a stage measured."""
    return json.loads((folder / "metrics" / f"{stage}.json").read_text())


def steady_rate(folder: Path) -> float:
    """Rows a second of the last training: the median of its epochs, the first left out where there are more."""
    with (folder / "plots" / "train" / "history.csv").open() as file:
        return steady([float(line["samples_per_second"]) for line in csv.DictReader(file)])


def steady(rates: list[float]) -> float:
    """The median of the epochs, the first left out where there are more."""
    return statistics.median(rates[1:] or rates)


def bench_data() -> Path | None:
    """Where the real data sets lie; None, told aloud, where nothing says."""
    place = os.environ.get("HEADRACE_BENCH_DATA")
    if place is None:
        print("HEADRACE_BENCH_DATA is not set: rows that need the real data sets are left out")
        return None
    return Path(place)
