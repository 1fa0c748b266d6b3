"""Every listing of settings, stages and Python in the README and in docs/ holds; every key in the text exists."""

import importlib
import re
import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from headrace.paths import Paths
from headrace.settings.load import SECTIONS, load_settings
from headrace.stages import STAGES
from tests.documentation.pages import PAGES, ROOT, Listing, list_listings, read_code_spans

LISTINGS = [listing for page in PAGES for listing in list_listings(page)]
PYTHON = [pytest.param(each, id=each.name) for each in LISTINGS if each.language == "python"]
OWN_YAML = {"missing_columns", "columns"}
"""First keys of contract.yaml, which tests/commands/test_contract.py reads."""
KEY = re.compile(rf"({'|'.join(STAGES)})(\.[a-z_0-9]+)+")
SECTION = re.compile(rf"^({'|'.join(STAGES)}):\s*({{.*}})?\s*(#.*)?\n")
FILES = {"json", "html", "md", "yaml", "csv", "py", "parquet", "npy", "jsonl", "onnx"}
FREE = re.compile(
    r"(validate\.gate|clean\.checks|ingest\.columns|tune\.space|train\.(model|optimizer|schedule|loss))\..*"
)
"""Keys below which names are those of other tables: metrics, checks, columns, options of a model."""


def read_yaml(listing: Listing) -> list[dict[str, object]]:
    """The documents of a listing: several if it shows alternatives for one section; none if it is no YAML."""
    if listing.language != "yaml" and not (not listing.language and SECTION.match(listing.text)):
        return []
    keys = re.findall(r"^\w+:", listing.text, re.MULTILINE)
    parts = [listing.text] if len(keys) == len(set(keys)) else re.split(r"^(?=\w+:)", listing.text, flags=re.MULTILINE)
    return [YAML(typ="safe").load(part) for part in parts if part.strip()]


YAMLS = [pytest.param(each, content, id=each.name) for each in LISTINGS for content in read_yaml(each)]


def write_modules(page: Path, folder: Path) -> None:
    """Writes the page's Python listings to the paths that their first lines name."""
    for listing in list_listings(page):
        if match := re.match(r"# ([\w/]+\.py)\n", listing.text):
            path = folder / match[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(listing.text)


@pytest.mark.parametrize(("listing", "content"), YAMLS)
def test_listing_of_yaml_is_valid(
    listing: Listing, content: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content.keys() <= SECTIONS.keys():
        write_modules(listing.page, tmp_path)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        load_settings(Paths(tmp_path), params={"ingest": {"source": "rows.csv"}, **content})  # of any modality
    elif "stages" in content:
        from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA

        COMPILED_MULTI_STAGE_SCHEMA(content)
    else:
        assert next(iter(content)) in OWN_YAML


@pytest.mark.parametrize("listing", PYTHON)
def test_listing_of_python_compiles(listing: Listing) -> None:
    compile(listing.text, listing.name, "exec")


@pytest.mark.parametrize(
    ("page", "module", "shape"),
    [("README.md", "my_package.nets", [8, 8, 1]), ("docs/howto/own_model.md", "nets", [5])],
)
def test_own_model_of_a_page_computes(
    page: str, module: str, shape: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    write_modules(ROOT / page, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    network = importlib.import_module(module).TwoLayers(width=4).build(shape, 3)
    assert network(torch.zeros(2, *shape)).shape == (2, 3)
    for name in {module, module.partition(".")[0]}:
        sys.modules.pop(name)


def test_own_reader_of_a_page_writes_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(ROOT / "docs" / "howto" / "own_reader.md", tmp_path)
    (tmp_path / "service.log").write_text("ERROR no space left\nnot a line\nINFO up again\n")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("read_log.py")
    rows = pq.read_table("rows.parquet").to_pylist()
    assert rows == [{"level": "ERROR", "message": "no space left"}, {"level": "INFO", "message": "up again"}]


def test_own_stage_of_a_page_writes_the_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(ROOT / "docs" / "howto" / "own_stage.md", tmp_path)
    (tmp_path / "reports" / "test").mkdir(parents=True)
    columns = {"row_id": ["a", "b"], "source": ["x:1", "x:2"], "target": ["cat", "dog"], "predicted": ["cat", "cat"]}
    pq.write_table(pa.table(columns), tmp_path / "reports" / "test" / "predictions.parquet")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("errors.py")
    assert Path("errors.csv").read_text().splitlines()[1:] == ['"x:2","dog","cat"']


def test_keys_in_the_text_exist() -> None:
    table = (ROOT / "docs" / "reference" / "settings.md").read_text()
    keys = {key.replace("[]", "") for key in re.findall(r"^\| `([a-z_0-9.\[\]]+)`", table, re.MULTILINE)}
    unknown = {
        f"{page.name}: {match[0]}"
        for page in PAGES
        for span in read_code_spans(page)
        if (match := KEY.match(span)) and match[0].rpartition(".")[2] not in FILES
        if match[0] not in keys and not FREE.fullmatch(match[0])
    }
    assert not unknown


def test_links_of_the_readme_lead_somewhere() -> None:
    """Those of docs/ are checked by the strict build of the site."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)", (ROOT / "README.md").read_text())
    assert not [link for link in links if not (ROOT / link).exists()]
    assert "docs/data.md" in links
