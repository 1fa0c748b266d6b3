"""Photographs of many sizes to 224 pixels, and MNIST and CIFAR-10, through the data stages.

`normalize` is compared with a plain loop of Pillow, `clean` and the four stages together with earlier versions. The
photographs are those of `photos/cats-dogs.tar` and their mirror images, since the start of the processes would be half
of the time for 700.
"""

import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import BENCH_DIR, clone_commit
from PIL import Image, ImageOps
from projects import DATA_STAGES, ROOT, TimedProcess, find_datasets, read_metrics, time_stage, write_params
from rows import NUM_RUNS, Row, Size, median_ratio
from startup import EARLIER, changed_environment, install_earlier, make_environment

NAMES = ("photos",)
BEFORE = "0dba3f1"
"""The last commit that decoded every photograph up to three times."""
SIDE_PX = 224
NUM_PHOTOS: dict[Size, int] = {"full": 1_399, "quick": 60}
SOURCES: dict[Size, dict[str, str]] = {
    "full": {"MNIST (IDX)": "mnist", "CIFAR-10 (JPEG copies, tar.xz)": "cifar10/cifar10_jpeg.tar.xz"},
    "quick": {"mnist5k": ""},
}


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Runs the programs in alternation."""
    del names
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        photos = write_photos(Path(scratch) / "photos", NUM_PHOTOS[size])
        yield measure_normalize(Path(scratch), photos, size)
        yield measure_clean(Path(scratch), photos, size)
        for title, source in SOURCES[size].items():
            yield measure_stages(Path(scratch), title, source, size)


def write_photos(folder: Path, number: int) -> Path:
    """Writes photographs by class: the originals, then their mirror images."""
    with tarfile.open(find_datasets() / "photos" / "cats-dogs.tar") as archive:
        members = [member for member in archive if member.name.endswith(".jpg")]
        contents = {member.name: archive.extractfile(member).read() for member in members}
    names = sorted(contents, key=lambda name: name.rpartition("/")[2])  # by number, so that all classes are in any part
    for name, is_mirrored in [(name, is_mirrored) for is_mirrored in (False, True) for name in names][:number]:
        _, part, label, file_name = name.split("/")
        path = folder / label / f"{part}-{'mirrored-' if is_mirrored else ''}{file_name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[name])
        if is_mirrored:
            with Image.open(path) as image:
                ImageOps.mirror(image).save(path, quality=90)
    return folder


def measure_normalize(scratch: Path, photos: Path, size: Size) -> Row:
    """Seconds of the stage on all cores, and of the loop on one; both with the start of their processes."""
    folder = prepare_project(scratch / "normalize", photos)
    for stage in DATA_STAGES[:-1]:
        time_stage(folder, stage)
    loop = [sys.executable, str(BENCH_DIR / "photos_program.py"), str(photos), str(SIDE_PX)]
    runs: dict[str, list[float]] = {"plain loop": [], "headrace": []}
    for _ in range(NUM_RUNS[size]):
        runs["plain loop"].append(TimedProcess(loop, folder, num_cores=1).seconds)
        runs["headrace"].append(time_stage(folder, "normalize").seconds)
    metrics = read_metrics(folder, "normalize")
    num_rows = metrics["train"] + metrics["val"] + metrics["test"]
    return make_row(
        f"normalize, {num_rows:,} photographs to {SIDE_PX} pixels: speed relative to a loop of Pillow on one core",
        runs,
        1.7,
        "the loop only decodes, resizes and stacks them in memory",
    )


def measure_clean(scratch: Path, photos: Path, size: Size) -> Row:
    """Seconds of the stage by this version and by the one that other benchmarks compare with."""
    programs = {EARLIER: install_earlier(), "headrace": None}
    runs: dict[str, list[float]] = {program: [] for program in programs}
    for program, bin_dir in programs.items():
        run_stage(prepare_project(scratch / f"clean-{program}", photos), "ingest", bin_dir)
    for _ in range(NUM_RUNS[size]):
        for program, bin_dir in programs.items():
            runs[program].append(run_stage(scratch / f"clean-{program}", "clean", bin_dir))
    return make_row(f"clean, the same photographs: speed relative to {EARLIER}", runs, 1.5, "all checks of the default")


def measure_stages(scratch: Path, title: str, source: str, size: Size) -> Row:
    """Seconds of the four data stages together, by this version and by the last one before it."""
    path = find_datasets() / source if source else "mnist5k"
    packages = {BEFORE: clone_commit(BEFORE) / "pipeline", "headrace": ROOT / "pipeline"}
    runs: dict[str, list[float]] = {program: [] for program in packages}
    for number in range(NUM_RUNS[size]):
        for program, package_dir in packages.items():
            folder = prepare_project(scratch / f"{Path(path).name}-{program}-{number}", path)
            variables = {"PYTHONPATH": os.pathsep.join([str(package_dir), os.environ.get("PYTHONPATH", "")])}
            with changed_environment(variables):
                runs[program].append(sum(time_stage(folder, stage).seconds for stage in DATA_STAGES))
    return make_row(f"{title}, four stages: speed relative to {BEFORE}", runs, 1.0, "")


def prepare_project(folder: Path, source: Path | str) -> Path:
    """Creates a project whose settings all versions know."""
    folder.mkdir()
    side = SIDE_PX if Path(source).name == "photos" else None
    write_params(folder, {"ingest": {"source": str(source)}, "normalize": {"image_size": side}})
    return folder


def run_stage(folder: Path, stage: str, bin_dir: Path | None) -> float:
    """Seconds of a stage by the `headrace` in `bin_dir`, or by this version."""
    if bin_dir is None:
        return time_stage(folder, stage).seconds
    with changed_environment(make_environment(bin_dir)):
        return TimedProcess([str(bin_dir / "headrace"), stage], folder).seconds


def make_row(title: str, runs: dict[str, list[float]], target: float, notes: str) -> Row:
    """Returns a row of the seconds of two programs, of which the second one is this version."""
    return Row(
        f"photos: {title.partition(',')[0]}", title, median_ratio(runs), "x", target=target, runs=runs, runs_unit="s",
        notes=notes,
    )  # fmt: skip
