from torch import nn

from headrace.models import MODELS, find_model
from headrace.training.optim.param_groups import find_inner_matrices, split_weights


def test_weights_of_every_model_are_neither_vectors_nor_biases() -> None:
    for name, model in MODELS.items():
        shape = {"image": [32, 32, 1], "text": [8, 20], "table": [6]}[model.modalities[0]]  # type: ignore[attr-defined]
        network = find_model({"name": name}, "x").build(shape, 3)
        weights, others = split_weights(network)
        assert len(weights) + len(others) == len(list(network.parameters()))
        weight_ids = {id(weight) for weight in weights}
        for key, parameter in network.named_parameters():
            is_weight = parameter.ndim > 1 and "bias" not in key.split(".")[-1]
            assert (id(parameter) in weight_ids) == is_weight, key


def test_inner_matrices_are_those_of_all_layers_but_the_last() -> None:
    network = nn.Sequential(nn.Embedding(5, 4), nn.Conv2d(1, 3, 3), nn.Linear(4, 6), nn.Linear(6, 2))
    assert [list(matrix.shape) for matrix in find_inner_matrices(network)] == [[3, 1, 3, 3], [6, 4]]
