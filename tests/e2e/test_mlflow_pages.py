"""MLflow's pages of a project with three runs, in a real browser: the table, two runs, a model and its version.

Screenshots are left in the folder that HEADRACE_SCREENSHOTS names, or in pytest's.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.commands.run_stage import run_stage
from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment
from tests.browser import open_browser

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.browser]
PARAMS = """
ingest: {{source: rows.csv, target: worth}}
clean: {{checks: {{label_error: off}}}}
split: {{counts: [null, 150, 150]}}
train:
  model: {{name: mlp, dense: [16]}}
  learning_rate: {learning_rate}
  max_epochs: 2
  num_workers: 0
  num_threads: 1
validate: {{baselines: {{seconds: 0}}}}
quantize: {{max_latency: 1000.0, max_size: 10.0, max_loss: {max_loss}}}
test: {{robustness_rows: 0}}
register: {{name: worth, intended_use: Screenshots.}}
"""
RUNS = [(0.01, 0.5), (0.02, 0.5), (0.03, 0.25)]
"""Learning rate, and what `quantize` may lose."""
DATA_HASHES = "stages:\n  ingest:\n    outs:\n    - {path: data/raw, md5: 0123456789abcdef0123456789abcdef.dir}\n"
CURVES = (
    "[...document.querySelectorAll('.js-plotly-plot')]"
    ".map(plot => plot.querySelectorAll('.scatterlayer .trace path.js-line').length)"
)
"""Of each chart: the lines that it draws."""
TEXT = "(document.body?.innerText ?? '')"  # there is no body yet while a page is loaded


@pytest.fixture(scope="module")
def project(built_project, tmp_path_factory):
    """A project of a table after three trainings and registrations."""
    root = tmp_path_factory.mktemp("pages") / "project"
    shutil.copytree(built_project("table", "classification").root, root)
    (root / "dvc.lock").write_text(DATA_HASHES)
    paths = Paths(root)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setattr("headrace.quantization.benchmark.SECONDS_PER_BATCH_SIZE", 0.0)
        for learning_rate, max_loss in RUNS:
            paths.params_path.write_text(PARAMS.format(learning_rate=learning_rate, max_loss=max_loss))
            for stage in ("train", "validate", "quantize", "test", "register"):
                run_stage(stage, paths)
    return paths


@pytest.fixture(scope="module")
def address(project):
    """The address that `headrace ui` prints."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    command = [sys.executable, "-m", "headrace", "ui", "--port", str(port)]
    with subprocess.Popen(command, cwd=project.root, env=environment, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[1].startswith("runs: http://127.0.0.1:"), (project.logs_dir / "ui.log").read_text()
        yield lines[1].removeprefix("runs: ").strip()
        process.terminate()


def test_runs_and_versions_are_shown(project, address, tmp_path):
    folder = Path(os.environ.get("HEADRACE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    client = connect(project)
    experiment = find_or_create_experiment(client, project)
    first, second, third = client.search_runs([experiment], order_by=["start_time"])
    names = [run.info.run_name for run in (first, second, third)]
    assert names == ["mlp", "mlp lr=0.02", "mlp lr=0.03"]
    server = address.partition("/#/")[0]
    with open_browser() as browser:

        def shoot(name, url, *texts):
            found = " && ".join(f"{TEXT}.includes({json.dumps(text)})" for text in texts)
            browser.visit(url, found, width=1600)
            browser.screenshot(folder / f"{name}.png", height=900)

        shoot("runs", address, *names, "test/accuracy", "test/loss", "rows.csv")
        runs = json.dumps([second.info.run_id, third.info.run_id])
        compared = f'{server}/#/compare-runs?runs={runs}&experiments=["{experiment}"]'
        shoot("compared", compared, "Comparing 2 Runs", *names[1:], "learning_rate", "quantize.max_loss")
        chart = f"{server}/#/experiments/{experiment}/runs?compareRunsMode=CHART&workflowType=machine_learning"
        browser.visit(chart, f"{CURVES}.some(curves => curves >= {len(RUNS)})", width=1600)
        browser.screenshot(folder / "chart.png", height=900)
        shoot("model", f"{server}/#/models/worth", "Version 3", "challenger", "lr=0.03 quantize.max_loss=0.25")
        shoot("version", f"{server}/#/models/worth/versions/3", "Intended use", "Screenshots.", "95 % interval")
        outside = [url for url in browser.list_requests() if not url.startswith((server, "blob:"))]
        assert outside == []
