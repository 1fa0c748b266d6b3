"""Recipe linear-gd (system 002a) from its source to the trained weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from headrace.contracts import Spec
from headrace.models.network import build_network
from headrace.paths import Paths
from headrace.stages import clean, ingest, normalize, split
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import WEIGHTS
from headrace.training.fit import FitJob, WorkerContext, fit, read_result
from headrace.training.settings import TrainSettings

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "linear-gd.yaml"
WEIGHT = "1.1.weight"


@pytest.mark.slow
def test_trained_weights_match_gradient_descent_in_numpy(tmp_path: Path) -> None:
    params, paths = YAML(typ="safe").load(RECIPE), Paths(tmp_path)
    for stage in (ingest, clean, split, normalize):
        stage.run(stage.Config(**params[stage.__name__.rpartition(".")[2]]), paths)
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    fit(
        FitJob(paths.normalized_dir, work_dir, TrainSettings(**params["train"]).resolve(num_workers=0)),
        lambda _: None,
        WorkerContext(num_threads=1),
    )
    result = read_result(work_dir)
    assert result is not None
    num_iterations = params["train"]["max_epochs"]
    assert (result["steps"], result["kept_epoch"]) == (num_iterations, num_iterations - 1)

    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    train = open_arrays(paths.normalized_dir / "train")
    center, scale = (np.array([column[key] for column in transform["inputs"]]) for key in ("center", "scale"))
    x = (np.asarray(train.inputs, np.float64) - center) / scale
    y = (np.asarray(train.targets, np.float64) - transform["target"]["mean"]) / transform["target"]["std"]
    torch.manual_seed(params["train"]["seed"])
    network = build_network(params["train"]["model"], Spec.read(paths.normalized_dir), transform)
    start = network.state_dict()[WEIGHT][0].double().numpy()
    theta, alpha = start, 2 * params["train"]["learning_rate"]  # the mean square has twice the gradient of its half
    for _ in range(num_iterations):
        theta = theta - alpha / len(x) * x.T @ (x @ theta - y)
    assert np.abs(load_file(work_dir / WEIGHTS)[WEIGHT][0] - theta).max() < 1e-6
    assert np.abs(theta - start).max() > 0.1
