"""Small projects as they stand after `train`: built by the real stages, once for all workers of a test run."""

import csv
import io
import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from headrace.config import validate_section
from headrace.paths import Paths
from headrace.storage.atomic import write_json
from headrace.tracking import launch

CLASSES = ["cross", "disc", "square"]
SIDE = 16
STAGES_UP_TO_TRAIN = ("ingest", "clean", "split", "normalize", "train")
QUICK_CHECKS = {"label_error": "off", "near_duplicate": "off", "duplicate": "off"}
EPOCHS = {"image": 10, "table": 20, "text": 40}
TRAINING = {
    "batch_size": 50, "learning_rate": 0.01, "schedule": "constant", "num_workers": 0, "num_threads": 1,
    "early_stopping": {"patience": 0}, "seed": 0,
}  # fmt: skip


LENIENT = {"max_latency": 1000.0, "max_size": 10.0, "max_loss": 0.5, "num_calibration_rows": 64}
"""Settings of `quantize` for networks of a few kilobytes, whose latency does not matter."""


def picture(kind: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A 16x16 grey picture of a cross, a disc or a square at a random place, with noise."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y, x, size = rng.integers(5, 11), rng.integers(5, 11), rng.integers(3, 5)
    dy, dx = np.abs(rows - y), np.abs(columns - x)
    shape = [
        ((dy <= 1) & (dx <= size)) | ((dx <= 1) & (dy <= size)),
        (dy**2 + dx**2 <= size**2) & (dy**2 + dx**2 > (size - 2) ** 2),
        (np.maximum(dy, dx) <= size) & (np.maximum(dy, dx) > size - 2),
    ][kind]
    return np.clip(shape * 200.0 + rng.normal(25, 12, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def pictures(num_rows: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures `[rows, 16, 16, 1]` and their classes."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, len(CLASSES), num_rows)
    return np.stack([picture(int(kind), rng) for kind in targets])[..., None], targets.astype(np.int64)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes `[height, width]` or `[height, width, 3]`."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_image_folder(folder: Path, rows_per_class: int, seed: int = 0) -> Path:
    """A folder of PNG files by class."""
    rng = np.random.default_rng(seed)
    for kind, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for index in range(rows_per_class):
            (folder / name / f"{index:04d}.png").write_bytes(png(picture(kind, rng)))
    return folder


def table_rows(num_rows: int, seed: int = 0) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    """Rows of four columns, and a value that `size` and `colour` determine: 10 size + 8 for red + 50."""
    rng = np.random.default_rng(seed)
    size, noise = rng.normal(size=num_rows), rng.random(num_rows)
    colour = rng.choice(["blue", "green", "red"], num_rows)
    seen = np.datetime64("2022-01-08") + rng.integers(-60, 60, num_rows)
    is_known = rng.random(num_rows) >= 0.1
    columns = zip(size, noise, is_known, colour, seen, strict=True)
    rows = [
        {"size": f"{s:.5f}", "noise": f"{n:.5f}" if known else "", "colour": str(c), "seen": str(day)}
        for s, n, known, c, day in columns
    ]
    return rows, 10 * size + 8 * (colour == "red") + 50 + rng.normal(0, 0.5, num_rows)


PRAISE, BLAME = ["fine", "good", "great"], ["awful", "bad", "poor"]
NEUTRAL = ["film", "plot", "story", "the", "was"]


def text_rows(num_rows: int, seed: int = 0) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    """Texts of 3 to 12 words, one of which is praise or blame; and a value: about 60 for praise, else 40."""
    rng = np.random.default_rng(seed)
    is_praise = rng.random(num_rows) < 0.5
    rows = []
    for praise in is_praise:
        words = [rng.choice(PRAISE if praise else BLAME), *rng.choice(NEUTRAL, rng.integers(2, 12))]
        rows.append({"text": " ".join(rng.permutation(words))})
    return rows, np.where(is_praise, 60.0, 40.0) + rng.normal(0, 0.5, num_rows)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """The rows as a CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run_stages(paths: Paths, settings: dict[str, Any], stages: tuple[str, ...]) -> None:
    """Runs stages in this process, as `headrace STAGE` does, on settings by stage."""
    for stage in stages:
        module = import_module(f"headrace.stages.{stage}")
        module.run(validate_section(module.Config, settings.get(stage, {}), stage), paths)


def settings_of(modality: str, task: str) -> dict[str, Any]:
    """Settings of the project for a modality and a task."""
    counts = [None, 200, 200] if modality == "image" else [None, 150, 150]
    models = {
        "image": {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16], "dropout": 0.0},
        "table": {"name": "mlp", "dense": [16]},
        "text": {"name": "text_mean", "width": 8, "dense": [16]},
    }
    ingest = {"source": "photos"} if modality == "image" else {"source": "rows.csv", "target": "worth", "task": task}
    checks = QUICK_CHECKS if modality == "image" else {**QUICK_CHECKS, "length_outlier": "off"}
    return {
        "ingest": ingest,
        "clean": {"checks": {name: level for name, level in checks.items() if _applies(name, modality)}},
        "split": {"counts": counts},
        "normalize": {"text": {"max_tokens": 12, "vocabulary": 512}} if modality == "text" else {},
        "train": {**TRAINING, "model": models[modality], "max_epochs": EPOCHS[modality]},
    }


def _applies(check: str, modality: str) -> bool:
    return {"near_duplicate": modality != "table", "length_outlier": modality == "text"}.get(check, True)


def build_project(paths: Paths, modality: str, task: str, empty_registry: Path) -> None:
    """Runs all stages up to `train`; leaves a registry without runs."""
    paths.root.mkdir(parents=True, exist_ok=True)
    if modality == "image":
        write_image_folder(paths.root / "photos", 300)
    else:
        rows, values = (text_rows if modality == "text" else table_rows)(700)
        worth = [f"{value:.4f}" for value in values]
        if task == "classification":
            worth = ["high" if value > 50 else "low" for value in values]
        write_csv(paths.root / "rows.csv", [row | {"worth": cell} for row, cell in zip(rows, worth, strict=True)])
    with pytest.MonkeyPatch.context() as patched:  # nothing is sent: the registry shall stay empty
        patched.setattr(launch, "spawn_sender", lambda paths: os.getpid())
        run_stages(paths, settings_of(modality, task), STAGES_UP_TO_TRAIN)
    for name in ("photos", "mlartifacts", ".headrace"):
        shutil.rmtree(paths.root / name, ignore_errors=True)
    shutil.copy(empty_registry, paths.root / "mlflow.db")


def calibrate(paths: Paths, **settings: Any) -> None:
    """Runs `validate` and `quantize`, whose metrics are written; by default any int8 graph is small enough.

    Without baselines: a process that fits them takes some seconds.
    """
    for stage, values in (("validate", {"baselines": {"seconds": 0}}), ("quantize", LENIENT | settings)):
        module = import_module(f"headrace.stages.{stage}")
        write_json(paths.metrics_path(stage), module.run(validate_section(module.Config, values, stage), paths))


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def build_once(folder: Path, build: Any) -> Path:
    """Calls `build(folder)` in the first worker that asks; the others wait for it."""
    with FileLock(f"{folder}.lock"):
        if not Path(f"{folder}.done").exists():
            build(folder)
            Path(f"{folder}.done").touch()
    return folder
