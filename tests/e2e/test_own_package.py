"""A project outside the clone with a package `pipeline` of its own, whose model goes as far as a served version."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from headrace.commands.init import create_project
from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.parquet import read_table

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
NETS = '''
"""Two dense layers."""

from pydantic import Field
from torch import nn

from headrace.config import Section


class Two(Section):
    """The options of the model."""

    width: int = Field(default=16, gt=0)
    """Features between the two layers."""

    def build(self, input_shape, num_outputs):
        return nn.Sequential(nn.Linear(input_shape[0], self.width), nn.Tanh(), nn.Linear(self.width, num_outputs))
'''
SERVE = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
model = mlflow.pyfunc.load_model(json.load(open("registered.json"))["uri"])
answers = model.predict(pd.DataFrame(json.load(open("rows.json"))))
loaded = [name for name in ("torch", "headrace", "pipeline") if name in sys.modules]
print(json.dumps([list(answers["label"]), list(answers["confidence"]), loaded]))
"""


def run(folder: Path, *command: str) -> str:
    """Runs a command in the project, with nothing of the clone on its path."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MLFLOW_TRACKING_URI", "PYTHONPATH"}
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe `wine` with `pipeline.nets:Two` as its model, after all stages by the installed command."""
    folder = tmp_path_factory.mktemp("own") / "project"
    create_project(folder, "wine")
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "__init__.py").write_text('"""The user\'s own package."""\n')
    (folder / "pipeline" / "nets.py").write_text(NETS)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["train"]["model"] = {"name": "pipeline.nets:Two", "width": 24}
    params["train"].update({"max_epochs": 12, "num_workers": 0})
    params["validate"]["gate"] = {"accuracy": {"min": 0.8}}
    yaml.dump(params, folder / "params.yaml")
    for stage in STAGES:
        run(folder, "headrace", stage)
    return folder


def test_stages_train_the_projects_own_class(project: Path) -> None:
    card = json.loads((project / "models" / "trained" / "bundle.json").read_text())
    assert card["model"] == {"name": "pipeline.nets:Two", "width": 24}
    metrics = json.loads((project / "metrics" / "train.json").read_text())
    num_inputs = Spec.read(Paths(project).normalized_dir).input_shape[0]
    assert metrics["parameters"] == num_inputs * 24 + 24 + 24 * 3 + 3
    assert metrics["workers"] == 0


def test_registered_model_predicts_as_recorded_in_a_fresh_process(project: Path) -> None:
    paths = Paths(project)
    recorded = pq.read_table(paths.report_dir("test") / "predictions.parquet").to_pylist()
    raw_rows = {row["row_id"]: row for row in read_table(paths.raw_dir).to_pylist()}
    spec = Spec.read(paths.normalized_dir)
    rows = [{column.name: raw_rows[row["row_id"]][column.name] for column in spec.columns} for row in recorded]
    (project / "rows.json").write_text(json.dumps(rows))
    output = run(project, sys.executable, "-c", SERVE, str(project))
    labels, confidences, loaded = json.loads(output.splitlines()[-1])
    assert len(rows) > 20
    assert labels == [row["predicted"] for row in recorded]
    assert confidences == pytest.approx([row["confidence"] for row in recorded], abs=1e-6)
    assert loaded == [], "serving needs neither torch nor the project's code"
