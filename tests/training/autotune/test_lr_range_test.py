"""The range test: what it reads off a curve, and that a real one is right to a factor and repeats itself."""

import math

import pytest

from headrace.errors import ConfigError
from headrace.training.autotune.lr_range_test import SweepPoint, choose_rate, range_test
from headrace.training.fit import FitJob
from headrace.training.settings import ResolvedTrainSettings

SETTINGS = {"model": {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}, "batch_size": 25, "num_workers": 0}


def curve(loss_at):
    """20 steps a decade from 1e-6 on."""
    return [SweepPoint(10 ** (-6 + step / 20), loss_at(-6 + step / 20)) for step in range(121)]


def test_rate_lies_between_the_steepest_fall_and_a_tenth_of_the_least_loss():
    # falls along a logistic curve around 1e-3, is least at 1e-1, and climbs from there on
    found = choose_rate(curve(lambda decade: 2 - 1 / (1 + math.exp(-6 * (decade + 3))) + max(0.0, decade + 1) * 5))
    assert found == pytest.approx(math.sqrt(1e-3 * 1e-2), rel=0.3)


@pytest.mark.parametrize("tried", [[], curve(lambda _: 1.0), curve(lambda decade: 7 + decade)])
def test_rate_of_a_loss_that_falls_nowhere_is_refused(tried):
    with pytest.raises(ConfigError, match=r"^params.yaml: train.learning_rate: the loss fell at no rate"):
        choose_rate(tried)


@pytest.mark.slow
def test_range_test_repeats_itself_and_follows_the_optimizer(trained):
    def found(**changes):
        settings = ResolvedTrainSettings(**SETTINGS, **changes)
        return range_test(FitJob(str(trained.normalized_dir), "", settings.model_dump()), settings)

    adam = found()
    assert 1e-4 < adam < 5e-2
    assert found() == adam
    assert found(optimizer="sgd", schedule="constant") > adam, "Adam's steps do not shrink with the gradient"
    assert found(learning_rate=5e-2) == adam, "what stood there before has no part in it"
