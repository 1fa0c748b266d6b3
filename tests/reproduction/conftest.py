"""The registry of the tests of `headrace compare`."""

from tests.comparison.conftest import pets, pets_root  # noqa: F401 fixtures
