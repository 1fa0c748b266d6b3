import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.settings.clean import Config


def test_config_reports_mistakes_of_checks_by_their_full_key() -> None:
    wrong = {"rare_class": {"min_rows": 0}, "blured": "drop"}
    line = (
        r"^clean\.checks\.rare_class\.min_rows: got 0; must be .* 1; and clean\.checks\.blured: unknown check; choose"
    )
    with pytest.raises(ConfigError, match=line):
        validate_section(Config, {"checks": wrong}, "clean")
    with pytest.raises(ConfigError, match=r"^clean\.min_rows_per_class: unknown key"):
        validate_section(Config, {"min_rows_per_class": 3}, "clean")
