import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from headrace.explanation.sanity_check import check_sanity, rank_correlation, shuffle_weights

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(20, 30)).astype(np.float32)
PLACES = np.ones((20, 30), bool)


def linear() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(30, 1))


def weights_times_inputs(network: torch.nn.Sequential) -> np.ndarray:
    return np.asarray(network[1].weight.detach().numpy() * INPUTS)


def similarity(attribute, network: torch.nn.Sequential) -> float | None:
    return check_sanity(network, attribute, attribute(network), is_place=PLACES, num_networks=2, seed=0)


def test_attributions_that_ignore_the_weights_are_fully_similar():
    assert similarity(lambda network: INPUTS, linear()) == pytest.approx(1)


def test_attributions_that_depend_on_the_weights_are_not_similar():
    assert abs(similarity(weights_times_inputs, linear())) < 0.5


def test_equal_attributions_have_no_similarity():
    assert similarity(lambda network: np.ones_like(INPUTS), linear()) is None


def test_only_the_places_of_a_row_count():
    is_place = np.arange(30) < 10
    noisy = [np.where(is_place, INPUTS, RNG.normal(size=INPUTS.shape)) for _ in range(2)]
    places = np.broadcast_to(is_place, INPUTS.shape)
    value = check_sanity(linear(), lambda _: noisy[1], noisy[0], is_place=places, num_networks=1, seed=0)
    assert value == pytest.approx(1)


def test_shuffled_weights_are_the_same_numbers_in_another_order():
    network = linear()
    before = network[1].weight.detach().clone()
    shuffled = shuffle_weights(network, 0)[1].weight.detach()
    assert torch.equal(network[1].weight, before)
    assert not torch.equal(shuffled, before)
    assert torch.equal(shuffled.flatten().sort().values, before.flatten().sort().values)
    assert torch.equal(shuffle_weights(network, 0)[1].weight, shuffled)
    assert not torch.equal(shuffle_weights(network, 1)[1].weight, shuffled)


@pytest.mark.parametrize("decimals", [0, 6], ids=["ties", "no ties"])
def test_rank_correlation_is_that_of_scipy(decimals: int):
    first, second = np.round(RNG.normal(size=(2, 4, 10)) * 2, decimals).astype(np.float32)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic)


def test_rank_correlation_of_too_few_or_equal_values_is_none():
    assert rank_correlation(np.zeros(2), np.ones(2)) is None
    assert rank_correlation(np.zeros(9), np.arange(9.0)) is None
