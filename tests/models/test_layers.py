import torch
from torch import nn

from headrace.models.layers import MeanPooling, Residual, masked_mean

IDS = torch.tensor([[3, 1, 0], [2, 0, 0]])


def test_residual_adds_the_input() -> None:
    values = torch.randn(2, 4)
    layers = nn.Linear(4, 4), nn.ReLU()
    torch.testing.assert_close(Residual(*layers)(values), values + layers[0](values).relu())


def test_masked_mean_ignores_padding_and_is_0_without_tokens() -> None:
    values = torch.tensor([[[1.0], [3.0], [50.0]], [[7.0], [8.0], [9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(values, mask).tolist() == [[2.0], [0.0]]


def test_mean_pooling_averages_the_embeddings_of_tokens() -> None:
    network = MeanPooling(5, 4, nn.Identity())
    weight = network.embedding.weight
    torch.testing.assert_close(network(IDS), torch.stack([(weight[3] + weight[1]) / 2, weight[2]]))


def test_embedding_of_padding_is_never_trained() -> None:
    network = MeanPooling(5, 4, nn.Identity())
    # forward_embedded without a mask, so that padding affects the outputs
    network.forward_embedded(network.embed(IDS), torch.ones_like(IDS, dtype=torch.bool)).sum().backward()
    assert network.embedding.weight.grad is not None
    assert not network.embedding.weight.grad[0].any()
    assert network.embedding.weight.grad[1].any()
    assert not network.embedding.weight[0].any()
