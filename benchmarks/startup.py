"""What a pipeline costs beside its training, compared with the version before its processes shared their imports."""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import BENCH_DIR, CACHE_DIR, clone_commit, run_program
from projects import ROOT, read_metrics
from rows import Row, Size, median_ratio

NAMES = ("startup-wine", "startup-mnist5k", "startup-commands", "startup-setup")
EARLIER = "5364390"
"""The commit that is compared: the last one whose stages each imported everything by themselves."""
NUM_RUNS: dict[Size, int] = {"full": 5, "quick": 1}
LIMITS_S = {"headrace --help": 0.3, "headrace status": 0.5, "dvc repro": 2.0}
NOTES = "both versions use the same packages; alternating runs, each of the whole pipeline in a project of its own"


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Runs pipelines and commands of both versions, in alternation."""
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        programs = {"headrace": Path(sys.executable).parent, EARLIER: install_earlier()}
        for name, recipe in (("startup-wine", "wine"), ("startup-mnist5k", None)):
            if name in names:
                yield from measure_pipeline(name, recipe, programs, Path(scratch), size)
        if "startup-commands" in names:
            yield from measure_commands(programs, Path(scratch), size)
        if "startup-setup" in names:
            yield measure_setup(Path(scratch), size)


def install_earlier() -> Path:
    """Returns a folder whose `headrace` is the earlier version, with the packages of this environment."""
    checkout, bin_dir = clone_commit(EARLIER), CACHE_DIR / f"headrace-{EARLIER}-bin"
    bin_dir.mkdir(exist_ok=True)
    program = bin_dir / "headrace"
    lines = [
        f"#!{sys.executable}",
        f"import sys; sys.path.insert(0, {str(checkout)!r})",
        "if __name__ == '__main__':",  # processes of a pool import this file
        "    from pipeline.__main__ import main; main()",
    ]
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    return bin_dir


def measure_pipeline(
    name: str, recipe: str | None, programs: dict[str, Path], scratch: Path, size: Size
) -> Iterator[Row]:
    """Whole `dvc repro` of new projects: wall and CPU seconds; of mnist5k without the fit."""
    wall: dict[str, list[float]] = {program: [] for program in programs}
    cpu: dict[str, list[float]] = {program: [] for program in programs}
    for number in range(NUM_RUNS[size]):
        for program, bin_dir in programs.items():
            folder = scratch / f"{name}-{program}-{number}"
            run(["headrace", "init", folder, *(["--recipe", recipe] if recipe else [])], scratch, bin_dir)
            seconds = time_command(["dvc", "repro"], folder, bin_dir)
            fit_seconds = 0.0 if recipe else read_metrics(folder, "train")["fit_seconds"]
            wall[program].append(seconds["wall"] - fit_seconds)
            cpu[program].append(seconds["cpu"])
    what = f"dvc repro of recipe {recipe}" if recipe else "dvc repro of the default project, less the fit"
    for kind, runs in [("wall", wall), *([("CPU", cpu)] if recipe else [])]:
        yield Row(
            f"{name}: {kind}",
            f"{what}: {kind} time relative to {EARLIER}",
            median_ratio(runs),
            "x",
            target=0.5,
            stretch_target=0.35,
            lower_is_better=True,
            runs=runs,
            runs_unit="s",
            notes=NOTES + "; CPU time is that of all processes, also of those that outlive dvc",
        )


def measure_commands(programs: dict[str, Path], scratch: Path, size: Size) -> Iterator[Row]:
    """Commands in a project after its pipeline."""
    folders = {program: scratch / f"commands-{program}" for program in programs}
    for program, folder in folders.items():
        run(["headrace", "init", folder, "--recipe", "wine"], scratch, programs[program])
        time_command(["dvc", "repro"], folder, programs[program])
    for command, limit in LIMITS_S.items():
        runs: dict[str, list[float]] = {program: [] for program in programs}
        for _ in range(NUM_RUNS[size]):
            for program, bin_dir in programs.items():
                runs[program].append(time_command(command.split(), folders[program], bin_dir)["wall"])
        medians = {program: statistics.median(values) for program, values in runs.items()}
        yield Row(
            f"startup-commands: {command}",
            f"{command}{' with nothing to do' if command.startswith('dvc') else ''}",
            medians["headrace"],
            "s",
            target=limit,
            lower_is_better=True,
            runs=runs,
            runs_unit="s",
            conditions={f"not slower than {EARLIER}": medians["headrace"] <= 1.05 * medians[EARLIER]},
        )


def measure_setup(scratch: Path, size: Size) -> Row:
    """`make setup` with an empty cache, by uv and by pip, from the same lock file."""
    runs: dict[str, list[float]] = {"uv": [], "pip": []}
    for _ in range(1 if size == "quick" else 3):
        for program, values in runs.items():
            folder = scratch / "setup"
            run(["git", "clone", "--quiet", ROOT, folder], scratch)
            cache = folder / "cache"
            variables = {"UV_CACHE_DIR": str(cache), "PIP_CACHE_DIR": str(cache)}
            if program == "pip":
                variables["HEADRACE_SETUP_BY"] = "pip"
            values.append(time_command(["make", "setup"], folder, None, variables)["wall"])
            shutil.rmtree(folder)
    return Row(
        "startup-setup",
        "make setup with an empty cache: uv's time relative to pip's",
        median_ratio(runs),
        "x",
        target=0.2,
        lower_is_better=True,
        runs=runs,
        runs_unit="s",
        notes="both download everything, CUDA's build of torch included",
    )


def time_command(
    command: list[str], folder: Path, bin_dir: Path | None = None, variables: dict[str, str] | None = None
) -> dict[str, float]:
    """Returns the wall seconds of a command, and the CPU seconds of it and all that it started."""
    program = [BENCH_DIR / "time_program.py", folder, *command]
    with changed_environment(make_environment(bin_dir) | (variables or {})):
        return run_program(sys.executable, *program)


def make_environment(bin_dir: Path | None) -> dict[str, str]:
    """Variables for which `headrace` is that of `bin_dir`, and everything else that of this environment."""
    folders = [bin_dir, Path(sys.executable).parent] if bin_dir else [Path(sys.executable).parent]
    return {"PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]])}


class changed_environment:  # noqa: N801 - a context manager
    """Sets variables of this process while a block runs."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables, self._before = variables, dict(os.environ)

    def __enter__(self) -> None:
        os.environ.update(self._variables)

    def __exit__(self, *_: object) -> None:
        os.environ.clear()
        os.environ.update(self._before)


def run(command: Sequence[object], folder: Path, bin_dir: Path | None = None) -> None:
    """Runs a command to its end.

    Raises:
        RuntimeError: if it fails; the message has the end of its output.
    """
    environment = os.environ | make_environment(bin_dir)
    result = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {' '.join((result.stdout + result.stderr).split())[-400:]}")
