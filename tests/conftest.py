"""What several tests share: small real images, and a project that holds a trained bundle."""

import io
import json
import shutil
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headrace.contracts import Spec
from headrace.paths import SPLITS, Paths

# a shell that runs this in the background ignores SIGINT, which the processes under test would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)

# no test asserts a timing: a loaded machine is no mistake
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

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

    from headrace.models.network import build_network
    from headrace.quantization.onnx_export import export_graph
    from headrace.storage import arrays, atomic, bundle

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


COLOURS = ["blue", "green", "red"]
DAY_0 = 19000  # 2022-01-08, in days since 1970
WORDS = ["[PAD]", "[UNK]", "awful", "bad", "film", "fine", "good", "great", "plot", "poor", "story", "the", "was"]
SPLIT_ROWS = {"train": 400, "val": 150, "test": 150}
TABLE_INPUTS = [
    {"name": "size", "column": "size", "kind": "numeric", "fill": 0.0, "center": 0.0, "scale": 1.0,
     "has_missing": False, "quantiles": None},
    {"name": "noise", "column": "noise", "kind": "numeric", "fill": 0.5, "center": 0.5, "scale": 0.3,
     "has_missing": True, "quantiles": None},
    {"name": "colour", "column": "colour", "kind": "categorical", "num_values": 5},
    {"name": "seen.days", "column": "seen", "kind": "numeric", "fill": 0.0, "center": 0.0, "scale": 30.0,
     "has_missing": False, "quantiles": None},
    {"name": "seen.year_sin", "column": "seen", "kind": "numeric", "fill": 0.0, "center": 0.0, "scale": 1.0,
     "has_missing": False, "quantiles": None},
]  # fmt: skip


