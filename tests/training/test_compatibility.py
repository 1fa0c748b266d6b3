import pytest
from torch import nn

from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.training.compatibility import check_settings_fit
from headrace.training.settings import ResolvedTrainSettings

SPEC = Spec(modality="table", task="regression", source="drawn", format="table", num_rows=9, target="y")


def find_error(spec: Spec = SPEC, **settings: object) -> str:
    with pytest.raises(ConfigError) as caught:
        check_settings_fit(ResolvedTrainSettings(**settings), spec, nn.Linear(2, 1))  # type: ignore[arg-type]
    return str(caught.value)


def test_balanced_sampling_without_classes_fails() -> None:
    assert find_error(sampling="balanced") == (
        "params.yaml: train.sampling: 'balanced' needs classes, and the task is regression; set shuffled"
    )


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"ema": 0.9}, "ema"),
        ({"l1": 0.1}, "l1"),
        ({"optimizer": "muon"}, "optimizer: muon"),
        ({"gradient_checkpointing": True}, "gradient_checkpointing"),
    ],
)
def test_fsdp_with_a_setting_that_needs_complete_weights_fails(setting: dict[str, object], name: str) -> None:
    assert find_error(strategy="fsdp", **setting) == (
        f"params.yaml: train.{name}: needs complete weights, and strategy fsdp shards them; set strategy: ddp"
    )


def test_more_parts_than_rows_fail() -> None:
    assert find_error(batch_size=8, accumulate=9) == (
        "params.yaml: train.accumulate: cannot split a batch_size of 8 into 9 parts; use at most 8"
    )


def test_settings_that_fit_pass() -> None:
    classes = SPEC.model_copy(update={"task": "classification"})
    check_settings_fit(ResolvedTrainSettings(sampling="balanced", ema=0.9, optimizer="muon"), classes, nn.Linear(2, 1))
    check_settings_fit(ResolvedTrainSettings(strategy="fsdp", optimizer="adamw"), SPEC, nn.Linear(2, 1))
