"""`-S section.key=value`: the file of the settings, with its comments, or as it was."""

from pathlib import Path

import pytest

from headrace.commands.remote.overrides import overridden_settings
from headrace.errors import ClusterError, ConfigError
from headrace.paths import Paths
from headrace.settings.load import load_settings

TEXT = """\
# mine
ingest: {source: mnist5k}  # digits
train:
  max_epochs: 20           # at most
  augmentation:
    - {name: Affine, rotate: [-12, 12]}
tune: null
"""


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    (tmp_path / "params.yaml").write_text(TEXT)
    return Paths(tmp_path)


def test_only_the_values_change(project: Paths) -> None:
    with overridden_settings(project, ["train.max_epochs=3", "train.learning_rate=1e-3"]):
        pass
    expected = TEXT.replace("max_epochs: 20 ", "max_epochs: 3  ").replace("tune:", "  learning_rate: 0.001\ntune:")
    assert project.params_path.read_text() == expected
    assert load_settings(project)["train"].learning_rate == 0.001


def test_a_section_that_is_absent_or_null_is_made(project: Paths) -> None:
    with overridden_settings(project, ["tune.num_trials=2", "quantize.seed=4", "train.model.name=mlp"]):
        settings = load_settings(project)
    assert settings["tune"].num_trials == 2
    assert settings["train"].model["name"] == "mlp"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.max_epochs", "-S: got 'train.max_epochs'; must be SECTION.KEY=VALUE"),
        ("train..x=1", "-S: got 'train..x=1'; must be"),
        ("train.max_epochs=[1", "-S: train.max_epochs: '[1' is not a value of YAML"),
        ("train.max_epochs.x=1", "-S: train.max_epochs.x: max_epochs is 20 and has no keys"),
        ("train.max_epochs=none", "params.yaml: train.max_epochs: got 'none'"),
        ("trian.max_epochs=1", "params.yaml: trian: unknown section"),
    ],
)
def test_mistakes_are_refused_and_the_file_is_as_it_was(project: Paths, assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught, overridden_settings(project, ["train.seed=1", assignment]):
        pass
    assert str(caught.value).startswith(message)
    assert project.params_path.read_text() == TEXT


def test_a_refused_submission_leaves_the_file_as_it_was(project: Paths) -> None:
    with pytest.raises(ClusterError), overridden_settings(project, ["train.max_epochs=3"]):
        assert project.params_path.read_text() != TEXT
        raise ClusterError("not reachable")
    assert project.params_path.read_text() == TEXT
