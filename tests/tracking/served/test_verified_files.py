"""Files of a version are those that were registered, and its code is run from sources."""

import hashlib
import json
import py_compile
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from headrace.tracking.served.verified_files import CHECKSUMS, ChangedFileError, PackageFinder, verify_files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose package has one module."""
    texts = {
        "artifacts/card.json": "{}",
        "code/headrace_abc/__init__.py": "",
        "code/headrace_abc/answer.py": "VALUE = 1\n",
        "served_model.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    (tmp_path / CHECKSUMS).write_text(json.dumps({"package": "headrace_abc", "files": files}))
    return tmp_path


@pytest.fixture
def finder(model: Path) -> Iterator[PackageFinder]:
    finder = PackageFinder(model / "code" / "headrace_abc")
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name.startswith("headrace_abc")]:
        del sys.modules[name]


def test_unchanged_files_give_the_name_of_the_package(model: Path) -> None:
    (model / "code" / "headrace_abc" / "__pycache__").mkdir()
    (model / "code" / "headrace_abc" / "__pycache__" / "answer.pyc").touch()
    assert verify_files(model) == "headrace_abc"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("code/headrace_abc/answer.py", "VALUE = 2\n", r"SHA-256 is \w{64}, at registration it was \w{64}"),
        ("served_model.py", None, r"SHA-256 is missing, at registration"),
        ("code/numpy.py", "", r"SHA-256 is \w{64}, at registration it was not there"),
        ("artifacts/more/x.json", "", r"SHA-256 is \w{64}, at registration it was not there"),
    ],
)
def test_changed_missing_and_added_files_are_named(model: Path, name: str, content: str | None, reason: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    if content is None:
        (model / name).unlink()
    else:
        (model / name).write_text(content)
    with pytest.raises(ChangedFileError, match=rf"^{name}: {reason}.*: this version was changed or damaged; register"):
        verify_files(model)


def test_modules_are_compiled_from_their_sources(model: Path, finder: PackageFinder) -> None:
    source = model / "code" / "headrace_abc" / "answer.py"
    other = model / "other.py"
    other.write_text("VALUE = 2\n")
    planted = Path(cache_from_source(str(source)))
    py_compile.compile(str(other), cfile=str(planted), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert import_module("headrace_abc.answer").VALUE == 1
    assert finder.find_spec("headrace_abc.missing") is finder.find_spec("numpy") is None
