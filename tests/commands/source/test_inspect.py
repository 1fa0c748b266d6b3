import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headrace.commands.source import inspect
from headrace.commands.source.inspect import inspect_source, resolve_source
from headrace.data.datasets import BUILT_INS
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from tests.projects import CLASSES, write_image_folder


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def colours(num_rows: int) -> str:
    return "colour,size,taste\n" + "".join(
        f"{('red', 'green')[i % 2]},{i * 0.5},{('sweet', 'sour', 'sweet')[i % 3]}\n" for i in range(num_rows)
    )


def test_table_of_all_rows_has_its_shares(tmp_path: Path) -> None:
    summary = inspect_source(write(tmp_path / "a.csv", colours(300)), ["taste"], Paths(tmp_path / "project"))
    assert (summary.spec.modality, summary.spec.task, summary.spec.target) == ("table", "classification", "taste")
    assert (summary.num_rows, summary.is_complete) == (300, True)
    assert summary.class_shares == pytest.approx({"sweet": 2 / 3, "sour": 1 / 3})


def test_large_source_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "MAX_ROWS", 1000)
    summary = inspect_source(write(tmp_path / "a.csv", colours(5000)), ["taste"], Paths(tmp_path / "project"))
    assert 1000 <= summary.num_rows < 5000
    assert not summary.is_complete
    assert summary.class_shares == {}, "the first rows may be sorted by class"


def test_images_have_sizes_without_the_unreadable_ones(tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "photos", 4)
    assert inspect_source(str(folder), [], Paths(tmp_path / "project")).has_one_size
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(buffer, "PNG")
    (folder / CLASSES[0] / "wide.png").write_bytes(buffer.getvalue())
    (folder / CLASSES[0] / "broken.png").write_bytes(b"\x89PNG")
    summary = inspect_source(str(folder), [], Paths(tmp_path / "project"))
    assert sorted(summary.image_sides) == [16] * 12 + [30]
    assert not summary.has_one_size
    assert summary.num_rows == 14


@pytest.mark.parametrize(
    ("source", "targets", "message"),
    [
        ("a.csv", ["tase"], r"--target: no column 'tase'; choose one of .* \(did you mean 'taste'\?\)"),
        ("b.csv", [], r"--target: not given, and no column .* choose one of \['a', 'b', 'c'\]"),
        ("nowhere.csv", [], r"--source: '.*nowhere\.csv': no such file or folder"),
        ("one.csv", ["taste"], r"--source: .* has 1 classes \(sweet\); at least two are needed"),
        ("a.csv", ["taste", "taste"], r"--target: got \['taste', 'taste'\]; must be a column, or several different"),
        ("c.csv", [], r"--source: .*1 usable columns.*\(init without --source makes a project whose params.yaml"),
    ],
)
def test_errors_name_the_options(source: str, targets: list[str], message: str, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", colours(60))
    write(tmp_path / "b.csv", "a,b,c\n" + "".join(f"{i % 3},{i % 4},{i % 5}\n" for i in range(60)))
    write(tmp_path / "c.csv", "word\nx\ny\n")
    write(tmp_path / "one.csv", "size,taste\n" + "".join(f"{i},sweet\n" for i in range(60)))
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        inspect_source(str(tmp_path / source), targets, Paths(tmp_path / "project"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("wine", "wine"),
        ("https://example.org/a.zip", "https://example.org/a.zip"),
        ("a.csv", "{cwd}/a.csv"),
        ("./x/../a.csv", "{cwd}/a.csv"),
        ("shards/*.csv", "{cwd}/shards/*.csv"),
        ("/data/photos/", "/data/photos"),
        ("new/own.csv", "own.csv"),
        ("new/digits", "./digits"),
    ],
)
def test_paths_start_at_the_current_folder(
    source: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_source(source, tmp_path / "new", BUILT_INS) == expected.replace("{cwd}", str(tmp_path))


@pytest.mark.parametrize(
    ("source", "message"), [(".", "contains the project"), ("new", "contains the project"), ("\udce9.csv", "UTF-8")]
)
def test_paths_that_no_project_can_have(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        resolve_source(source, tmp_path / "new", BUILT_INS)
