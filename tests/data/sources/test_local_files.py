from pathlib import Path

import pytest

from headrace.data.sources.local_files import FileRefusedError, LocalFiles


def test_at_most_one_byte_more_than_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    files = LocalFiles(tmp_path, tmp_path, allow_outside=False)
    assert files.read("a", 3) == b"1234"
    assert files.read("a", 100) == b"12345"


def test_links_are_resolved_before_a_path_is_judged(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    (inside / "out").symlink_to(tmp_path)
    (inside / "b").symlink_to("../b")
    files = LocalFiles(inside, inside, allow_outside=False)
    assert files.read("out/inside/a", 9) == b"a"
    for name in ("out/b", "b", "../b", str(tmp_path / "b")):
        with pytest.raises(FileRefusedError, match="is outside the source"):
            files.read(name, 9)
    assert LocalFiles(inside, inside, allow_outside=True).read("out/b", 9) == b"b"


def test_a_folder_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data-2").mkdir()
    (tmp_path / "data-2" / "a").write_bytes(b"a")
    with pytest.raises(FileRefusedError, match="outside"):
        LocalFiles(tmp_path / "data", tmp_path / "data", allow_outside=False).read("../data-2/a", 9)
