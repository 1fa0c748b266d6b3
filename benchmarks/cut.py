"""The published sets cut to a few rows, in their own formats: for runs that only check the programs."""

import gzip
import io
import tarfile
from pathlib import Path

NUM_TRAIN, NUM_TEST = 2_000, 500


def cut(data: Path, folder: Path) -> Path:
    """Writes `mnist`, `cifar10` and `tabular/adult` as `data` has them, shorter."""
    _mnist(data / "mnist", folder / "mnist")
    _cifar10(data / "cifar10", folder / "cifar10")
    _adult(data / "tabular" / "adult", folder / "tabular" / "adult")
    return folder


def _mnist(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for split, num_rows in (("train", NUM_TRAIN), ("t10k", NUM_TEST)):
        for kind, head, row_bytes in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            name = f"{split}-{kind}-ubyte.gz"
            content = gzip.decompress((source / name).read_bytes())
            start = content[:4] + num_rows.to_bytes(4, "big") + content[8:head]
            (target / name).write_bytes(gzip.compress(start + content[head : head + num_rows * row_bytes]))


def _cifar10(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    name, counts, most = "cifar10_jpeg.tar.xz", {}, {"train": NUM_TRAIN // 10, "test": NUM_TEST // 10}
    with tarfile.open(source / name) as whole, tarfile.open(target / name, "w:xz", preset=0) as part:
        for member in whole:
            if member.name.endswith(".jpg"):
                _, split, label, _ = member.name.split("/")
                counts[split, label] = counts.get((split, label), 0) + 1
                if counts[split, label] <= most[split]:
                    part.addfile(member, io.BytesIO(whole.extractfile(member).read()))


def _adult(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name, num_rows in (("adult.data", NUM_TRAIN), ("adult.test", NUM_TEST)):
        lines = (source / name).read_text().splitlines(keepends=True)
        (target / name).write_text("".join(lines[: num_rows + 1]))
