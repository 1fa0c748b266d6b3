"""int8 against float32: a residual network on CIFAR-10, the same choice in ten runs, and ONNX against PyTorch."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from environments import BENCH_DIR, run_program
from projects import DATA_STAGES, ROOT, find_datasets, read_metrics, time_stage, write_params
from rows import Row, Size, median_ratio
from small_datasets import NUM_TEST, write_small_cifar10

from headrace.config import read_params
from headrace.contracts import Spec
from headrace.models import MODELS
from headrace.models.network import build_network
from headrace.quantization.onnx_export import export_graph
from headrace.storage.onnx_model import OnnxModel

NAMES = ("int8-cifar", "int8-same-choice", "export-models")
TRAINING = {
    "model": {"name": "resnet", "width": 64, "stem_stride": 2, "pre_activation": False},
    "max_epochs": 1,
    "precision": "32",
    "learning_rate": 5e-3,
}
"""A short training of recipe cifar10-fast with another network: about five minutes on two cores without bfloat16."""
VALIDATION_ROWS: dict[Size, int] = {"full": 2_500, "quick": 300}
BATCH_SIZE, NUM_THREADS, NUM_ROUNDS = 16, 2, 30
MAX_SIZE, MAX_LOST = 0.27, 0.005
NUM_CHOICES: dict[Size, int] = {"full": 10, "quick": 2}
MAX_DIFFERENCE, MIN_SAME = 1e-4, 0.999
NUM_EXPORT_ROWS = 1_000


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Yields the rows of the benchmarks in `names`."""
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        if "int8-cifar" in names:
            yield from measure_cifar(Path(scratch), size)
        if "int8-same-choice" in names:
            for recipe in ("wine", "mnist5k"):
                yield measure_choices(Path(scratch) / recipe, recipe, size)
        if "export-models" in names:
            yield measure_exports(Path(scratch))


def measure_cifar(folder: Path, size: Size) -> Iterator[Row]:
    """Trains a residual network, and times its graphs and the eager network side by side."""
    source = find_datasets() / "cifar10"
    if size == "quick":
        write_small_cifar10(source, folder / "cifar10")
        source = folder / "cifar10"
    sections = read_params(ROOT / "recipes" / "cifar10-fast.yaml")
    sections["ingest"]["source"] = str(source / "cifar10_jpeg.tar.xz")
    sections["split"]["counts"] = [None, VALIDATION_ROWS[size], NUM_TEST if size == "quick" else 10_000]
    sections["train"] |= TRAINING
    sections["validate"] |= {"gate": {}}
    sections["quantize"] |= {"max_loss": MAX_LOST, "num_threads": NUM_THREADS}
    sections["test"] |= {"noise_sigmas": []}
    run_stages(folder, sections, (*DATA_STAGES, "train", "validate", "quantize", "test"))
    runs = run_program(sys.executable, BENCH_DIR / "int8_program.py", folder, BATCH_SIZE, NUM_THREADS, NUM_ROUNDS)
    choice = json.loads((folder / "models" / "quantized" / "choice.json").read_text())
    tested, quantized = read_metrics(folder, "test"), read_metrics(folder, "quantize")
    lost = tested.get("accuracy_lost", 0.0)
    conditions = {
        f"int8 is at most {MAX_SIZE} of the size ({quantized['size_ratio']:.3f})": quantized["size_ratio"] <= MAX_SIZE,
        f"at most {100 * MAX_LOST} points of test accuracy lost ({100 * lost:.2f})": lost <= MAX_LOST,
        f"int8 was chosen by the default settings ({choice['chosen']})": choice["precision"] == "int8",
    }
    for program, title, target in (("onnxruntime", "float32 in ONNX Runtime", 3), ("pytorch", "eager PyTorch", 5)):
        pair = {program: runs[program], "int8": runs["int8"]}
        yield Row(
            f"int8-cifar: against {title}",
            f"residual network on CIFAR-10, batch {BATCH_SIZE}, {NUM_THREADS} threads: speed of int8 against {title}",
            median_ratio(pair),
            "x",
            target=target,
            runs=pair,
            runs_unit="ms per batch",
            accuracies={"int8": [tested["accuracy"]], "float32": [tested.get("fp32_accuracy", tested["accuracy"])]},
            conditions=conditions,
            notes="JPEG copies of CIFAR-10; trained for an epoch;"
            f" programs take turns in one process; {describe_processor(choice)}",
        )


