"""Temporary projects whose stages run as a user would run them: one timed or monitored process per stage."""

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
from environments import limit_cores

DATA_STAGES = ("ingest", "clean", "split", "normalize")
ROOT = Path(__file__).resolve().parent.parent


class TimedProcess:
    """Runs a process and records its wall time (`seconds`) and its `output`."""

    def __init__(self, command: list[str], folder: Path, *, num_cores: int = 0) -> None:
        """Runs the process to its end, on `num_cores` cores or, with 0, on all.

        Raises:
            RuntimeError: if it fails; the message has the end of its output.
        """
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=(lambda: limit_cores(num_cores)) if num_cores else None,  # noqa: PLW1509 no other thread runs yet
        )
        self._on_start(process.pid)
        self.output = process.communicate()[0]
        self.seconds = time.perf_counter() - started
        self._on_exit()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}: {' '.join(self.output.split())[-400:]}")

    def _on_start(self, pid: int) -> None:
        """Called when the process runs."""

    def _on_exit(self) -> None:
        """Called when the process has ended."""


class MonitoredProcess(TimedProcess):
    """Also records the peak memory (MB) of a process and its children, which itself takes part of a core.

    `peak_mb` is PSS: pages shared by several processes count once, and pages of mapped files count while they are in
    memory. `peak_anonymous_mb` excludes pages of files, which the kernel can reclaim.
    """

    def _on_start(self, pid: int) -> None:
        self.peak_mb = self.peak_anonymous_mb = 0.0
        self._monitor = threading.Thread(target=self._poll_memory, args=(pid,), daemon=True)
        self._monitor.start()

    def _on_exit(self) -> None:
        self._monitor.join()

    def _poll_memory(self, pid: int) -> None:
        while True:
            try:
                parent = psutil.Process(pid)
                sizes = [_read_memory_mb(process.pid) for process in [parent, *parent.children(recursive=True)]]
                if parent.status() == psutil.STATUS_ZOMBIE:
                    return
            except psutil.NoSuchProcess:
                return
            self.peak_mb = max(self.peak_mb, sum(total for total, _ in sizes))
            self.peak_anonymous_mb = max(self.peak_anonymous_mb, sum(anonymous for _, anonymous in sizes))
            time.sleep(0.05)


@contextmanager
def temporary_project(**sections: dict) -> Iterator[Path]:
    """Yields a folder whose params.yaml has these sections."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        write_params(Path(folder), sections)
        yield Path(folder)


def write_params(folder: Path, sections: dict) -> None:
    """Writes a project's params.yaml."""
    (folder / "params.yaml").write_text(json.dumps(sections))  # JSON is YAML


def monitor_stage(folder: Path, stage: str) -> MonitoredProcess:
    """Runs one stage in its own process and monitors its memory."""
    return MonitoredProcess(_stage_command(stage), folder)


def time_stage(folder: Path, stage: str, *, num_cores: int = 0) -> TimedProcess:
    """Runs one stage in its own process, without a monitor."""
    return TimedProcess(_stage_command(stage), folder, num_cores=num_cores)


def read_metrics(folder: Path, stage: str) -> dict:
    """Returns the metrics that a stage wrote."""
    return json.loads((folder / "metrics" / f"{stage}.json").read_text())


def read_train_rate(folder: Path) -> float:
    """Returns the rows per second of the last training, as `median_rate` of its epochs."""
    with (folder / "plots" / "train" / "history.csv").open() as file:
        return median_rate([float(epoch["samples_per_second"]) for epoch in csv.DictReader(file)])


def median_rate(epoch_rates: list[float]) -> float:
    """Returns the median over the epochs, without the first if there are more."""
    return statistics.median(epoch_rates[1:] or epoch_rates)


def find_datasets() -> Path:
    """Returns the folder of the real datasets.

    Raises:
        RuntimeError: if HEADRACE_BENCH_DATA is not set.
    """
    folder = os.environ.get("HEADRACE_BENCH_DATA")
    if folder is None:
        raise RuntimeError("HEADRACE_BENCH_DATA is not set; set it to the folder with the real datasets")
    return Path(folder)


def _stage_command(stage: str) -> list[str]:
    return [sys.executable, "-m", "headrace", stage]


def _read_memory_mb(pid: int) -> tuple[float, float]:
    """Returns PSS, and PSS without the pages of files (proc(5), smaps_rollup)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:  # the process has ended
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines}
    return sizes.get("Pss", 0.0), sizes.get("Pss_Anon", 0.0) + sizes.get("Pss_Shmem", 0.0)
