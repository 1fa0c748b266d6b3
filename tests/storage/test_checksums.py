import json
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage import checksums
from headrace.storage.checksums import (
    NAME,
    WRITERS,
    read_signed_json,
    verify_inputs,
    write_checksums,
    write_signed_json,
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A project whose folders have a file each, and one in a subfolder."""
    for folder in WRITERS:
        (tmp_path / folder / "train").mkdir(parents=True)
        for name in ("one.json", "train/rows.npy"):
            (tmp_path / folder / name).write_bytes(bytes(1000))
        write_checksums(tmp_path / folder)
    return Paths(tmp_path)


@pytest.mark.parametrize("folder", WRITERS)
@pytest.mark.parametrize("name", ["one.json", "train/rows.npy"])
def test_changed_byte_stops_the_later_stages_with_the_remedy(paths: Paths, folder: str, name: str) -> None:
    verify_inputs("register", paths, STAGES)
    path = paths.root / folder / name
    path.write_bytes(bytes(999) + b"x")
    writer = WRITERS[folder]
    line = rf"^{path}: damaged or changed after `headrace {writer}` .*; run: dvc repro --force {writer}$"
    for stage in STAGES:
        if STAGES.index(stage) <= STAGES.index(writer):
            verify_inputs(stage, paths, STAGES)
        else:
            with pytest.raises(DataError, match=line):
                verify_inputs(stage, paths, STAGES)


def test_what_is_missing_or_of_an_earlier_version_is_left_to_the_stage(paths: Paths) -> None:
    (paths.root / "models/trained/one.json").unlink()
    (paths.root / "models/quantized" / NAME).unlink()
    (paths.root / "models/quantized/one.json").write_text("changed")
    verify_inputs("register", paths, STAGES)


def test_damaged_list_of_checksums_is_one_line(paths: Paths) -> None:
    for text in ("", "[]", '{"one.json": '):
        (paths.root / "data/normalized" / NAME).write_text(text)
        with pytest.raises(DataError, match=r"not a list of checksums .*; run: dvc repro --force normalize$"):
            verify_inputs("train", paths, STAGES)


def test_large_files_are_verified_by_the_stages_that_read_all_of_them(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "MAX_BYTES", 999)
    (paths.root / "data/normalized/train/rows.npy").write_bytes(b"x" * 1000)
    verify_inputs("quantize", paths, STAGES)
    with pytest.raises(DataError, match="damaged"):
        verify_inputs("train", paths, STAGES)


DAMAGES: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "truncated": lambda text: text[:-9],
    "another digit": lambda text: text.replace("0.25", "0.35"),
    "another type": lambda _: "[1]",
    "no text": lambda text: text.replace("rate", "\udcff"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_json_is_one_line_with_the_remedy(tmp_path: Path, damage: str) -> None:
    path, value = tmp_path / "tune.json", {"best": {"rate": 0.25}, "sizes": [1, 2]}
    write_signed_json(path, value)
    assert read_signed_json(path, "run it again") == value
    path.write_bytes(DAMAGES[damage](path.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=rf"^{path}: damaged.*; run it again$"):
        read_signed_json(path, "run it again")


def test_json_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "tune.json").write_text(json.dumps({"best": {}}))
    assert read_signed_json(tmp_path / "tune.json", "") == {"best": {}}