def describe_processor(choice: dict) -> str:
    """Returns the processor, and whether it multiplies 8-bit integers in one instruction (VNNI)."""
    machine = choice["machine"]
    has_vnni = any("vnni" in feature for feature in machine["features"])
    return f"{machine['processor']}, {'with' if has_vnni else 'without'} VNNI"


def measure_choices(folder: Path, recipe: str, size: Size) -> Row:
    """Quantizes one trained project again and again."""
    folder.mkdir()
    path = ROOT / "params.yaml" if recipe == "mnist5k" else ROOT / "recipes" / f"{recipe}.yaml"
    sections = read_params(path)
    sections["validate"] |= {"gate": {}}
    if recipe == "mnist5k":
        sections["train"]["max_epochs"] = 3
    run_stages(folder, sections, (*DATA_STAGES, "train", "validate"))
    choices = []
    for _ in range(NUM_CHOICES[size]):
        time_stage(folder, "quantize")
        choices.append(json.loads((folder / "models" / "quantized" / "choice.json").read_text())["chosen"] or "float32")
    return Row(
        f"int8-same-choice: {recipe}",
        f"{recipe} quantized {len(choices)} times: different choices",
        len(set(choices)),
        "",
        target=1,
        lower_is_better=True,
        notes="chosen: " + ", ".join(f"{name} {choices.count(name)} times" for name in dict.fromkeys(choices)),
    )


def run_stages(folder: Path, sections: dict, stages: Sequence[str]) -> None:
    """Runs stages of a new project in processes of their own."""
    write_params(folder, sections)
    for stage in stages:
        time_stage(folder, stage)


def measure_exports(folder: Path) -> Row:
    """Compares the outputs of every model's exported graph with those of the network."""
    differences, agreements = {}, {}
    for name, model in MODELS.items():
        for modality in model.modalities:
            key = f"{name} ({modality})"
            differences[key], agreements[key] = compare_export(name, modality, folder / "model.onnx")
    return Row(
        "export-models",
        f"ONNX against PyTorch, all {len(differences)} kinds of models: largest difference of an output",
        max(differences.values()),
        "",
        target=MAX_DIFFERENCE,
        lower_is_better=True,
        conditions={f"same class for at least {MIN_SAME:.1%} of rows": min(agreements.values()) >= MIN_SAME},
        notes=f"{NUM_EXPORT_ROWS:,} random rows each, initial weights, default options: "
        + ", ".join(f"{key} {value:.1g} ({agreements[key]:.2%})" for key, value in differences.items()),
    )


def compare_export(name: str, modality: str, path: Path) -> tuple[float, float]:
    """Returns the largest difference of an output, and the fraction of rows of the same class."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shape = {"image": [32, 32, 3], "text": [16], "table": [8]}[modality]
    numeric = {"kind": "numeric", "fill": 0.0, "center": 0.0, "scale": 1.0, "has_missing": False, "quantiles": None}
    transforms = {
        "image": {"mean": [0.5] * 3, "std": [0.25] * 3, "resize": "pad"},
        "text": {"max_tokens": 16, "vocabulary": 100},
        "table": {"inputs": [numeric] * 8},
    }
    rows = {
        "image": lambda: rng.integers(0, 256, (NUM_EXPORT_ROWS, *shape), dtype=np.uint8),
        "text": lambda: rng.integers(1, 100, (NUM_EXPORT_ROWS, *shape), dtype=np.int32),
        "table": lambda: rng.normal(size=(NUM_EXPORT_ROWS, *shape)).astype(np.float32),
    }[modality]()
    spec = Spec(
        modality=modality, task="classification", source="x", format="folder", num_rows=9, classes=list("abcdefghij"),
        input_shape=shape,
    )  # fmt: skip
    network = build_network({"name": name}, spec, {"input_shape": shape, **transforms[modality]}).eval()
    export_graph(network, path, input_shape=shape, modality=modality)
    with torch.inference_mode():
        eager = np.concatenate([network(part).numpy() for part in torch.from_numpy(rows).split(250)])
    graph = OnnxModel(path).predict(rows)
    return float(np.abs(eager - graph).max()), float((eager.argmax(axis=1) == graph.argmax(axis=1)).mean())
