import re
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.modalities.read import MODALITIES, READERS, find_reader


def test_every_reader_has_a_modality_and_a_line() -> None:
    assert MODALITIES.keys() == READERS.keys()
    assert all(reader.__doc__ for reader in READERS.values())


def test_find_reader_auto_picks_by_source(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "mnist5k").mkdir()
    sources = ["mnist5k", "photos", "./photos", str(tmp_path / "photos"), "./mnist5k"]
    assert [find_reader("auto", source, tmp_path) for source in sources] == ["mnist5k", *["folder"] * 4]
    assert find_reader("folder", "mnist5k", tmp_path) == "folder"


def test_find_reader_expands_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    assert find_reader("auto", "~/photos", Path("/nowhere")) == "folder"


def test_find_reader_contradiction_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"ingest\.format: 'mnist5k' is a built-in set, but ingest\.source is 'photos'"
    ):
        find_reader("mnist5k", "photos", tmp_path)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("mnist5", "no built-in set, and no folder {root}/mnist5; choose one of ['mnist5k'] (did you mean 'mnist5k'?)"),
        ("data/photos", "no folder {root}/data/photos; give the path of a folder of images by class"),
        ("~nobody-here/x", "no folder {root}/~nobody-here/x; give the path of a folder of images by class"),
        ("s3://bucket/x", "URLs are not read; choose one of ['mnist5k'] or a local folder; download it first"),
        ("file.zip", "{root}/file.zip is a file; a folder of images by class is read; unpack it to one"),
    ],
)
def test_find_reader_missing_source_is_told(tmp_path: Path, source: str, line: str) -> None:
    (tmp_path / "file.zip").touch()
    expected = f"params.yaml: ingest.source: {source!r}: {line.format(root=tmp_path)}"
    with pytest.raises(DataError, match="^" + re.escape(expected)):
        find_reader("auto", source, tmp_path)
