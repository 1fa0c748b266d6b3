"""Registered models are found by name, folder or project, and refused if their files changed."""

import json
import shutil

import pytest

from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.prediction.registered_model import find_model, open_model
from tests.serving import TABLE, model_dir


def test_what_is_no_model_is_refused_in_one_line(tmp_path):
    paths = Paths(tmp_path)
    with pytest.raises(DataError, match=r"^model: .*registered\.json is not there: no model was registered here; run"):
        find_model(None, paths, tmp_path)
    with pytest.raises(DataError, match=r"^model: 'models' has no file MLmodel; give the folder of a registered model"):
        find_model("models", paths, tmp_path)
    with pytest.raises(ConfigError, match=r"^model: 'models:/a'; must be models:/NAME@ALIAS, models:/NAME/NUMBER, or"):
        find_model("models:/a", paths, tmp_path)
    with pytest.raises(DataError, match=r"has no checksums\.json: not a model of headrace, or of an earlier"):
        open_model(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_changed_files_are_refused(registered, tmp_path):
    assert find_model(None, registered, tmp_path) == model_dir(registered)
    folder = shutil.copytree(model_dir(registered), tmp_path / "model")
    assert open_model(folder).version == "worth/1"
    card_path, checksums_path = folder / "artifacts" / "card.json", folder / "artifacts" / "checksums.json"
    (predictor,) = folder.glob("code/*/predictor.py")
    recorded = json.loads(checksums_path.read_text())
    del recorded["files"][predictor.relative_to(folder).as_posix()]
    checksums_path.write_text(json.dumps(recorded))
    with pytest.raises(
        DataError, match=r"predictor\.py: SHA-256 is \w+, at registration it was not there: .* register"
    ):
        open_model(folder)
    predictor.unlink()
    with pytest.raises(DataError, match=r"was registered by an earlier version of headrace; register it again"):
        open_model(folder)
    card_path.write_text("{}")
    with pytest.raises(
        DataError, match=r"card\.json: SHA-256 is \w+, at registration it was \w+: this version was changed"
    ):
        open_model(folder)
