from pathlib import Path

import pytest

from headrace.data.sources.linked_folders import describe_links, find_unwatched_links


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of classes, of which some are links: to other places of the project, and to the source itself."""
    for name in ("store/cat", "store/dog", "project/photos/ant", "project/photos/.hidden"):
        (tmp_path / name).mkdir(parents=True)
    photos = tmp_path / "project" / "photos"
    (photos / "cat").symlink_to("../../store/cat")
    (photos / "dog").symlink_to(tmp_path / "store" / "dog")
    (photos / "bee").symlink_to("ant")
    (photos / ".hidden" / "x").symlink_to("../../../store/cat")
    (photos / "loop").symlink_to(".")
    (photos / "ant" / "1.png").symlink_to("../../../store/1.png")
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("deps", "links"),
    [
        (["photos"], ["photos/cat", "photos/dog"]),
        (["${ingest.source}", "photos/cat"], ["photos/dog"]),
        (["photos", "../store/dog"], ["photos/cat"]),
        (["photos", "../store"], []),
    ],
)
def test_links_that_no_dep_covers_are_found(project: Path, deps: list[str], links: list[str]) -> None:
    assert find_unwatched_links("photos", deps, project) == links


def test_files_and_patterns_have_none(project: Path) -> None:
    (project / "x.csv").touch()
    assert find_unwatched_links("x.csv", [], project) == find_unwatched_links("photos/*", [], project) == []


def test_the_remedy_is_named() -> None:
    assert describe_links(["photos/cat"]) == (
        "photos/cat is a link to a folder, behind which DVC sees no changes; add to stages.ingest.deps in dvc.yaml, or"
        " copy them"
    )
    assert describe_links(["a", "b", "c", "d"]).startswith("a, b, c, ... are links to folders")
