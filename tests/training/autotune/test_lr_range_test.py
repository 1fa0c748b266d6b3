import math
from pathlib import Path

import pytest

from headrace.errors import ConfigError
from headrace.training.autotune.lr_range_test import SweepPoint, choose_rate, run_range_test
from headrace.training.fit import FitJob
from headrace.training.settings import ResolvedTrainSettings

SETTINGS = {"model": {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}, "batch_size": 25, "num_workers": 0}


def curve(loss_at):
    """20 steps per decade, starting at 1e-6."""
    return [SweepPoint(10 ** (-6 + step / 20), loss_at(-6 + step / 20)) for step in range(121)]


def test_choose_rate_is_between_the_steepest_slope_and_a_tenth_of_the_minimum():
    # decreases along a logistic curve around 1e-3, has its minimum at 1e-1, and increases from there
    rate = choose_rate(curve(lambda decade: 2 - 1 / (1 + math.exp(-6 * (decade + 3))) + max(0.0, decade + 1) * 5))
    assert rate == pytest.approx(math.sqrt(1e-3 * 1e-2), rel=0.3)


@pytest.mark.parametrize("points", [[], curve(lambda _: 1.0), curve(lambda decade: 7 + decade)])
def test_choose_rate_without_a_decrease_fails(points):
    with pytest.raises(ConfigError, match=r"^params.yaml: train.learning_rate: the loss decreased at no rate"):
        choose_rate(points)


@pytest.mark.slow
def test_range_test_is_repeatable_and_depends_on_the_optimizer(trained):
    def choose(**changes):
        settings = ResolvedTrainSettings(**SETTINGS, **changes)
        return run_range_test(FitJob(trained.normalized_dir, Path(), settings))

    adam = choose()
    assert 1e-4 < adam < 5e-2
    assert choose() == adam
    assert choose(optimizer="sgd", schedule="constant") > adam, "Adam's steps do not shrink with the gradient"
    assert choose(learning_rate=5e-2) == adam, "the learning rate in the settings has no influence"
