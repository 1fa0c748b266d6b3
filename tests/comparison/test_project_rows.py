"""The rows of a real project: their content, and the slices of rows that it has."""

import numpy as np
import pytest

from headrace.comparison.project_rows import open_project_rows
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays


@pytest.mark.parametrize(
    ("modality", "task", "key"),
    [("image", "classification", "pixels"), ("text", "classification", "text"), ("table", "regression", "cells")],
)
def test_rows_of_the_project_have_content_and_slices(built_project, modality, task, key):
    paths = built_project(modality, task)
    project, row_ids = open_project_rows(paths), np.asarray(open_arrays(paths.normalized_dir / "test").row_ids)
    foreign = b"f" * 32
    contents = project.read_contents(np.array([row_ids[3], foreign, row_ids[1]]))
    assert [list(content) for content in contents] == [[key], [], [key]]
    slices = project.slice_rows(row_ids)
    assert slices
    assert all(len(flags) == len(row_ids) and flags.any() for flags in slices.values())
    some = project.slice_rows(row_ids[::2])
    assert all(len(flags) == len(row_ids[::2]) for flags in some.values())
    assert project.slice_rows(np.append(row_ids, foreign)) == {}, "not all rows are the project's"


def test_project_without_rows_has_none(tmp_path):
    assert open_project_rows(Paths(tmp_path)) is None
