import shutil
from pathlib import Path

import pytest

from headrace.commands import recipes
from headrace.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "recipes").glob("*.yaml"))


def test_recipes_are_the_files_of_the_clone_by_name() -> None:
    by_name = recipes.find_recipes()
    assert set(by_name.values()) == set(FILES)
    assert list(by_name) == sorted(path.stem for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_description_is_the_text_of_the_first_line(path: Path) -> None:
    description = recipes.read_description(path)
    assert len(description) > 20
    assert not description.startswith("#")


@pytest.mark.parametrize("columns", ["30", "80"])
def test_show_recipes_lists_each_with_its_full_description(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    recipes.show_recipes()
    shown = capsys.readouterr().out
    firsts = [line.split()[0] for line in shown.splitlines() if line and not line.startswith(" ")]
    assert firsts == ["recipe", *sorted(path.stem for path in FILES), "headrace"]
    assert "".join(recipes.read_description(ROOT / "recipes/wine.yaml").split()) in "".join(shown.split())


def test_files_of_an_installed_package_are_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "pipeline" / "headrace" / "template"
    for folder in (tmp_path, installed):
        (folder / "recipes").mkdir(parents=True)
    monkeypatch.setattr(recipes, "PACKAGE_DIR", installed.parent)
    monkeypatch.setattr(recipes, "TEMPLATE_DIR", installed)
    assert recipes.find_shipped("recipes") == installed / "recipes"
    shutil.rmtree(installed / "recipes")
    assert recipes.find_shipped("recipes") == tmp_path / "recipes"


def test_files_of_an_incomplete_package_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "PACKAGE_DIR", tmp_path / "pipeline" / "headrace")
    monkeypatch.setattr(recipes, "TEMPLATE_DIR", tmp_path / "pipeline" / "headrace" / "template")
    with pytest.raises(DataError, match="template/recipes: no such file; .* reinstall headrace"):
        recipes.find_shipped("recipes")
