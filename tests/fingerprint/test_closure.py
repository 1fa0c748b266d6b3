"""The import closure, on a small package."""

from pathlib import Path

import pytest

from headrace.fingerprint.closure import find_closure, find_in_folder, resolve_import
from headrace.fingerprint.syntax import SourceCache

FILES = {
    "p/__init__.py": "",
    "p/a.py": "from p.sub import thing\n",
    "p/sub/__init__.py": "from .other import value\n",
    "p/sub/thing.py": "def f():\n    from ..lazy import x\n",
    "p/sub/other.py": "value = 1\n",
    "p/lazy.py": "import q.copied\n",
    "p/copied.py": "",
    "p/alone.py": "import p.a\n",
    "q/copied.py": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(folder: Path, copied: dict[str, tuple[str, ...]]) -> set[str]:
    def find_file(name: str) -> Path | None:
        return find_in_folder(folder, name) if name.startswith("p") else None

    return set(find_closure(["p.a"], find_file, SourceCache(folder / "cache.json"), copied))


def test_closure_has_packages_lazy_and_relative_imports(folder: Path) -> None:
    assert names(folder, {}) == {"p", "p.a", "p.sub", "p.sub.thing", "p.sub.other", "p.lazy"}


def test_closure_has_modules_whose_source_is_copied(folder: Path) -> None:
    assert names(folder, {"p.lazy": ("p.copied",)}) - names(folder, {}) == {"p.copied"}


@pytest.mark.parametrize(
    ("name", "package", "expected"),
    [("a.b", "x.y", "a.b"), (".a", "x.y", "x.y.a"), ("..a", "x.y", "x.a"), (".", "x.y", "x.y"), ("..", "x.y", "x")],
)
def test_relative_imports_are_resolved(name: str, package: str, expected: str) -> None:
    assert resolve_import(name, package) == expected
