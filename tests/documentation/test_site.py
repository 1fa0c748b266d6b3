"""The site that `make docs` builds: strict, and without anything from elsewhere, also in a browser."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser import open_browser
from tests.documentation.pages import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not importlib.util.find_spec("material"), reason="no mkdocs-material; run: make docs"),
]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Element -> the attribute by which it loads a file."""
WIDTHS = (390, 768, 1280)


class Loads(HTMLParser):
    """The addresses that a page loads from; links that a person follows are none."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in LOADED and values.get("rel") not in {"canonical", "next", "prev", "edit"}:
            self.urls.append(values.get(LOADED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.urls
        assert not [url for url in loads.urls if re.match(r"(https?:)?//", url)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_every_page_is_in_the_navigation(site: Path) -> None:
    """The strict build warns, and so fails, of a page that is not."""
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")} - {"404.md"}
    assert built == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def test_pages_fit_every_width_and_ask_for_nothing(site: Path) -> None:
    with open_browser() as browser:
        for name in ("index", "tutorials/table", "reference/settings", "comparison"):
            for width in WIDTHS:
                browser.open(site / f"{name}.html", width=width, is_dark=width == WIDTHS[0])
                assert browser.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                assert browser.evaluate("document.querySelectorAll('article h1').length") == 1
                # Material asks GitHub for a project's stars, if mkdocs.yml has a repo_url
                assert all(url.startswith("file:") for url in browser.list_requests()), (name, width)
