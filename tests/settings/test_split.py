import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.settings.split import Config


@pytest.mark.parametrize("fractions", [[0.7, 0.3], [0.7, 0.2, 0.2], [1.0, 0.0, 0.0], [1.2, -0.1, -0.1]])
def test_config_refuses_invalid_fractions(fractions: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"^split.fractions: got \[.*\]; must be three numbers above 0 that sum to 1"):
        validate_section(Config, {"fractions": fractions}, "split")


@pytest.mark.parametrize("counts", [[1, 2], [1, None, None], [1, 2, 3, 4]])
def test_config_refuses_invalid_counts(counts: list[int | None]) -> None:
    with pytest.raises(ConfigError, match=r"^split.counts: got \[.*\]; must be three numbers of rows"):
        validate_section(Config, {"counts": counts}, "split")


@pytest.mark.parametrize("strategy", ["group", "time"])
def test_config_refuses_a_strategy_without_its_column(strategy: str) -> None:
    with pytest.raises(ConfigError, match=f"strategy is '{strategy}', but {strategy} names no column; add split"):
        validate_section(Config, {"strategy": strategy}, "split")
    assert validate_section(Config, {"strategy": strategy, strategy: "day"}, "split").strategy == strategy