def table_rows(num_rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Stored rows of TABLE_INPUTS, and a value that `size` and red make: 10 size + 8 for red + 50."""
    rng = np.random.default_rng(seed)
    size, noise, colour = rng.normal(size=num_rows), rng.random(num_rows), rng.integers(2, 5, num_rows)
    noise[rng.random(num_rows) < 0.1] = np.nan
    days = rng.integers(-60, 60, num_rows)
    of_year = (
        DAY_0 + days - (np.datetime64(0, "D") + DAY_0 + days).astype("M8[Y]").astype("M8[D]").astype(int)
    ) / 365.25
    stored = np.stack([size, noise, colour, days, np.sin(2 * np.pi * of_year)], axis=1).astype(np.float32)
    return stored, 10 * size + 8 * (colour == 4) + 50 + rng.normal(0, 0.5, num_rows)


def text_rows(num_rows: int, seed: int) -> tuple[list[NDArray[np.int32]], NDArray[np.float64]]:
    """Ids of texts of 3 to 12 WORDS, one of which tells praise; and a value: about 60 for praise, else 40."""
    rng = np.random.default_rng(seed)
    praise = rng.random(num_rows) < 0.5
    rows = []
    for is_praise in praise:
        telling = rng.choice([5, 6, 7] if is_praise else [2, 3, 9])
        words = [telling, *rng.choice([4, 8, 10, 11, 12], rng.integers(2, 12))]
        rows.append(rng.permutation(words).astype(np.int32))
    return rows, np.where(praise, 60.0, 40.0) + rng.normal(0, 0.5, num_rows)


def word_tokenizer() -> dict[str, object]:
    """A tokenizer of WORDS, as JSON."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return json.loads(tokenizer.to_str())


def _transform_of(modality: str, values: NDArray[np.float64]) -> dict[str, object]:
    rows = {"low": int((values <= 50).sum()), "high": int((values > 50).sum())}
    target = {"mean": float(values.mean()), "std": float(values.std()), "rows": rows}
    if modality == "text":
        told = {"vocabulary": len(WORDS), "max_tokens": 12, "lowercase": True, "unknown": 1}
        told["tokenizer"] = word_tokenizer()
        return {"input_shape": [12], **told, "target": target}
    kinds = {"size": "numeric", "noise": "numeric", "colour": "categorical", "seen": "date"}
    date = {"parts": ["days", "year_sin"]}
    more = {"categorical": {"values": COLOURS}, "date": {"offset": float(DAY_0), "unit": 1.0, **date}}
    plain = {"offset": 0.0, "unit": 1.0}
    columns = [{"name": name, "kind": kind, **more.get(kind, plain)} for name, kind in kinds.items()]
    return {"input_shape": [5], "columns": columns, "inputs": TABLE_INPUTS, "left_out": [], "target": target}


def _write_rows(paths: Paths, modality: str, task: str, input_shape: list[int]) -> NDArray[np.float64]:
    """The arrays of all splits; returns the train rows' values."""
    from headrace.storage import arrays

    draw = text_rows if modality == "text" else table_rows
    all_values = {}
    for seed, (split, num_rows) in enumerate(SPLIT_ROWS.items()):
        inputs, values = draw(num_rows, seed)
        made = arrays.create(
            paths.normalized_dir / split, num_rows=num_rows, input_shape=input_shape, modality=modality, task=task
        )
        made.put(np.arange(num_rows), inputs, values if task == "regression" else (values > 50).astype(int))
        made.row_ids[:] = [f"{split}{row:026d}".encode() for row in range(num_rows)]
        made.close()
        all_values[split] = values
    return all_values["train"]


def _train_bundle(paths: Paths, model: dict[str, object], spec: Spec, transform: dict[str, object]) -> None:
    import torch

    from headrace.models.network import build_network
    from headrace.quantization.onnx_export import export_graph
    from headrace.storage import arrays, bundle

    torch.manual_seed(0)
    network = build_network(model, spec, transform)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    train = arrays.open_arrays(paths.normalized_dir / "train")
    inputs, targets = torch.from_numpy(np.array(train.inputs[:])), torch.from_numpy(np.array(train.targets))
    std = transform["target"]["std"]
    for _ in range(150):
        optimizer.zero_grad()
        outputs = network(inputs)
        if spec.task == "regression":
            loss = torch.nn.functional.mse_loss(outputs[:, 0] / std, targets / std)
        else:
            loss = torch.nn.functional.cross_entropy(outputs, targets)
        loss.backward()
        optimizer.step()
    paths.trained_dir.mkdir(parents=True)
    bundle.write_weights(paths.trained_dir, network.state_dict())
    export_graph(network, paths.trained_dir / bundle.GRAPH, input_shape=spec.input_shape, modality=spec.modality)
    card = bundle.Card("0" * 16, model, spec.model_dump(), transform, settings={"model": model}, lineage={})
    bundle.write_card(paths.trained_dir, card)


MODELS_OF = {"table": {"name": "mlp", "dense": [16]}, "text": {"name": "text_mean", "width": 8, "dense": []}}


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Paths]:
    """(text or table, task) -> a project as it stands after `train`; made once: copy it before you change it."""

    @cache
    def made(modality: str, task: str) -> Paths:
        from headrace.storage import atomic

        paths = Paths(tmp_path_factory.mktemp(f"{modality}-{task}"))
        input_shape = [12] if modality == "text" else [len(TABLE_INPUTS)]
        transform = _transform_of(modality, _write_rows(paths, modality, task, input_shape))
        columns = [{"name": column["name"], "kind": column["kind"]} for column in transform.get("columns", [])]
        spec = Spec(
            modality=modality, task=task, source="drawn", format="table", num_rows=700, target="worth",
            columns=columns, classes=["low", "high"] if task == "classification" else [], input_shape=input_shape,
        )  # fmt: skip
        atomic.write_json(paths.normalized_dir / "transform.json", transform)
        atomic.write_text(paths.normalized_dir / "spec.json", spec.text())
        _train_bundle(paths, MODELS_OF[modality], spec, transform)
        return paths

    return made


@pytest.fixture(scope="session")
def train_bundle() -> Callable[..., None]:
    """(paths, model, spec, transform): trains shortly on `data/normalized` and writes the bundle."""
    return _train_bundle


@pytest.fixture
def project(made_project: Callable[[str, str], Paths], request: pytest.FixtureRequest, tmp_path: Path) -> Paths:
    """A copy of the project that `request.param` (modality, task) asks for."""
    shutil.copytree(made_project(*request.param).root, tmp_path / "project")
    return Paths(tmp_path / "project")


@pytest.fixture(scope="session")
def write_pictures() -> object:
    """`write_image_folder`, for fixtures of other folders."""
    return write_image_folder
