import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.settings.validate import Config


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"gate": {"accuracy": {"mn": 0.9}}}, r"validate\.gate\.accuracy\.mn: unknown key"),
        ({"gate": {"accuracy": {}}}, r"validate\.gate\.accuracy: must have min or max"),
        ({"gate": {"acuracy": {"min": 1}}}, r"gate\.acuracy: no such metric; choose .* \(did you mean 'accuracy'\?\)$"),
        (
            {"gate": {"worst_slice_accuracy": {"min": 1}}},
            r"^validate\.gate\.worst_slice_accuracy: no such metric",
        ),
        (
            {"gate": {"slices": [{"column": "sex", "mn": 1}]}},
            r"gate\.slices\.0\.mn: unknown key; choose one of \['by', 'co",
        ),
        ({"gate": {"slices": {"min": 1}}}, r"validate\.gate\.slices\.0\.column: missing; add it"),
        ({"gate": {"not_worse_than_champion_by": -1}}, r"gate\.not_worse_than_champion_by: got -1; must be greater"),
        ({"gate": {"too_few_rows": "stop"}}, r"gate\.too_few_rows: got 'stop'; choose one of \['fail', 'pass'\]"),
        ({"target_accuracy": 99}, r"validate\.target_accuracy: got 99"),
        ({"baselines": {"seconds": -1}}, r"validate\.baselines\.seconds: got -1"),
        ({"baselines": {"rows": 0}}, r"validate\.baselines\.rows: got 0"),
    ],
)
def test_invalid_settings_are_reported_by_key(section: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate_section(Config, section, "validate")


def test_metrics_of_single_targets_are_accepted() -> None:
    gate = {"rmse_height": {"max": 3.0}}
    assert validate_section(Config, {"gate": gate}, "validate").gate.bounds.keys() == gate.keys()


def test_gate_may_name_the_difference_to_the_best_baseline() -> None:
    gate = {"over_baseline": {"min": 0.0}, "over_baseline_low": {"min": -0.01}, "over_prior": {"min": 0.02}}
    section = validate_section(Config, {"gate": gate, "baselines": {"seconds": 10}}, "validate")
    assert section.gate.bounds.keys() == gate.keys()
