"""Versions by name, from a registry elsewhere."""

import pytest

from headrace.errors import ConfigError, TrackingError
from headrace.paths import Paths
from headrace.tracking.served.model_download import check_model_uri, download_model, resolve_version
from tests.serving import TABLE


@pytest.mark.parametrize("uri", ["models:/a", "models:/a/latest", "models:/a/b/3", "a", "models:/a@"])
def test_uris_of_no_version_are_refused(uri):
    with pytest.raises(ConfigError, match=r"must be models:/NAME@ALIAS, models:/NAME/NUMBER, or a folder of a model$"):
        check_model_uri(uri)


def test_registry_that_is_not_there_is_not_created(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: is not set, and there is no .*mlflow\.db; set it"):
        resolve_version("models:/worth@champion", Paths(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_version_is_resolved_by_its_alias_and_found_where_the_registry_has_it(registered, tmp_path):
    assert resolve_version("models:/worth@champion", registered) == resolve_version("models:/worth/1", registered)
    folder = download_model("models:/worth/1", registered, tmp_path)
    assert folder.is_relative_to(registered.root)
    with pytest.raises(TrackingError, match=r"alias reserve not found; correct what it names"):
        resolve_version("models:/worth@reserve", registered)
