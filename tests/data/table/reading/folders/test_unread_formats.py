from pathlib import Path

import pytest

from headrace.data.readers import choose_reader
from headrace.data.sources.image_formats import EXTENSIONS
from headrace.data.table.reading.files import FORMATS
from headrace.data.table.reading.folders.unread_formats import REMEDIES, find_remedy
from headrace.errors import DataError


def test_no_format_that_is_read_has_a_remedy() -> None:
    assert not REMEDIES.keys() & {*EXTENSIONS, *FORMATS}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("scan.DCM", b"", "pydicom"),
        ("IM0001", b"\0" * 128 + b"DICM", "pydicom"),
        ("1.2.840.7", b"\0" * 128 + b"DICM", "pydicom"),
        ("brain.nii.gz", b"", "nibabel"),
        ("data.h5", b"", "np.savez_compressed"),
        ("frame.pkl", b"", "may run any program"),
    ],
)
def test_a_file_or_folder_of_an_unread_format_is_refused_with_the_way_to_convert_it(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / name).write_bytes(content)
    for path in (tmp_path / "one" / name, tmp_path):
        with pytest.raises(DataError) as error:
            choose_reader("auto", path.name, path)
        assert f"{name}: " in str(error.value)
        assert expected in str(error.value)
        assert "\n" not in str(error.value)


def test_other_files_have_no_remedy(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x")
    assert find_remedy(tmp_path.iterdir()) is None
