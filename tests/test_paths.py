import inspect
from pathlib import Path

import pytest

from headrace.paths import OUTS, SPLIT_ALIASES, SPLITS, UNUSED, Paths

PROPERTIES = [
    name for name, value in inspect.getmembers(Paths) if isinstance(value, property) and name != "tracking_root"
]


def test_every_output_has_a_path() -> None:
    root = Path("/project")
    paths = Paths(root)
    known = {getattr(paths, name) for name in PROPERTIES}
    known |= {folder(stage) for folder in (paths.plots_dir, paths.report_dir) for stage in OUTS}
    assert {root / out for outs in OUTS.values() for out in outs} <= known


def test_paths_are_distinct_and_below_the_root() -> None:
    paths = Paths(Path("/project"))
    values = [getattr(paths, name) for name in PROPERTIES] + [paths.metrics_path(stage) for stage in OUTS]
    assert len(set(values)) == len(values)
    assert all(value.is_relative_to(paths.root) and value != paths.root for value in values)


def test_shorten_makes_paths_inside_the_project_relative(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "my project")
    text = f"{paths.raw_dir}: as '{paths.root}/a.csv', not /x{paths.root}/a, {paths.root} or {paths.root}-2/b.csv"
    paths.root.mkdir()
    assert paths.shorten(text) == text  # not a project yet
    paths.params_path.touch()
    assert paths.shorten(text) == f"data/raw: as 'a.csv', not /x{paths.root}/a, {paths.root} or {paths.root}-2/b.csv"


def test_split_aliases_are_lower_case_names_of_every_split() -> None:
    assert set(SPLIT_ALIASES.values()) == set(SPLITS)
    assert all(SPLIT_ALIASES[split] == split for split in SPLITS)
    assert all(alias == alias.lower() for alias in SPLIT_ALIASES)
    assert UNUSED not in SPLIT_ALIASES


@pytest.mark.parametrize("copy", [".dvc/tmp/exps/tmpab12", ".dvc/tmp/exps/standalone/tmpab12"])
@pytest.mark.parametrize("below", ["", "packages/model"])
def test_copy_of_an_experiment_is_tracked_in_the_original(tmp_path: Path, copy: str, below: str) -> None:
    original = tmp_path / below
    original.mkdir(parents=True, exist_ok=True)
    (original / "params.yaml").touch()
    paths = Paths(tmp_path / copy / below)
    assert paths.tracking_root == original
    assert paths.outbox_dir == original / ".headrace" / "outbox"
    assert paths.tracking_log_path == original / ".headrace" / "logs" / "tracking.log"
    assert paths.state_dir == paths.root / ".headrace"


def test_copy_of_a_project_whose_dvc_lies_below_git_is_tracked_in_the_original(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "params.yaml").touch()
    assert Paths(tmp_path / "project/.dvc/tmp/exps/tmpab12/project").tracking_root == tmp_path / "project"


def test_project_is_tracked_in_itself() -> None:
    assert Paths(Path("/project")).tracking_root == Path("/project")
