"""Rows per second that the data module delivers on one core, with and without augmentation.

Times are CPU times, so that other programs on the machine do not distort them.

Also a program that runs on one core: feeding.py FOLDER PROGRAM IS_AUGMENTED prints rows per second as JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from environments import limit_cores
from projects import ROOT, TimedProcess, temporary_project
from random_rows import write_random_rows
from rows import NUM_RUNS, Row, Size

NAMES = ("feeding", "feeding-augmented")
SHAPE, BATCH_SIZE = [32, 32, 3], 128
NUM_ROWS: dict[Size, int] = {"full": 50_000, "quick": 2_000}
TARGETS = {"feeding": 200_000, "feeding-augmented": 20_000}
FLIP_AND_SHIFT = [
    {"name": "HorizontalFlip", "p": 0.5},
    {"name": "Affine", "translate_percent": [-0.125, 0.125], "p": 1.0},
]
TORCH = "DataLoader row by row"


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Measures the data module and torch's DataLoader over rows in memory, in alternation."""
    with temporary_project() as folder:
        normalized = write_random_rows(folder, SHAPE, num_train=NUM_ROWS[size], num_val=512)
        for name in names:
            is_augmented = name == "feeding-augmented"
            rates: dict[str, list[float]] = {"headrace": [], TORCH: []}
            for _ in range(NUM_RUNS[size]):
                for program, values in rates.items():
                    values.append(measure_rate(normalized, program, is_augmented=is_augmented))
            yield Row(
                name,
                f"data loading{' with flip and shift' if is_augmented else ''}, 32x32x3, batch {BATCH_SIZE}:"
                " rows/s on one core",
                statistics.median(rates["headrace"]),
                "rows/s",
                target=TARGETS[name],
                runs=rates,
                runs_unit="rows/s",
                notes="both on one core, in CPU time of the second pass, without training; Headrace gathers rows from"
                " memory-mapped files in a seeded order; the DataLoader holds its rows in memory"
                + (
                    " and applies the same albumentations transforms row by row, not reproducibly"
                    if is_augmented
                    else ""
                ),
            )


def measure_rate(normalized: Path, program: str, *, is_augmented: bool) -> float:
    """Returns the rows per second of one program, run in its own process."""
    command = [sys.executable, str(Path(__file__)), str(normalized), program, str(int(is_augmented))]
    return float(json.loads(TimedProcess(command, ROOT, num_cores=1).output.splitlines()[-1]))


def headrace_batches(normalized: Path, transforms: list[dict]) -> Iterable:
    """Returns the train batches of the data module."""
    from headrace.training.data_module import ArraysDataModule
    from headrace.training.settings import ResolvedTrainSettings

    settings = ResolvedTrainSettings(batch_size=BATCH_SIZE, augmentation=transforms, num_workers=0)
    data = ArraysDataModule(normalized, settings)
    data.setup("fit")
    return data.train_dataloader()


def torch_batches(normalized: Path, transforms: list[dict]) -> Iterable:
    """Returns the batches of a DataLoader that reads one row at a time, as tutorials do."""
    import albumentations
    import numpy as np
    import torch

    inputs, targets = (np.load(normalized / "train" / f"{name}.npy") for name in ("inputs", "targets"))
    compose = albumentations.Compose(
        [
            getattr(albumentations, transform["name"])(
                **{key: value for key, value in transform.items() if key != "name"}
            )
            for transform in transforms
        ]
    )

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(targets)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            pixels = compose(image=inputs[row])["image"] if transforms else inputs[row]
            return torch.from_numpy(pixels), int(targets[row])

    return torch.utils.data.DataLoader(Rows(), batch_size=BATCH_SIZE, shuffle=True)


def main() -> None:
    import torch

    limit_cores(1)
    torch.set_num_threads(1)
    normalized, program, is_augmented = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1"
    load_batches = torch_batches if program == TORCH else headrace_batches
    batches = load_batches(normalized, FLIP_AND_SHIFT if is_augmented else [])
    for _ in range(2):
        started, num_rows = time.process_time(), 0
        for batch in batches:
            num_rows += len(batch[1] if program == TORCH else batch.targets)
        seconds = time.process_time() - started
    print(json.dumps(num_rows / seconds))


if __name__ == "__main__":
    main()
