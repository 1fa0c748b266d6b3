import json
from typing import Any

import pytest
from torch import nn

from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.models.network import build_network
from headrace.paths import Paths
from headrace.tasks import TASKS
from headrace.training.privacy.checks import check_privacy_compatible, resolve_delta
from headrace.training.settings import Privacy, ResolvedTrainSettings


class RunningNorm:
    """A network with running statistics in instance norm."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        height, width, channels = input_shape
        norm = nn.InstanceNorm2d(channels, track_running_stats=True)
        return nn.Sequential(norm, nn.Flatten(), nn.Linear(height * width * channels, num_outputs))


class Branching:
    """A network that branches on its values, which torch cannot process row by row."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        class Layer(nn.Linear):
            def forward(self, values: Any) -> Any:
                return super().forward(values) if float(values.sum()) > 0 else super().forward(-values)

        return nn.Sequential(nn.Flatten(), Layer(input_shape[0] * input_shape[1] * input_shape[2], num_outputs))


def find_error(paths: Paths, model: dict[str, Any], **privacy: Any) -> str:
    settings = ResolvedTrainSettings(model=model, privacy={"epsilon": 3.0, **privacy})
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    spec = Spec.read(paths.normalized_dir)
    network = build_network(model, spec, transform)
    with pytest.raises(ConfigError) as caught:
        check_privacy_compatible(network, TASKS[spec.task], settings, transform=transform, folder=paths.normalized_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("model", [{"name": "resnet"}, {"name": "cnn", "batch_norm": True, "blocks": [8]}])
def test_batch_norm_fails_with_a_remedy(trained: Paths, model: dict[str, Any]) -> None:
    assert find_error(trained, model) == (
        f"params.yaml: train.model: {model['name']!r} has BatchNorm2d, which mixes the rows of a batch or stores "
        "their statistics, so train.privacy cannot bound the influence of a row; use another norm (resnet: norm: "
        "group; cnn: batch_norm: false)"
    )


def test_running_statistics_fail(trained: Paths) -> None:
    assert "has InstanceNorm2d, which" in find_error(trained, {"name": f"{__name__}:RunningNorm"})


def test_network_that_branches_on_values_fails(trained: Paths) -> None:
    message = find_error(trained, {"name": f"{__name__}:Branching"})
    assert message.startswith(f"params.yaml: train.model: '{__name__}:Branching' has no per-sample gradients, which ")
    assert "remove privacy" in message


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_cells_without_per_sample_gradients_fail_with_an_alternative(project: Paths, cell: str) -> None:
    assert "cell: lstm" in find_error(project, {"name": "rnn", "cell": cell, "width": 4, "hidden": 4})


def test_delta_is_checked_against_the_number_of_rows(trained: Paths) -> None:
    assert find_error(trained, {"name": "linear"}, delta=0.01).startswith(
        "params.yaml: train.privacy.delta: 0.01 does not protect 500 train rows; must be less than 1 / rows, 0.002"
    )


@pytest.mark.parametrize(
    "model", [{"name": "resnet", "norm": "group", "num_stages": 2}, {"name": "vit"}, {"name": "cnn", "blocks": [8]}]
)
def test_models_of_this_package_pass_and_are_not_changed(trained: Paths, model: dict[str, Any]) -> None:
    settings = ResolvedTrainSettings(model=model, privacy={"epsilon": 3.0})
    transform = json.loads((trained.normalized_dir / "transform.json").read_text())
    network = build_network(model, Spec.read(trained.normalized_dir), transform)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    check_privacy_compatible(
        network, TASKS["classification"], settings, transform=transform, folder=trained.normalized_dir
    )
    assert all(weight.equal(before[name]) for name, weight in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())


def test_delta_is_by_default_below_one_over_the_rows() -> None:
    assert resolve_delta(Privacy(epsilon=1.0), 1000) == pytest.approx(1000**-1.1)
    assert resolve_delta(Privacy(epsilon=1.0, delta=1e-5), 1000) == 1e-5


@pytest.mark.parametrize("delta", [0.001, 0.5])
def test_delta_of_one_over_the_rows_fails(delta: float) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.privacy\.delta: .* does not protect 1000 train"):
        resolve_delta(Privacy(epsilon=1.0, delta=delta), 1000)


def test_a_single_row_cannot_be_protected() -> None:
    with pytest.raises(ConfigError, match=r"train\.privacy\.delta"):
        resolve_delta(Privacy(epsilon=1.0), 1)
