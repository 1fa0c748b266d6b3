import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.commands import recipes
from headrace.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "recipes").glob("*.yaml"))


def test_recipes_are_the_files_in_the_checkout_by_name() -> None:
    found = recipes.find_recipes()
    assert set(found.values()) == set(FILES)
    assert list(found) == sorted(path.stem for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_about_says_what_a_recipe_is(path: Path) -> None:
    told = recipes.read_description(path)
    assert len(told) > 20
    assert not told.startswith("#")


@pytest.mark.parametrize("columns", ["30", "80"])
def test_show_recipes_lists_each_one_whole(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    recipes.show_recipes()
    shown = capsys.readouterr().out
    firsts = [line.split()[0] for line in shown.splitlines() if line and not line.startswith(" ")]
    assert firsts == ["recipe", *sorted(path.stem for path in FILES), "headrace"]
    assert "".join(recipes.read_description(ROOT / "recipes/wine.yaml").split()) in "".join(shown.split())


def test_template_of_an_installed_package_goes_before_its_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, tmp_path / "pipeline" / "headrace" / "template"):
        (folder / "recipes").mkdir(parents=True)
        (folder / "dvc.yaml").touch()
    monkeypatch.setattr(recipes, "PACKAGE_DIR", tmp_path / "pipeline" / "headrace")
    assert recipes.find_template_dir() == tmp_path / "pipeline" / "headrace" / "template"
    shutil.rmtree(tmp_path / "pipeline" / "headrace" / "template")
    assert recipes.find_template_dir() == tmp_path


def test_template_of_a_package_that_was_copied_in_part_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "PACKAGE_DIR", tmp_path / "pipeline" / "headrace")
    with pytest.raises(DataError, match="template: no such folder; .* install headrace anew"):
        recipes.find_template_dir()


def test_listing_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom headrace.__main__ import app\napp(['recipes'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'ray', 'mlflow', 'pandas', 'numpy', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
