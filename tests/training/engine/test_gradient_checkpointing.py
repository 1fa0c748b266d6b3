from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headrace.errors import ConfigError
from headrace.models import MODELS, find_model
from headrace.paths import Paths
from headrace.training.engine.gradient_checkpointing import MODELS_WITH_BLOCKS, check_has_blocks, checkpoint_blocks
from headrace.training.engine.row_dropout import use_row_dropout
from tests.training.short_fit import RESNET, is_same, train

SHAPES = {"image": [16, 16, 1], "text": [8, 20], "table": [6]}
OPTIONS: dict[str, dict[str, Any]] = {"resnet": {"num_stages": 2, "depth": 2, "dropout": 0.2}}
POST: dict[str, Any] = {"num_stages": 2, "pre_activation": False}


def build(name: str, options: dict[str, Any]) -> tuple[nn.Module, Tensor]:
    """Returns a network in training mode, and inputs for it."""
    torch.manual_seed(0)
    modality = MODELS[name].modalities[0]  # type: ignore[attr-defined]
    network = find_model({"name": name, **options}, "x").build(SHAPES[modality], 3).train()
    inputs = {"image": torch.randn(4, 1, 16, 16), "table": torch.randn(4, 6), "text": torch.randint(0, 20, (4, 8))}
    return network, inputs[modality]


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, OPTIONS.get(name, {"dropout": 0.2})) for name in MODELS_WITH_BLOCKS), ("resnet", POST)],
)
def test_checkpointed_blocks_have_the_same_gradients_statistics_and_names(name: str, options: dict[str, Any]) -> None:
    gradients, states, saved = [], [], []
    for is_checkpointed in (False, True):
        network, inputs = build(name, options)
        if is_checkpointed:
            checkpoint_blocks(network)
        use_row_dropout(network, 1).select_rows(0, len(inputs))
        num_saved = 0

        def pack(value: Tensor) -> Tensor:
            nonlocal num_saved
            num_saved += value.numel()
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            loss = network(inputs).square().sum()
        saved.append(num_saved)
        loss.backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
        states.append(network.state_dict())
    assert all(torch.equal(plain, recomputed) for plain, recomputed in zip(*gradients, strict=True))
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0]), (
        "running statistics count a batch once"
    )
    assert saved[1] < saved[0]


@pytest.mark.parametrize("name", MODELS)
def test_models_with_blocks_are_those_in_the_message(name: str) -> None:
    network, _ = build(name, OPTIONS.get(name, {}))
    if name in MODELS_WITH_BLOCKS:
        check_has_blocks(network, name)
        return
    with pytest.raises(ConfigError) as caught:
        check_has_blocks(network, name)
    assert str(caught.value) == (
        f"params.yaml: train.gradient_checkpointing: true, and model {name!r} has no blocks to recompute; set "
        "false, or choose a model of ['resmlp', 'resnet', 'table_transformer', 'transformer', 'vit']"
    )


def test_fit_with_checkpointing_gives_the_same_weights(trained: Paths) -> None:
    settings: dict[str, Any] = {"model": RESNET, "max_epochs": 2}
    assert is_same(train(trained, "a", **settings), train(trained, "b", gradient_checkpointing=True, **settings))


def test_fit_with_checkpointing_of_a_model_without_blocks_fails(trained: Paths) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.gradient_checkpointing: true, and model 'cnn' has"):
        train(trained, "a", gradient_checkpointing=True)
