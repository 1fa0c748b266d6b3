"""The published datasets shortened to a few rows, in their own formats, for quick runs."""

import gzip
import io
import tarfile
from pathlib import Path

NUM_TRAIN, NUM_TEST = 2_000, 500


def write_small_datasets(datasets: Path, folder: Path) -> Path:
    """Writes short versions of `mnist`, `cifar10` and `tabular/adult` to `folder`, laid out as in `datasets`."""
    write_small_mnist(datasets / "mnist", folder / "mnist")
    write_small_cifar10(datasets / "cifar10", folder / "cifar10")
    write_small_adult(datasets / "tabular" / "adult", folder / "tabular" / "adult")
    return folder


def write_small_mnist(source: Path, target: Path) -> None:
    """Writes the four IDX files with fewer rows."""
    target.mkdir(parents=True)
    for split, num_rows in (("train", NUM_TRAIN), ("t10k", NUM_TEST)):
        for kind, header_bytes, row_bytes in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            name = f"{split}-{kind}-ubyte.gz"
            content = gzip.decompress((source / name).read_bytes())
            header = content[:4] + num_rows.to_bytes(4, "big") + content[8:header_bytes]
            rows = content[header_bytes : header_bytes + num_rows * row_bytes]
            (target / name).write_bytes(gzip.compress(header + rows))


def write_small_cifar10(source: Path, target: Path) -> None:
    """Writes the archive of JPEG files with fewer images per class."""
    target.mkdir(parents=True)
    name, counts = "cifar10_jpeg.tar.xz", {}
    max_per_class = {"train": NUM_TRAIN // 10, "test": NUM_TEST // 10}
    with tarfile.open(source / name) as archive, tarfile.open(target / name, "w:xz", preset=0) as small:
        for member in archive:
            if member.name.endswith(".jpg"):
                _, split, label, _ = member.name.split("/")
                counts[split, label] = counts.get((split, label), 0) + 1
                if counts[split, label] <= max_per_class[split]:
                    small.addfile(member, io.BytesIO(archive.extractfile(member).read()))


def write_small_adult(source: Path, target: Path) -> None:
    """Writes both CSV files with fewer lines."""
    target.mkdir(parents=True)
    for name, num_rows in (("adult.data", NUM_TRAIN), ("adult.test", NUM_TEST)):
        lines = (source / name).read_text().splitlines(keepends=True)
        (target / name).write_text("".join(lines[: num_rows + 1]))
