"""Small sets in the published formats, for tests of readers."""

import pickle

import numpy as np

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HUNDRED = [f"kind_{number:02d}" for number in range(100)]


def photos(num_rows, seed=0, num_classes=10):
    """Pixels `[rows, 3072]` by channel, as CIFAR has them, and labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num_rows, 3072), np.uint8), rng.integers(0, num_classes, num_rows)


def write_cifar10_binary(folder, sizes=(30, 20), test_rows=10):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, seed in _parts10(sizes, test_rows):
        pixels, labels = photos(rows, seed)
        (folder / f"{name}.bin").write_bytes(np.hstack([labels[:, None].astype(np.uint8), pixels]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    return folder


def write_cifar10_python(folder, sizes=(30, 20), test_rows=10, protocol=2):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, seed in _parts10(sizes, test_rows):
        pixels, labels = photos(rows, seed)
        values = {"batch_label": name, "labels": labels.tolist(), "data": pixels, "filenames": ["a.png"] * rows}
        (folder / name).write_bytes(pickle.dumps(values, protocol))
    meta = {"num_cases_per_batch": 10000, "label_names": TEN, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    return folder


def write_cifar100_binary(folder, rows=20, test_rows=10):
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", rows), ("test", test_rows)):
        pixels, labels = photos(count, len(name), 100)
        both = np.stack([labels // 5, labels], axis=1).astype(np.uint8)
        (folder / f"{name}.bin").write_bytes(np.hstack([both, pixels]).tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(HUNDRED) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(HUNDRED[:20]) + "\n")
    return folder


def write_cifar100_python(folder, rows=20, test_rows=10):
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", rows), ("test", test_rows)):
        pixels, labels = photos(count, len(name), 100)
        values = {b"data": pixels, b"fine_labels": labels.tolist(), b"coarse_labels": (labels // 5).tolist()}
        (folder / name).write_bytes(pickle.dumps(values, 4))
    meta = {b"fine_label_names": [name.encode() for name in HUNDRED], b"coarse_label_names": [b"x"]}
    (folder / "meta").write_bytes(pickle.dumps(meta, 4))
    return folder


def _parts10(sizes, test_rows):
    yield from ((f"data_batch_{index + 1}", rows, index) for index, rows in enumerate(sizes))
    yield "test_batch", test_rows, 99
