"""The papers' programs 000, 001 and 003 in Keras 3, on the published files. Independent of this project.

Usage: keras_program.py SYSTEM FOLDER [EPOCHS]. FOLDER holds MNIST's four IDX files, or the archive of CIFAR-10's JPEG
copies. Prints one line of JSON: fit seconds, images per second of each epoch, test accuracy, versions.

The papers print network, loss, optimizer, epochs and batch size. Only 003 prints pixels / 255, which is used for all.
"""

import gzip
import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

EPOCHS = {"000": 10, "001": 5, "003": 10}
BATCH_SIZES = {"000": 32, "001": 64, "003": 32}


def read_mnist(folder: Path) -> list[np.ndarray]:
    """Returns train images `[rows, 28, 28, 1]` and labels, test images and labels."""

    def read(name: str, offset: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=offset)

    arrays = []
    for split in ("train", "t10k"):
        arrays.append(read(f"{split}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1) / np.float32(255))
        arrays.append(read(f"{split}-labels-idx1-ubyte.gz", 8))
    return arrays


def read_cifar10(folder: Path) -> list[np.ndarray]:
    """Returns train images `[rows, 32, 32, 3]` and labels, test images and labels."""
    rows: dict[str, list] = {"train": [], "test": []}
    with tarfile.open(folder / "cifar10_jpeg.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                _, split, name, _ = member.name.split("/")  # cifar10/train/cat/0001.jpg
                rows[split].append((np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read()))), name))
    names = sorted({name for _, name in rows["train"]})
    arrays = []
    for split in ("train", "test"):
        arrays.append(np.stack([pixels for pixels, _ in rows[split]]) / np.float32(255))
        arrays.append(np.array([names.index(name) for _, name in rows[split]]))
    return arrays


def build_network(system: str) -> keras.Sequential:
    """Builds the network as printed; 001 and 003 have a third convolution."""
    shape = (32, 32, 3) if system == "003" else (28, 28, 1)
    third = [] if system == "000" else [layers.Conv2D(64, (3, 3), activation="relu")]
    return keras.Sequential(
        [
            layers.Input(shape),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            *third,
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


class EpochTimer(keras.callbacks.Callback):
    """Records the seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:  # noqa: ARG002 Keras' signature
        """Starts the timer."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:  # noqa: ARG002 Keras' signature
        """Stops the timer."""
        self.seconds.append(time.perf_counter() - self._started)


def main() -> None:
    system, folder = sys.argv[1], Path(sys.argv[2])
    num_epochs = int(sys.argv[3]) if len(sys.argv) > 3 else EPOCHS[system]  # noqa: PLR2004
    train_images, train_labels, test_images, test_labels = (read_cifar10 if system == "003" else read_mnist)(folder)
    model, timer = build_network(system), EpochTimer()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"epochs": num_epochs, "batch_size": BATCH_SIZES[system], "verbose": 0, "callbacks": [timer]}
    started = time.perf_counter()
    model.fit(train_images, train_labels, **options)
    fit_seconds = time.perf_counter() - started
    accuracy = model.evaluate(test_images, test_labels, verbose=0)[1]
    result = {
        "fit_seconds": fit_seconds,
        "rates": [len(train_labels) / seconds for seconds in timer.seconds],
        "accuracy": float(accuracy),
        "num_epochs": num_epochs,
        "num_parameters": model.count_params(),
        "num_rows": [len(train_labels), len(test_labels)],
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
    }
    print(json.dumps(result))


main()
