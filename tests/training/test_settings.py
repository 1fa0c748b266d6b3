from typing import Any

import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.training.settings import (
    Privacy,
    ResolvedTrainSettings,
    TrainSettings,
    find_privacy_conflict,
)

NEED_FULL_WEIGHTS = {
    "ema": {"ema": 0.9},
    "l1": {"l1": 0.1},
    "optimizer: muon": {"optimizer": "muon"},
    "gradient_checkpointing": {"gradient_checkpointing": True},
}


def find_error(**settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        validate_section(ResolvedTrainSettings, settings, "train")
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 10, "num_workers": 3},
         "train.num_workers: 3 workers cannot share a batch_size of 10 evenly; make train.batch_size a multiple of 3,"
         " or train.num_workers a divisor of 10"),
        ({"num_workers": 5},
         "train.num_workers: 5 workers cannot share a batch_size of 64 evenly; make train.batch_size a multiple of 5,"
         " or train.num_workers a divisor of 64"),
        ({"batch_size": "x", "num_workers": 3}, "train.batch_size: got 'x'; must be a valid integer"),
        ({"num_workers": "auto"}, "train.num_workers: got 'auto'; must be a valid integer"),
        ({"num_workers": -1}, "train.num_workers: got -1; must be greater than or equal to 0"),
        ({"batch_size": 8, "accumulate": 9},
         "train.accumulate: cannot split a batch_size of 8 into 9 parts; use at most 8"),
        ({"strategy": "fsdp", "num_workers": 0},
         "train.strategy: 'fsdp' splits the network over workers, and num_workers is 0; set num_workers: 2 or more, or "
         "ddp"),
        *(({"strategy": "fsdp", "num_workers": 2, **setting},
           f"train.strategy: 'fsdp' shards the weights, and train.{name} needs all of them; set strategy: ddp")
          for name, setting in NEED_FULL_WEIGHTS.items()),
        ({"model": {"name": "cnm"}},
         "train.model.name: 'cnm' is not a model; choose one of ['cnn', 'linear', 'mlp', 'resmlp', 'resnet', "
         "'rnn', 'table_transformer', 'text_mean', 'transformer', 'vit'] (did you mean 'cnn'?), or name a class of "
         "your own: my_package.module:Thing"),
        ({"model": {"blocks": [3]}}, "train.model.name: missing; add the name of a model, such as 'cnn'"),
        ({"model": {"name": "mlp", "dens": [3]}},
         "train.model.dens: unknown key; choose one of ['activation', 'dense', 'dropout', 'init'] "
         "(did you mean 'dense'?)"),
        ({"model": {"name": "cnn", "blocks": ["poll"], "dropout": 2}},
         "train.model.blocks.0: got 'poll'; must be a valid integer or 'pool'; and "
         "train.model.dropout: got 2; must be less than 1"),
        ({"augmentation": [{"name": "Affine"}, {"rotate": 3}]},
         "train.augmentation.1.name: missing; add one, such as {name: Affine, rotate: [-10, 10]}"),
        ({"augmentation": [{"name": 3}]},
         "train.augmentation.0.name: missing; add one, such as {name: Affine, rotate: [-10, 10]}"),
        ({"loss": "bse"}, "train.loss: got 'bse'; choose one of ['auto', 'bce', 'cross_entropy', 'focal', "
         "'huber', 'mae', 'mse'] (did you mean 'mse'?)"),
        ({"class_weights": {"cat": 0}},
         "train.class_weights: got {'cat': 0}; must be none, balanced, or a number above 0 by class, such as {cat: 2}"),
        ({"class_weights": "even"},
         "train.class_weights: got 'even'; must be none, balanced, or a number above 0 by class, such as {cat: 2}"),
        ({"early_stopping": {"patiance": 3}},
         "train.early_stopping.patiance: unknown key; choose one of ['max_minutes', 'max_steps', 'min_delta', "
         "'patience'] (did you mean 'patience'?)"),
        ({"optimizer": "adma"},
         "train.optimizer: got 'adma'; choose one of ['adam', 'adamw', 'gd', 'muon', 'sgd'] (did you mean 'adam'?)"),
        ({"optimizer": {"name": "adma"}},
         "train.optimizer.name: got 'adma'; choose one of ['adam', 'adamw', 'gd', 'muon', 'sgd'] "
         "(did you mean 'adam'?)"),
        ({"optimizer": {"momentum": 0.8}},
         "train.optimizer.name: missing; choose one of ['adam', 'adamw', 'gd', 'muon', 'sgd']"),
        ({"optimizer": {"name": "sgd", "momentm": 0.8, "nesterov": 1}},
         "train.optimizer.nesterov: got 1; must be a valid boolean; and train.optimizer.momentm: unknown key; choose "
         "one of ['momentum', 'nesterov'] (did you mean 'momentum'?)"),
        ({"optimizer": {"name": "adam", "betas": [0.9]}},
         "train.optimizer.betas: got [0.9]; must be two numbers"),
        ({"optimizer": 3}, "train.optimizer: got 3; must be a name, or a name with options, such as {name: adam}"),
        ({"optimizer": {"name": ["adam"]}},
         "train.optimizer.name: got ['adam']; choose one of ['adam', 'adamw', 'gd', 'muon', 'sgd'] "
         "(did you mean 'adam'?)"),
        ({"schedule": "cosin"},
         "train.schedule: got 'cosin'; choose one of ['constant', 'cosine', 'one_cycle', 'plateau', 'step'] "
         "(did you mean 'cosine'?)"),
        ({"schedule": {"name": "step", "factor": 1.5, "patience": 2}},
         "train.schedule.factor: got 1.5; must be less than 1; and train.schedule.patience: unknown key; choose one "
         "of ['epochs', 'factor', 'warmup']"),
        ({"ema": 1.0}, "train.ema: got 1.0; must be less than 1"),
        ({"keep": "first"}, "train.keep: got 'first'; choose one of ['best', 'last']"),
        ({"learning_rate": float("inf")}, "train.learning_rate: got inf; must be a finite number"),
        ({"seed": 2**32}, "train.seed: got 4294967296; must be less than 4294967296"),
        ({"precision": 32}, "train.precision: got 32; choose one of ['32', 'bf16'] (did you mean '32'?)"),
    ],
)  # fmt: skip
def test_invalid_settings_name_their_full_key_once(settings: dict[str, Any], message: str) -> None:
    assert find_error(**settings) == message


