#!/usr/bin/env bash
# mlflow 3.17.2: save_model with pip_requirements of one's own, which need no inference, still reads the file list of
# every installed package: the map of modules to packages that only a package without metadata could need.
#
# Seen: mlflow.pyfunc.save_model(..., pip_requirements=["numpy==2.4.6"]) calls importlib metadata's
# packages_distributions() once a process, which reads RECORD or top_level.txt of all 89 packages here; in an
# environment of 300 packages that is 0.6 s of 0.9. With the map there already, the files written are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow==3.17.2 numpy==2.4.6 2> /dev/null
cd "$folder"
cat > model.py <<'PYTHON'
import mlflow


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


mlflow.models.set_model(Model())
PYTHON
venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import mlflow
from mlflow.utils import requirements_utils

calls = []
original = requirements_utils.importlib_metadata.packages_distributions


def count():
    packages = original()
    calls.append(len({name for names in packages.values() for name in names}))
    return packages


requirements_utils.importlib_metadata.packages_distributions = count
for name in ("first", "second"):
    if name == "second":
        requirements_utils._MODULES_TO_PACKAGES = {}
    mlflow.pyfunc.save_model(name, python_model="model.py", pip_requirements=["numpy==2.4.6"])
texts = [Path(name, "requirements.txt").read_text() for name in ("first", "second")]
print(f"packages whose files were listed: {calls}; requirements: {texts[0].split()}, {texts[1].split()}")
sys.exit(0 if len(calls) == 1 and calls[0] > 30 and texts[0] == texts[1] else "the behaviour has changed")
PYTHON
