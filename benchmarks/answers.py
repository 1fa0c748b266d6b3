"""What answers cost: `headrace predict` beside MLflow's own batch prediction, and the scoring server under load."""

import base64
import gzip
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from environments import BENCH_DIR, run_program
from projects import find_datasets
from rows import NUM_RUNS, Row, Size, median_ratio
from startup import EARLIER, install_earlier, make_environment, run, time_command

from headrace.data.image.reading.rows import encode_png

NAMES = ("predict-mnist", "serve-throughput")
NUM_IMAGES: dict[Size, int] = {"full": 60_000, "quick": 2_000}
SECONDS: dict[Size, float] = {"full": 20.0, "quick": 3.0}
NUM_CLIENTS = 8
IDX_HEADER_BYTES, SIDE_PX = 16, 28


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Trains the default project (5,000 digits), and measures its registered model."""
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        project = Path(scratch) / "project"
        build_project(project, Path(sys.executable).parent)
        if "predict-mnist" in names:
            yield from measure_predict(project, Path(scratch), size)
        if "serve-throughput" in names:
            yield from measure_serving(project, Path(scratch), size)


def build_project(folder: Path, bin_dir: Path) -> None:
    """Runs the whole pipeline of the default project."""
    run(["headrace", "init", folder], folder.parent, bin_dir)
    run(["dvc", "repro"], folder, bin_dir)


def measure_predict(project: Path, scratch: Path, size: Size) -> Iterator[Row]:
    """Whole commands for the same images: IDX and a folder of PNG files, and MLflow's for JSON with the same PNGs."""
    images = read_images(find_datasets() / "mnist" / "train-images-idx3-ubyte.gz", NUM_IMAGES[size])
    sources = {"IDX": write_idx(scratch / "digits-images-idx3-ubyte", images)}
    sources["PNG"] = write_pngs(scratch / "digits", images)
    body = scratch / "digits.json"
    body.write_text(json.dumps({"inputs": [{"image": base64.b64encode(encode_png(i)).decode()} for i in images]}))
    runs: dict[str, list[float]] = {"PNG": [], "MLflow": [], "IDX": []}
    for _ in range(NUM_RUNS[size]):
        for kind, source in sources.items():
            command = ["headrace", "predict", str(source), "-o", str(scratch / f"{kind}.parquet")]
            runs[kind].append(time_command(command, project)["wall"])
        model = read_model_dir(project)
        command = [
            "mlflow",
            "models",
            "predict",
            "-m",
            str(model),
            "-i",
            str(body),
            "-o",
            str(scratch / "answers.json"),
        ]
        command += ["-t", "json", "--env-manager", "local"]
        runs["MLflow"].append(time_command(command, project)["wall"])
    for kind in sources:
        yield Row(
            f"predict-mnist: {kind}",
            f"headrace predict of {len(images):,} MNIST images ({kind})",
            statistics.median(runs[kind]),
            "s",
            target=15.0,
            lower_is_better=True,
            runs=runs,
            runs_unit="s",
            notes="whole commands, start-up included",
        )
    yield Row(
        "predict-mnist: MLflow",
        f"mlflow models predict of the same {len(images):,} PNG images: time relative to headrace predict",
        median_ratio({"MLflow": runs["MLflow"], "PNG": runs["PNG"]}),
        "x",
        target=10.0,
        runs=runs,
        runs_unit="s",
        notes="MLflow gets the same PNG bytes as base64 in one JSON file, and asks the same registered model",
    )


def measure_serving(project: Path, scratch: Path, size: Size) -> Iterator[Row]:
    """Requests of one image each, to the model of either version, in alternation."""
    earlier = scratch / "earlier"
    build_project(earlier, install_earlier())
    models = {"headrace": read_model_dir(project), EARLIER: find_earlier_model(earlier)}
    image = read_images(find_datasets() / "mnist" / "t10k-images-idx3-ubyte.gz", 1)[0]
    body = scratch / "request.json"
    body.write_text(json.dumps({"dataframe_records": [{"image": base64.b64encode(encode_png(image)).decode()}]}))
    rates: dict[str, list[float]] = {name: [] for name in models}
    tails: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(NUM_RUNS[size]):
        for name, model in models.items():
            with serve(model, scratch / f"{name}.log") as url:
                program = [BENCH_DIR / "load_program.py", url, body, NUM_CLIENTS, SECONDS[size]]
                measured = run_program(sys.executable, *program)
            rates[name].append(measured["rate"])
            tails[name].append(measured["p99_ms"])
    p99 = {name: statistics.median(values) for name, values in tails.items()}
    yield Row(
        "serve-throughput",
        f"answers per second of the served image model, {NUM_CLIENTS} clients: relative to {EARLIER}",
        median_ratio(rates),
        "x",
        target=3.0,
        runs=rates,
        runs_unit="requests/s",
        conditions={f"p99 not worse than {EARLIER}'s": p99["headrace"] <= p99[EARLIER]},
        notes=f"one image a request; p99 {p99['headrace']:.0f} ms against {p99[EARLIER]:.0f} ms; the clients run on the"
        " same machine",
    )


def read_images(path: Path, num_images: int) -> np.ndarray:
    """Returns the first images of an IDX file: `[images, height, width]`."""
    num_bytes = num_images * SIDE_PX**2
    with gzip.open(path) as file:
        content = file.read(IDX_HEADER_BYTES + num_bytes)
    return np.frombuffer(content, np.uint8, num_bytes, IDX_HEADER_BYTES).reshape(-1, SIDE_PX, SIDE_PX)


def write_idx(path: Path, images: np.ndarray) -> Path:
    """Writes images as an IDX file."""
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in images.shape)
    path.write_bytes(header + images.tobytes())
    return path


def write_pngs(folder: Path, images: np.ndarray) -> Path:
    """Writes a PNG file per image."""
    folder.mkdir()
    for index, image in enumerate(images):
        (folder / f"{index:05d}.png").write_bytes(encode_png(image))
    return folder


def read_model_dir(project: Path) -> Path:
    """Returns the files of the version that a project registered."""
    return project / json.loads((project / "registered.json").read_text())["files"]


def find_earlier_model(project: Path) -> Path:
    """The same for the earlier version, which did not write where the files are."""
    (model_file,) = project.glob("mlartifacts/**/artifacts/MLmodel")
    return model_file.parent


@contextmanager
def serve(model: Path, log_path: Path) -> Iterator[str]:
    """Runs `mlflow models serve`; yields the address for requests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", str(model), "-h", "127.0.0.1", "-p", str(port)]
    with log_path.open("w") as log:
        server = subprocess.Popen(
            [*command, "--env-manager", "local"],
            cwd=model,
            env=os.environ | make_environment(None),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(600):
            if server.poll() is not None:
                raise RuntimeError(f"the server ended: {log_path.read_text()[-400:]}")
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
