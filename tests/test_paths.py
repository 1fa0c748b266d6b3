import inspect
from pathlib import Path

from headrace.paths import OUTS, SPLIT_ALIASES, SPLITS, UNUSED, Paths

PROPERTIES = [name for name, value in inspect.getmembers(Paths) if isinstance(value, property)]


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


def test_split_aliases_are_lower_case_names_of_every_split() -> None:
    assert set(SPLIT_ALIASES.values()) == set(SPLITS)
    assert all(SPLIT_ALIASES[split] == split for split in SPLITS)
    assert all(alias == alias.lower() for alias in SPLIT_ALIASES)
    assert UNUSED not in SPLIT_ALIASES
