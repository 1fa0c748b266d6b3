import sys
from pathlib import Path

import pytest

from headrace.models.own_class import find_class_problem

SOURCE = """
raise RuntimeError("imported")
from elsewhere import Imported, other as Renamed
try:
    class Guarded:
        def build(self, input_shape, num_outputs): ...
except ImportError:
    Guarded = None
class Base(Imported): ...
class Empty: ...
class Assigned:
    build = Base.build
def make(): ...
alias: type = Base
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the package `nets_on_path`, whose modules cannot be imported."""
    package = tmp_path / "nets_on_path"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "nets.py").write_text(SOURCE)
    (package / "open.py").write_text("from elsewhere import *\n")
    (package / "broken.py").write_text("class Net(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    return package


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["Imported", "Renamed", "Guarded", "Base", "Assigned", "make", "alias"])
def test_class_is_found_without_importing_it(name: str) -> None:
    assert find_class_problem(f"nets_on_path.nets:{name}") == ""
    assert "nets_on_path" not in sys.modules


@pytest.mark.usefixtures("folder")
def test_class_of_a_star_import_may_exist() -> None:
    assert find_class_problem("nets_on_path.open:Anything") == ""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nets_on_path.nets:Bas", "{}/nets.py does not define 'Bas'; choose one of ["),
        ("nets_on_path.nets:Empty", "{}/nets.py: Empty has no method build(input_shape, num_outputs); add it"),
        ("nets_on_path.broken:Net", "{}/broken.py is not Python (invalid syntax"),
        ("nets_on_path.nest:Net", "no module 'nets_on_path.nest' in the project's folder or the environment; write"),
        ("nets_on_path.nets.deep:Net", "no module 'nets_on_path.nets.deep' in the project's folder or the environment"),
        ("no_such_nets:Net", "no module 'no_such_nets' in the project's folder or the environment; write 'my_package"),
        (":Net", "cannot import ':Net'; write 'my_package.module:Thing', a class with build("),
        (".here:Net", "cannot import '.here:Net'; write"),
        ("nets_on_path:", "cannot import 'nets_on_path:'; write"),
    ],
)
def test_problem_names_the_file_or_the_remedy(folder: Path, name: str, problem: str) -> None:
    assert find_class_problem(name).startswith(problem.format(folder))


def test_compiled_module_is_left_to_the_import() -> None:
    assert find_class_problem("math:anything") == ""
