"""Assumptions about the internals of installed libraries. A failure here means that a workaround needs an update."""

import importlib.util
import subprocess
import sys

import pytest

from headrace.cluster.jobs import upload
from headrace.cluster.training import make_trainer_class
from headrace.paths import Paths
from headrace.quantization.onnx_export import EXPORTER_MODULES


def test_torch_flop_counter_does_not_import_dynamo(trained: Paths) -> None:
    """The import of torch._dynamo takes a second, during which Ray could start."""
    program = """
import json, sys
from pathlib import Path
from headrace.contracts import Spec
from headrace.training.autotune.workload import count_workload
from headrace.storage.arrays import open_arrays
folder = Path(sys.argv[1])
transform = json.loads((folder / "transform.json").read_bytes())
model = {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}
assert count_workload(model, Spec.read(folder), transform, open_arrays(folder / "train")).num_operations > 10
assert "torch" in sys.modules
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(trained.normalized_dir)], check=True)


@pytest.mark.parametrize("module", EXPORTER_MODULES)
def test_preloaded_module_exists(module: str) -> None:
    assert importlib.util.find_spec(module)


@pytest.mark.parametrize("address", [None, "127.0.0.1:6379"])
def test_ray_train_has_the_callbacks_that_are_removed(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    ours, rays = (
        {
            type(callback).__name__
            for callback in trainer(print, scaling_config=ScalingConfig(num_workers=1))._create_default_callbacks()
        }
        for trainer in (make_trainer_class(), TorchTrainer)
    )
    removed = {"DatasetsCallback"} if address else {"DatasetsCallback", "PlacementGroupCleanerCallback"}
    assert rays - ours == removed
    assert ours <= rays


def test_torch_meets_at_a_store_that_can_be_replaced() -> None:
    rendezvous = importlib.import_module("torch.distributed.rendezvous")
    assert "TCPStore" in rendezvous._create_c10d_store.__code__.co_names


def test_ray_upload_limit_is_ours() -> None:
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

    assert upload.LIMIT_BYTES == DASHBOARD_CLIENT_MAX_SIZE


def test_mlflow_passes_requests_to_a_function_that_can_be_replaced() -> None:
    """And it leaves the checks of inputs to models whose signature is marked: served models rely on both."""
    import inspect

    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import PyFuncModel, scoring_server
    from mlflow.types import ColSpec, Schema

    parameters = list(inspect.signature(scoring_server.invocations).parameters)
    assert parameters == ["data", "content_type", "model", "input_schema"]
    assert "to_thread(invocations, data, content_type, model, input_schema)" in inspect.getsource(scoring_server.init)
    signature = ModelSignature(Schema([ColSpec("double", "size")]))
    signature._is_signature_from_type_hint = True
    metadata = Model.from_dict(Model(signature=signature).to_dict())

    class Echo:
        def predict(self, data: object) -> object:
            return data

    assert PyFuncModel(metadata, Echo()).predict([{"other": "x"}]) == [{"other": "x"}]


def test_mlflow_has_the_map_of_packages_that_is_preset() -> None:
    from mlflow.utils import requirements_utils

    assert "_MODULES_TO_PACKAGES" in vars(requirements_utils)
