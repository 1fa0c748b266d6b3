"""The caller's folder and modules on a worker."""

import sys
from pathlib import Path

import pytest

from headrace.cluster.workers.project import CallerFolder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another current folder and search path, as on a worker."""
    (tmp_path / "ray").mkdir()
    monkeypatch.chdir(tmp_path / "ray")
    monkeypatch.setattr(sys, "path", ["/of/ray"])
    return tmp_path


def test_relative_files_and_modules_are_found_as_by_the_caller(elsewhere):
    (elsewhere / "project").mkdir()
    CallerFolder(("/of/ray", "", "/of/caller"), str(elsewhere / "project")).enter()
    assert Path.cwd() == elsewhere / "project"
    assert sys.path == ["/of/ray", "", "/of/caller"]


def test_a_node_without_the_folder_keeps_its_own(elsewhere):
    CallerFolder(("/of/caller",), str(elsewhere / "on another machine")).enter()
    assert Path.cwd() == elsewhere / "ray"
    assert sys.path == ["/of/ray", "/of/caller"]


def test_capture_is_of_this_process():
    assert CallerFolder.capture() == CallerFolder(tuple(sys.path), str(Path.cwd()))
