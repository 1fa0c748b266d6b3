import numpy as np
import pytest
import torch
from torch import nn

from headrace.explanation.prototypes import MAX_VALUES, compute_features, find_neighbours, sample_train_rows
from headrace.models.cnn import Cnn

TRAIN = np.array([[0, 0], [3, 0], [0, 4], [1, 1]], np.float32)


def test_neighbours_are_the_nearest_by_distance():
    neighbours = find_neighbours(np.array([[0, 0], [3, 1]], np.float32), TRAIN, np.array([10, 20, 30, 40]), number=2)
    assert neighbours.rows.tolist() == [[10, 40], [20, 40]]
    assert neighbours.distances == pytest.approx(np.array([[0, 2**0.5], [1, 2]]))


def test_fewer_train_rows_than_wanted_are_all_returned():
    assert find_neighbours(TRAIN, TRAIN, np.arange(4), number=9).rows.shape == (4, 4)


def test_sample_is_bounded_by_rows_and_by_values():
    inputs = np.empty((50, 3), np.float32)
    assert len(sample_train_rows(inputs, 1000, seed=0)) == 50
    some = sample_train_rows(inputs, 10, seed=0)
    assert some.tolist() == sorted(set(some.tolist()))
    assert len(some) == 10
    large = np.broadcast_to(np.uint8(0), (50, MAX_VALUES // 7))
    assert len(sample_train_rows(large, 1000, seed=0)) == 7


def test_features_are_the_inputs_of_the_last_linear_layer():
    torch.manual_seed(0)
    hidden, head = nn.Linear(4, 3), nn.Linear(3, 2)
    network = nn.Sequential(nn.Identity(), nn.Sequential(hidden, nn.ReLU(), head)).eval()
    inputs = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    rows = np.arange(599, -1, -1)
    expected = torch.relu(hidden(torch.from_numpy(inputs[rows]))).detach().numpy()
    assert compute_features(network, inputs, rows) == pytest.approx(expected, abs=1e-6)
    assert not [module for module in network.modules() if module._forward_pre_hooks]


def test_network_without_a_last_linear_layer_has_no_features():
    network = nn.Sequential(nn.Identity(), nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert compute_features(network, np.zeros((3, 1, 4, 4), np.float32), np.arange(3)) is None


def test_features_of_test_time_augmentation_are_those_of_the_row():
    model = Cnn(blocks=[4, "pool"], mirror=True).build([8, 8, 1], 2)
    inputs = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
    features = compute_features(nn.Sequential(nn.Identity(), model).eval(), inputs, np.arange(5))
    assert features is not None
    assert len(features) == 5
