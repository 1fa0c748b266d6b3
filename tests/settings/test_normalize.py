import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.settings.normalize import Config


@pytest.mark.parametrize("size", [0, -3, "28", True, [28], [28, 0], [1, 2, 3], 28.0])
def test_config_refuses_an_invalid_image_size(size: object) -> None:
    with pytest.raises(
        ConfigError, match=r"^normalize.image_size: got .*; must be one side in pixels \(28\), \[height"
    ):
        validate_section(Config, {"image_size": size}, "normalize")


@pytest.mark.parametrize("size", ["auto", 28, [28, 32]])
def test_config_accepts_one_or_two_sides(size: int | list[int] | str) -> None:
    assert validate_section(Config, {"image_size": size}, "normalize").image_size == size


def test_config_of_no_image_size_is_auto() -> None:
    assert validate_section(Config, {"image_size": None}, "normalize").image_size == "auto"


@pytest.mark.parametrize("wanted", [0, "full", [0], [1, 1], [5, 2], [0, float("inf")], [True, 5], [0, "255"]])
def test_config_refuses_an_invalid_image_range(wanted: object) -> None:
    with pytest.raises(
        ConfigError, match=r"^normalize.image_range: got .*; must be \[low, high\] \(\[0, 4095\]\) or auto"
    ):
        validate_section(Config, {"image_range": wanted}, "normalize")


def test_config_accepts_an_image_range() -> None:
    assert validate_section(Config, {"image_range": [-1024, 3071]}, "normalize").image_range == [-1024, 3071]
