"""All pages of a run in a real browser without network: no faults of accessibility, nothing is loaded, all fits."""

from itertools import pairwise
from pathlib import Path

import pytest

from headrace.commands.run_stage import run_stage
from headrace.paths import Paths
from headrace.stages import STAGES
from tests.browser import open_browser
from tests.projects import write_image_folder

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.browser]
PARAMS = """
ingest: {source: photos}
train:
  model: {name: cnn, blocks: [4, pool], dense: []}
  max_epochs: 2
  num_workers: 0
  num_threads: 1
quantize: {max_latency: 1000.0, max_size: 10.0, max_loss: 1.0}
explain: {num_rows: 8}
register: {name: shapes}
"""
PAGES = ("reports/index.html", "reports/clean.html", "reports/explain/index.html")
WIDTHS = (390, 768, 1280)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LEVELS = "[...document.querySelectorAll('h1, h2, h3, h4')].map(each => +each.tagName[1])"
BROKEN = "[...document.images].filter(each => !each.naturalWidth).length"
EMPTY = "[...document.querySelectorAll('svg')].filter(each => each.getBoundingClientRect().height < 20).length"
DARK = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def run_root(tmp_path_factory):
    """A project of images with two broken ones, after all stages."""
    root = tmp_path_factory.mktemp("pages")
    photos = write_image_folder(root / "photos", 40)
    (photos / "disc" / "empty.png").write_bytes(b"")
    (photos / "cross" / "twice.png").write_bytes((photos / "cross" / "0001.png").read_bytes())
    (root / "params.yaml").write_text(PARAMS)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setattr("headrace.quantization.benchmark.SECONDS_PER_BATCH_SIZE", 0.0)
        for stage in STAGES:
            run_stage(stage, Paths(root))
    return root


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_faults_and_loads_nothing(browser, run_root, page):
    backgrounds = set()
    for is_dark in (False, True):
        for width in WIDTHS:
            browser.open(run_root / page, width=width, is_dark=is_dark)
            assert browser.evaluate(OVERFLOW) <= 0, width
            assert len(browser.list_requests()) == 1, "the page itself"
            backgrounds.add(browser.evaluate(DARK))
            if width != 768:
                assert browser.find_faults() == [], (width, is_dark)
    assert len(backgrounds) == 2, "light and dark differ"
    assert browser.evaluate(BROKEN) == browser.evaluate(EMPTY) == 0
    levels = browser.evaluate(LEVELS)
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    browser.use_media("print", is_dark=True)
    assert browser.evaluate(DARK) == "rgba(0, 0, 0, 0)", "paper stays white"


def test_report_of_register_is_the_one_that_the_command_writes(run_root):
    from headrace.commands.report import write_run_report

    before = (run_root / PAGES[0]).read_bytes()
    write_run_report(Paths(run_root))
    assert (run_root / PAGES[0]).read_bytes() == before, "otherwise DVC would register again"
    assert b"<svg" in before
    assert b'href="explain/index.html"' in before


def test_links_and_tables_are_reached_by_keyboard(browser, run_root):
    browser.open(run_root / PAGES[0], width=390, is_dark=False)
    reached = []
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(browser.evaluate("document.activeElement.textContent"))
    assert reached == ["Skip the list of sections", "Intended use", "Gates", "Data"]
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_faults_are_found(browser, tmp_path: Path):
    """Otherwise the tests above would say nothing."""
    path = tmp_path / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><title>x</title><main><h1>Page</h1>'
        '<p style="color:#999;background:#aaa">pale text</p><p style="width:2000px">wide</p>'
        '<img src="http://example.org/x.png"></main>'
    )
    browser.open(path, width=390, is_dark=False)
    assert {fault.split()[0] for fault in browser.find_faults()} == {"color-contrast", "image-alt"}
    assert browser.list_requests()[1:] == ["http://example.org/x.png"]
    assert browser.evaluate(BROKEN) == 1
    assert browser.evaluate(OVERFLOW) > 0
