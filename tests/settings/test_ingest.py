import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.settings.ingest import Config


def test_format_of_another_source_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^ingest\.format: 'mnist5k' is a built-in dataset, but ingest"):
        validate_section(Config, {"source": "a", "format": "mnist5k"}, "ingest")
    assert validate_section(Config, {"source": "mnist5k", "format": "mnist5k"}, "ingest").format == "mnist5k"
    # the files of a published dataset may be anywhere
    assert validate_section(Config, {"source": "downloads/adult", "format": "adult"}, "ingest").format == "adult"


def test_unknown_format_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"^ingest\.format: 'foldr' is not a format; choose .*mean 'folder'\?\)$"):
        validate_section(Config, {"format": "foldr"}, "ingest")
