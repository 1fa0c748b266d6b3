"""Small datasets in the published formats, for tests of readers."""

import io
import pickle
import struct

import numpy as np

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HUNDRED = [f"kind_{number:02d}" for number in range(100)]


class _Python2Pickler(pickle._Pickler):
    """Pickles as Python 2 and NumPy 1 did: protocol 2, text as byte strings, and NumPy's old module names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, data):
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(data)

    def save_text(self, text):
        self.save_bytes(text.encode())

    def save_global(self, obj, name=None):
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or obj.__qualname__}\n".encode())
        self.memoize(obj)

    dispatch[bytes], dispatch[str], dispatch[type] = save_bytes, save_text, save_global


def dump_python2(value):
    """Returns a pickle in the form of CIFAR's published files."""
    buffer = io.BytesIO()
    _Python2Pickler(buffer, 2).dump(value)
    return buffer.getvalue()


def photos(num_rows, seed=0, num_classes=10):
    """Returns pixels `[rows, 3072]` in the channel order of CIFAR, and labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num_rows, 3072), np.uint8), rng.integers(0, num_classes, num_rows)


def write_cifar10_binary(folder, sizes=(30, 20), test_rows=10):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, seed in _parts10(sizes, test_rows):
        pixels, labels = photos(rows, seed)
        (folder / f"{name}.bin").write_bytes(np.hstack([labels[:, None].astype(np.uint8), pixels]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    return folder


def write_cifar10_python(folder, sizes=(30, 20), test_rows=10):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, seed in _parts10(sizes, test_rows):
        pixels, labels = photos(rows, seed)
        values = {"batch_label": name, "labels": labels.tolist(), "data": pixels, "filenames": ["a.png"] * rows}
        (folder / name).write_bytes(dump_python2(values))
    meta = {"num_cases_per_batch": 10000, "label_names": TEN, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(dump_python2(meta))
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
        values = {"data": pixels, "fine_labels": labels.tolist(), "coarse_labels": (labels // 5).tolist()}
        (folder / name).write_bytes(dump_python2(values))
    meta = {"fine_label_names": HUNDRED, "coarse_label_names": HUNDRED[:20]}
    (folder / "meta").write_bytes(dump_python2(meta))
    return folder


def _parts10(sizes, test_rows):
    yield from ((f"data_batch_{index + 1}", rows, index) for index, rows in enumerate(sizes))
    yield "test_batch", test_rows, 99