@pytest.mark.parametrize("num_workers", [0, 1, 2, 64, "auto"])
def test_workers_that_divide_the_batch_size_are_valid(num_workers: int | str) -> None:
    assert TrainSettings(batch_size=64, num_workers=num_workers).num_workers == num_workers


def test_settings_survive_plain_values() -> None:
    settings = ResolvedTrainSettings(
        model={"name": "mlp", "dense": [3]}, augmentation=[{"name": "Affine", "rotate": [-1, 1]}]
    )
    assert ResolvedTrainSettings.model_validate(settings.model_dump()) == settings


def test_resolve_replaces_values_and_accepts_no_auto() -> None:
    wanted = TrainSettings(batch_size="auto", learning_rate="auto", optimizer="sgd")
    resolved = wanted.resolve(batch_size=32, learning_rate=0.5, num_workers=0)
    assert isinstance(resolved, ResolvedTrainSettings)
    assert (resolved.batch_size, resolved.learning_rate, resolved.optimizer) == (32, 0.5, {"name": "sgd"})
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.learning_rate: got 'auto'"):
        wanted.resolve(batch_size=32, num_workers=0)
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.batch_size: got 0"):
        wanted.resolve(batch_size=0, learning_rate=0.5, num_workers=0)


def test_plain_name_is_the_name_with_default_options() -> None:
    short = ResolvedTrainSettings(optimizer="sgd", schedule="step")
    assert short == ResolvedTrainSettings(optimizer={"name": "sgd"}, schedule={"name": "step"})
    assert ResolvedTrainSettings() == ResolvedTrainSettings(optimizer="adam", schedule="one_cycle")
    assert ResolvedTrainSettings.model_validate(short.model_dump() | {"optimizer": "adam"}).optimizer == {
        "name": "adam"
    }


def test_model_outside_the_package_is_not_imported() -> None:
    assert ResolvedTrainSettings(model={"name": "no_such_package:Thing", "width": 3}).model["width"] == 3


def test_class_weights_accept_names_that_yaml_parses_as_numbers_and_booleans() -> None:
    settings = validate_section(ResolvedTrainSettings, {"class_weights": {3: 2, True: 1.5, "4": 1}}, "train")
    assert settings.class_weights == {"3": 2, "true": 1.5, "4": 1}


def test_privacy_is_off_by_default() -> None:
    assert ResolvedTrainSettings().privacy is None
    privacy = ResolvedTrainSettings(privacy={"epsilon": 3.0}).privacy
    assert privacy == Privacy(epsilon=3.0, delta=None, clip=1.0, secure=True)


@pytest.mark.parametrize(
    ("privacy", "message"),
    [
        ({}, "train.privacy.epsilon: missing; add it"),
        ({"epsilon": 0}, "train.privacy.epsilon: got 0; must be greater than or equal to 0.01"),
        ({"epsilon": -1.5}, "train.privacy.epsilon: got -1.5; must be greater than or equal to 0.01"),
        ({"epsilon": float("inf")}, "train.privacy.epsilon: got inf; must be a finite number"),
        ({"epsilon": 3, "delta": 1}, "train.privacy.delta: got 1; must be less than 1"),
        ({"epsilon": 3, "clip": 0}, "train.privacy.clip: got 0; must be greater than 0"),
        ({"epsilon": 3, "clipp": 1},
         "train.privacy.clipp: unknown key; choose one of ['clip', 'delta', 'epsilon', 'secure'] "
         "(did you mean 'clip'?)"),
    ],
)  # fmt: skip
def test_invalid_privacy_names_its_full_key(privacy: dict[str, Any], message: str) -> None:
    assert find_error(privacy=privacy) == message


def test_privacy_with_another_clip_fails() -> None:
    assert find_error(privacy={"epsilon": 3}, gradient_clip=1.0) == (
        "train.privacy: cannot be combined with train.gradient_clip: 1.0, because privacy.clip already bounds each "
        "row's gradient; remove one of them"
    )
    assert ResolvedTrainSettings(gradient_clip=1.0).gradient_clip == 1.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"mixup": 0.2},
            "cannot be combined with train.mixup: 0.2, because a row would contribute to the gradients of others",
        ),
        ({"accumulate": 4}, "cannot be combined with train.accumulate: 4"),
        ({"sampling": "balanced"}, "cannot be combined with train.sampling: balanced"),
        ({"strategy": "fsdp"}, "cannot be combined with train.strategy: fsdp"),
        ({"learning_rate": "auto"}, "cannot be combined with train.learning_rate: auto, because its range test trains"),
    ],
)
def test_settings_that_break_privacy_accounting_conflict(other: dict[str, Any], message: str) -> None:
    defaults = {"mixup": 0.0, "accumulate": 1, "sampling": "shuffled", "strategy": "ddp", "learning_rate": 1e-3}
    assert find_privacy_conflict(defaults, defaults) is None
    assert (find_privacy_conflict({**defaults, **other}, defaults) or "").startswith(message)
