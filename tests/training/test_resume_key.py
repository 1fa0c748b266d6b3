"""The key of a training: the same key resumes, another one starts anew and says what changed."""

from pathlib import Path
from typing import Any

import pytest

from headrace.paths import Paths
from headrace.storage.atomic import write_text
from headrace.training.resume_key import describe_changes, make_id, make_key, open_state, remove_states

LINEAGE = {"code": "c0", "model_code": {"my_nets": "m0"}, "data": {"raw": "r0", "normalized": "n0"}}
SETTINGS = {"learning_rate": 0.1, "model": {"name": "my_nets:Two", "width": 8}, "privacy": None}


def key(lineage: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, spec: int = 0) -> Any:
    return make_key(LINEAGE | (lineage or {}), SETTINGS | (settings or {}), {"spec": spec}, {"transform": 0})


CHANGES = [
    (key({"code": "c1"}), "code (headrace)"),
    (key({"code": "c1", "model_code": {"my_nets": "m1"}}), "code (my_nets)"),
    (key({"code": "c1", "model_code": {}}), "code (my_nets)"),
    (key({"data": {"raw": "r0", "normalized": "n1"}}), "data (normalized)"),
    (key(spec=1), "data (spec.json)"),
    (key(settings={"learning_rate": 0.2}), "settings (learning_rate)"),
    (key(settings={"model": {"name": "my_nets:Two", "width": 9}}), "settings (model.width)"),
    (key(settings={"privacy": {"epsilon": 3}}), "settings (privacy.epsilon)"),
    (key({"code": "c1"}, {"seed": 1}, 1), "code (headrace), data (spec.json), settings (seed)"),
]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    write_text(tmp_path / "data" / "normalized" / "train" / "inputs.npy", "rows")
    return Paths(tmp_path)


def test_settings_of_checkpoints_change_no_weights_and_are_no_part_of_the_key() -> None:
    assert key(settings={"checkpoint": {"keep": 5}}) == key()


@pytest.mark.parametrize(("other", "expected"), CHANGES)
def test_changes_are_named(other: Any, expected: str) -> None:
    assert describe_changes(key(), other) == expected
    assert make_id(other) != make_id(key()) == make_id(key())
    assert describe_changes(key(), key()) == ""


def test_the_same_training_resumes(paths: Paths) -> None:
    folder, reason = open_state(paths, "a", key())
    assert reason == "", "nothing was interrupted"
    (folder / "resume.ckpt").write_text("state")
    again, reason = open_state(paths, "a", key())
    assert (again, reason) == (folder, "")
    assert (again / "resume.ckpt").read_text() == "state"


def test_another_training_names_what_changed_since_the_newest(paths: Paths) -> None:
    open_state(paths, "a", key({"code": "c9"}))
    open_state(paths, "b", key())
    folder, reason = open_state(paths, "c", key(settings={"learning_rate": 0.2}))
    assert (folder.name, reason) == ("c", "settings (learning_rate)")
    remove_states(paths)
    assert open_state(paths, "d", key({"code": "c1"}))[1] == "", "the interrupted ones were replaced"


def test_data_written_anew_are_other_data_even_if_dvc_did_not_run(paths: Paths) -> None:
    folder, _ = open_state(paths, "a", key())
    (folder / "resume.ckpt").write_text("state")
    write_text(paths.normalized_dir / "train" / "inputs.npy", "other rows")
    again, reason = open_state(paths, "a", key())
    assert reason == "data"
    assert not (again / "resume.ckpt").exists()


def test_states_of_earlier_versions_and_damaged_keys_are_no_error(paths: Paths) -> None:
    write_text(paths.state_dir / "train" / "old" / "choice.json", "{}")
    write_text(paths.state_dir / "train" / "bad" / "key.json", "{")
    assert open_state(paths, "a", key())[1] == ""
    write_text(paths.state_dir / "train" / "a" / "key.json", "")
    assert open_state(paths, "a", key())[1] == "key.json, which is damaged"
