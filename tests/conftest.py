"""What several tests share: small real images, and a project that holds a trained bundle."""

import io
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.contracts import Spec
from pipeline.paths import SPLITS, Paths

# a shell that runs this in the background ignores SIGINT, which the processes under test would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)

CLASSES = ["cross", "disc", "square"]
SIDE = 16


def picture(kind: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A 16x16 grey picture of a cross, a disc or a square, somewhere, with noise."""
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


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """40 pictures of each of three classes."""
    return write_image_folder(tmp_path / "photos", 40)


@pytest.fixture(scope="session")
def trained_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as it stands after `train`: normalised arrays and a bundle that a short training made."""
    import torch

    from pipeline.modalities.network import build_network
    from pipeline.quantization.export import export_graph
    from pipeline.storage import arrays, atomic, bundle

    paths = Paths(tmp_path_factory.mktemp("trained"))
    transform = {"input_shape": [SIDE, SIDE, 1], "mean": [0.2], "std": [0.25], "resize": "pad"}
    spec = Spec(
        modality="image", task="classification", source="drawn", format="folder", num_rows=900, classes=CLASSES,
        input_shape=[SIDE, SIDE, 1],
    )  # fmt: skip
    for index, split in enumerate(SPLITS):
        inputs, targets = pictures(500 if split == "train" else 200, seed=index)
        made = arrays.create(paths.normalized_dir / split, num_rows=len(inputs), input_shape=spec.input_shape)
        made.inputs[:], made.targets[:] = inputs, targets
        made.row_ids[:] = [f"{split}{row:026d}".encode() for row in range(len(inputs))]
    atomic.write_json(paths.normalized_dir / "transform.json", transform)
    atomic.write_text(paths.normalized_dir / "spec.json", spec.text())

    torch.manual_seed(0)
    model = {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16], "dropout": 0.0}
    network = build_network(model, spec, transform)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    train = arrays.open_arrays(paths.normalized_dir / "train")
    inputs, targets = torch.from_numpy(np.array(train.inputs)), torch.from_numpy(np.array(train.targets))
    for _ in range(25):
        for start in range(0, len(targets), 50):
            optimizer.zero_grad()
            rows = slice(start, start + 50)
            torch.nn.functional.cross_entropy(network(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    paths.trained_dir.mkdir(parents=True)
    bundle.write_weights(paths.trained_dir, network.state_dict())
    export_graph(network, paths.trained_dir / bundle.GRAPH, input_shape=spec.input_shape)
    bundle.write_card(
        paths.trained_dir,
        bundle.Card("0" * 16, model, spec.model_dump(), transform, settings={"model": model, "seed": 0}, lineage={}),
    )
    return paths.root


@pytest.fixture
def trained(trained_root: Path, tmp_path: Path) -> Paths:
    """A copy of the trained project that a test may change."""
    shutil.copytree(trained_root, tmp_path / "project")
    return Paths(tmp_path / "project")


@pytest.fixture(scope="session")
def write_pictures() -> object:
    """`write_image_folder`, for fixtures of other folders."""
    return write_image_folder
