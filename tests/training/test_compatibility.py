import pytest
from torch import nn

from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.training.compatibility import check_settings_fit
from headrace.training.settings import ResolvedTrainSettings

SPEC = Spec(modality="table", task="regression", source="drawn", format="table", num_rows=9, target="y")


def refusal(spec: Spec = SPEC, **settings: object) -> str:
    with pytest.raises(ConfigError) as caught:
        check_settings_fit(ResolvedTrainSettings(**settings), spec, nn.Linear(2, 1))  # type: ignore[arg-type]
    return str(caught.value)


def test_balanced_sampling_of_values_is_refused() -> None:
    assert refusal(sampling="balanced") == (
        "params.yaml: train.sampling: 'balanced' needs classes, and the task is regression; set shuffled"
    )


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"ema": 0.9}, "ema"),
        ({"l1": 0.1}, "l1"),
        ({"optimizer": "muon"}, "optimizer: muon"),
        ({"gradient_checkpointing": True}, "gradient_checkpointing"),
    ],
)
def test_what_needs_whole_weights_is_refused_where_they_are_shared_out(setting: dict[str, object], told: str) -> None:
    assert refusal(strategy="fsdp", **setting) == (
        f"params.yaml: train.{told}: needs complete weights, and strategy fsdp shards them; set strategy: ddp"
    )


def test_more_parts_than_rows_are_refused() -> None:
    assert refusal(batch_size=8, accumulate=9) == (
        "params.yaml: train.accumulate: cannot split a batch_size of 8 into 9 parts; use at most 8"
    )


def test_what_fits_is_not_refused() -> None:
    classes = SPEC.model_copy(update={"task": "classification"})
    check_settings_fit(ResolvedTrainSettings(sampling="balanced", ema=0.9, optimizer="muon"), classes, nn.Linear(2, 1))
    check_settings_fit(ResolvedTrainSettings(strategy="fsdp", optimizer="adamw"), SPEC, nn.Linear(2, 1))
