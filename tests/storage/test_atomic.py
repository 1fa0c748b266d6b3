import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.storage.atomic import atomic_dir, atomic_file, write_json, write_text

KILLED_WHILE_WRITING = """
import sys, time
from pathlib import Path
from headrace.storage.atomic import atomic_file, atomic_dir
with atomic_file(Path("file.txt")) as file, atomic_dir(Path("folder")) as folder:
    file.write_text("half")
    (folder / "a.txt").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_file_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    for text in ("one", "two"):
        with atomic_file(path) as temporary:
            assert temporary.parent == path.parent
            temporary.write_text(text)
        assert path.read_text() == text
    assert names(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_atomic_file_interrupted_leaves_only_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path) as temporary:
        raise error(temporary.write_text("half"))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_atomic_dir_interrupted_leaves_only_the_old_folder(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(error), atomic_dir(path) as temporary:
        raise error((temporary / "new.txt").write_text("half"))
    assert names(path) == ["old.txt"]
    assert names(tmp_path) == ["folder"]


def test_atomic_dir_replaces_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    for name in ("one", "two"):
        with atomic_dir(path) as temporary:
            (temporary / name).write_text(name)
        assert names(path) == [name]
    assert names(path.parent) == ["folder"]


def test_atomic_writes_of_a_killed_process_leave_the_old_files(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("old")
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_WRITING], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    assert (tmp_path / "file.txt").read_text() == "old"
    assert (tmp_path / "folder" / "a.txt").read_text() == "old"
    with atomic_dir(tmp_path / "folder") as temporary:  # despite the temporary folder that is left
        (temporary / "b.txt").write_text("new")
    assert names(tmp_path / "folder") == ["b.txt"]


def test_write_text_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "\u00e9\u4e2d\n")
    assert (tmp_path / "a.txt").read_bytes() == "\u00e9\u4e2d\n".encode()


def test_write_json_reads_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1, "b": [0.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1, "b": [0.5]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_write_json_of_an_invalid_value_leaves_the_old_file(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", {"a": value})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert names(tmp_path) == ["a.json"]
