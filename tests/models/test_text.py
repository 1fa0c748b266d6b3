import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headrace.models.layers import TextModel
from headrace.models.text import Rnn, TextMean, Transformer

MAX_TOKENS, VOCABULARY = 9, 30
NETWORKS = {
    "mean": TextMean(dense=[8]),
    "mean_linear": TextMean(dense=[]),
    "rnn": Rnn(cell="rnn", bidirectional=False),
    "gru": Rnn(cell="gru", num_layers=2, dense=[5]),
    "lstm": Rnn(num_layers=2, dropout=0.1),
    "transformer": Transformer(width=16, num_heads=2, num_blocks=2),
}
names = pytest.mark.parametrize("name", NETWORKS)


def network_of(name: str) -> TextModel:
    torch.manual_seed(0)
    network = NETWORKS[name].build([MAX_TOKENS, VOCABULARY], 3)
    assert isinstance(network, TextModel)
    return network.eval()


def ids(lengths: list[int], seed: int = 0) -> NDArray[np.int64]:
    rng, padded = np.random.default_rng(seed), np.zeros((len(lengths), max(lengths)), np.int64)
    for row, length in enumerate(lengths):
        padded[row, :length] = rng.integers(1, VOCABULARY, length)
    return padded


@names
def test_padding_does_not_change_outputs(name: str) -> None:
    network, lengths = network_of(name), [1, 4, MAX_TOKENS, 2, 7]
    together = torch.from_numpy(ids(lengths))
    with torch.inference_mode():
        outputs = network(together)
        separately = torch.cat([network(together[row : row + 1, :length]) for row, length in enumerate(lengths)])
    torch.testing.assert_close(separately, outputs, rtol=0, atol=1e-5)
    assert (outputs - outputs[:1]).abs().max() > 1e-3, "outputs of different rows differ"


@names
def test_row_without_tokens_has_finite_outputs(name: str) -> None:
    with torch.inference_mode():
        assert torch.isfinite(network_of(name)(torch.zeros(2, 3, dtype=torch.int64))).all()


@names
def test_forward_is_embed_and_forward_embedded(name: str) -> None:
    network, tokens = network_of(name), torch.from_numpy(ids([3, 6]))
    embedded = network.embed(tokens)
    assert embedded.shape[:2] == tokens.shape
    assert not embedded[tokens == 0].any(), "padding is embedded as 0"
    assert torch.equal(network.forward_embedded(embedded, tokens != 0), network(tokens))


@names
def test_outputs_depend_on_the_order_of_tokens_except_for_means(name: str) -> None:
    network, tokens = network_of(name), torch.from_numpy(ids([MAX_TOKENS]))
    difference = (network(tokens) - network(tokens.flip(1))).abs().max()
    assert (difference < 1e-6) == name.startswith("mean")
