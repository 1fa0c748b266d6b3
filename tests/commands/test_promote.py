"""`headrace promote` and `headrace rollback`, with the project's own registry and with a server."""

from pathlib import Path

import pytest

from headrace.commands.promote import promote_model, roll_back_model
from headrace.errors import ConfigError, GateError
from headrace.paths import Paths
from headrace.tracking.client import connect


@pytest.fixture
def project(tmp_path: Path, empty_registry: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project with two versions of its model; the second one is the challenger."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(empty_registry.read_bytes())
    (tmp_path / "params.yaml").write_text("register: {name: shapes}\n")
    paths = Paths(tmp_path)
    client = connect(paths)
    client.create_registered_model("shapes")
    for verdict in ("passed", "failed"):
        client.create_model_version("shapes", source=str(tmp_path), tags={"gate.verdict": verdict})
    client.set_registered_model_alias("shapes", "champion", "1")
    client.set_registered_model_alias("shapes", "challenger", "2")
    return paths


@pytest.mark.parametrize("model", ["", "shapes", "models:/shapes/2", "models:/shapes@challenger"])
def test_promote_takes_a_name_a_version_or_an_alias(project: Paths, model: str) -> None:
    with pytest.raises(GateError, match="^shapes version 2: it failed the gate; to overrule: --force --reason"):
        promote_model(project, model, force=False, reason="")
    done = promote_model(project, model, force=True, reason="a test")
    assert done == "shapes version 2 is champion in place of version 1"
    assert roll_back_model(project, "", reason="") == "shapes version 1 is champion again, in place of version 2"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("models:/shapes/9", "models:/shapes/9: the registry has no version 9 of shapes; headrace ui shows them"),
        ("forms", "forms: the registry has no version challenger of forms"),
        ("models:/shapes", "models:/shapes: not a model; give NAME, models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("runs:/x/y", "runs:/x/y: not a model; give"),
    ],
)
def test_model_that_is_not_there_is_one_line(project: Paths, model: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        promote_model(project, model, force=False, reason="")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_force_needs_a_reason_and_rollback_a_name(project: Paths) -> None:
    with pytest.raises(ConfigError, match="^--force: needs a reason"):
        promote_model(project, "", force=True, reason=" ")
    with pytest.raises(ConfigError, match="^models:/shapes/2: not a name in the registry"):
        roll_back_model(project, "models:/shapes/2", reason="")
