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


@pytest.mark.parametrize("size", [None, 28, [28, 32]])
def test_config_accepts_one_or_two_sides(size: int | list[int] | None) -> None:
    assert validate_section(Config, {"image_size": size}, "normalize").image_size == size
