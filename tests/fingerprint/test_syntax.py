"""The hash of a file: equal for equal syntax, on every version of Python, whatever its comments and its form."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from headrace.fingerprint.syntax import SourceCache, hash_folder, parse_source

PACKAGE = Path(__file__).resolve().parents[2] / "pipeline" / "headrace"
CODE = '''
"""Module."""
import json, os.path
from pathlib import Path  # a comment


class Area:
    """Class."""

    width: int = 3
    """Below a field."""

    def of(self, height):
        """Function."""
        return f"{self.width * height:.{2}f}" "x"
'''
SAME = [
    CODE.replace("# a comment", "# another"),
    CODE.replace("Module.", "Something else."),
    CODE.replace('    """Class."""\n', ""),
    CODE.replace("Below a field.", ""),
    CODE.replace("Function.", "Func."),
    CODE.replace("self.width * height", "self . width*height"),
    CODE.replace("def of(self, height):", "def of(\n        self,\n        height,\n    ):"),
    CODE.replace("int = 3", "int = (\n        3\n    )"),
    CODE.replace('"{self.width', "'{self.width").replace('}f}"', "}f}'"),
]
OTHER = [
    CODE.replace("int = 3", "int = 4"),
    CODE.replace("int = 3", "int = 3.0"),
    CODE.replace("int = 3", "int = True"),
    CODE.replace('"x"', '"y"'),
    CODE.replace("* height", "+ height"),
    CODE.replace("def of(self, height)", "def of(self, height, /)"),
    CODE.replace("{2}f", "{3}f"),
    CODE.replace("os.path", "os.path as p"),
]
PROGRAM = """
import json, sys
from pathlib import Path
from headrace.fingerprint.syntax import parse_source
package = Path(sys.argv[1])
print(json.dumps({str(path.relative_to(package)): parse_source(path).digest for path in package.rglob("*.py")}))
"""


def digest(folder: Path, text: str) -> str:
    path = folder / "code.py"
    path.write_text(text)
    return parse_source(path).digest


@pytest.mark.parametrize("text", SAME)
def test_comments_docstrings_and_form_do_not_matter(tmp_path: Path, text: str) -> None:
    assert text != CODE
    assert digest(tmp_path, text) == digest(tmp_path, CODE)


@pytest.mark.parametrize("text", OTHER)
def test_code_matters(tmp_path: Path, text: str) -> None:
    assert text != CODE
    assert digest(tmp_path, text) != digest(tmp_path, CODE)


def test_an_added_docstring_does_not_matter_to_an_empty_file(tmp_path: Path) -> None:
    assert digest(tmp_path, "") == digest(tmp_path, '"""Now it has one."""\n')


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_all_files_have_the_same_hash_on_every_python(version: str) -> None:
    python = shutil.which(f"python{version}")
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin", "PYENV_VERSION": version}
    found = python and subprocess.run([python, "-c", ""], env=environment, capture_output=True, check=False)
    candidates = [python] if found and found.returncode == 0 else []
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if not candidates:
        pytest.skip(f"no Python {version} on this machine")
    command = [candidates[0], "-c", PROGRAM, PACKAGE]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    ours = {str(path.relative_to(PACKAGE)): parse_source(path).digest for path in PACKAGE.rglob("*.py")}
    assert json.loads(shown) == ours


def test_imports_are_found_in_functions_and_not_for_types_only(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport a.b\nif TYPE_CHECKING:\n    import never\nelse:\n    import always\n"
        "def f():\n    from . import c\n    from ..d import e\n"
    )
    assert set(parse_source(path).imports) == {
        "typing", "typing.TYPE_CHECKING", "a.b", "always", ".", ".c", "..d", "..d.e",
    }  # fmt: skip


def test_a_file_that_is_not_valid_python_is_hashed_as_bytes(tmp_path: Path) -> None:
    first, second = (digest(tmp_path, f"def f(:  # {comment}\n") for comment in "ab")
    assert first != second
    assert parse_source(tmp_path / "code.py").imports == ()


def test_cache_notices_an_edit_and_survives_damage(tmp_path: Path) -> None:
    path, cache_path = tmp_path / "code.py", tmp_path / "state" / "cache.json"
    path.write_text("a = 1\n")
    cache = SourceCache(cache_path)
    first = cache.read(path)
    cache.save()
    assert SourceCache(cache_path).read(path) == first
    path.write_text("a = 12\n")
    assert SourceCache(cache_path).read(path) == parse_source(path) != first
    for damage in ("{", "[]", '{"format": 0, "files": {}}'):
        cache_path.write_text(damage)
        assert SourceCache(cache_path).read(path) == parse_source(path)


def test_folder_hash_covers_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    first = hash_folder(tmp_path)
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    renamed = hash_folder(tmp_path)
    (tmp_path / "a" / "y").write_text("2")
    assert len({first, renamed, hash_folder(tmp_path)}) == 3
