"""Rows a second that the data module feeds, by one core: alone, and with augmentation.

Seconds are those that the core worked, so that other programs on the machine do not count.

Also a program, run on one core: feeding.py FOLDER SIDE IS_AUGMENTED prints one line of JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from drawn_rows import draw
from environments import allow
from projects import ROOT, Timed, project
from rows import NUM_RUNS, Row, Size

NAMES = ("feeding", "feeding-augmented")
SHAPE, BATCH_SIZE = [32, 32, 3], 128
NUM_ROWS: dict[Size, int] = {"full": 50_000, "quick": 2_000}
BARS = {"feeding": 200_000, "feeding-augmented": 20_000}
FLIP_AND_SHIFT = [
    {"name": "HorizontalFlip", "p": 0.5},
    {"name": "Affine", "translate_percent": [-0.125, 0.125], "p": 1.0},
]
OTHER = "DataLoader row by row"


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Ours and torch's DataLoader over rows in memory, in turn."""
    with project() as folder:
        normalized = draw(folder, SHAPE, num_train=NUM_ROWS[size], num_val=512)
        for name in names:
            runs: dict[str, list[float]] = {"headrace": [], OTHER: []}
            for _ in range(NUM_RUNS[size]):
                for side, found in runs.items():
                    found.append(rate(normalized, side, name))
            told = " with flip and shift" if name == "feeding-augmented" else ""
            yield Row(
                name,
                f"feeding{told}, 32x32x3, batch {BATCH_SIZE}: rows/s by one core",
                statistics.median(runs["headrace"]),
                "rows/s",
                bar=BARS[name],
                runs=runs,
                runs_unit="rows/s",
                unequal="both on one core, seconds that it worked, no training; ours gathers from memory-mapped files"
                " in a seeded order,"
                " the second pass counts; the other holds its rows in memory as tensors"
                + (
                    ", and calls the same transforms of albumentations row by row, drawn unreproducibly" if told else ""
                ),
            )


def rate(normalized: Path, side: str, name: str) -> float:
    """Rows a second of one side, in a process of its own."""
    command = [sys.executable, str(Path(__file__)), str(normalized), side, str(int(name == "feeding-augmented"))]
    return float(json.loads(Timed(command, ROOT, cores=1).output.splitlines()[-1]))


def ours(normalized: Path, transforms: list[dict]) -> Iterable:
    """The batches of the data module."""
    from headrace.training.data_module import ArraysDataModule
    from headrace.training.settings import ResolvedTrainSettings

    settings = ResolvedTrainSettings(batch_size=BATCH_SIZE, augmentation=transforms, num_workers=0)
    data = ArraysDataModule(normalized, settings)
    data.setup("fit")
    return data.train_dataloader()


def row_by_row(normalized: Path, transforms: list[dict]) -> Iterable:
    """What tutorials do: an item a row."""
    import albumentations
    import numpy as np
    import torch

    inputs, targets = (np.load(normalized / "train" / f"{name}.npy") for name in ("inputs", "targets"))
    built = [
        getattr(albumentations, one["name"])(**{key: value for key, value in one.items() if key != "name"})
        for one in transforms
    ]
    compose = albumentations.Compose(built)

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(targets)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            pixels = compose(image=inputs[row])["image"] if built else inputs[row]
            return torch.from_numpy(pixels), int(targets[row])

    return torch.utils.data.DataLoader(Rows(), batch_size=BATCH_SIZE, shuffle=True)


def main() -> None:
    import torch

    allow(1)
    torch.set_num_threads(1)
    normalized, side, is_augmented = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1"
    batches = (row_by_row if side == OTHER else ours)(normalized, FLIP_AND_SHIFT if is_augmented else [])
    for _ in range(2):
        started, num_rows = time.process_time(), 0
        for batch in batches:
            num_rows += len(batch[1] if side == OTHER else batch.targets)
        seconds = time.process_time() - started
    print(json.dumps(num_rows / seconds))


if __name__ == "__main__":
    main()
