#!/usr/bin/env bash
# mlflow 3.17.2: its scoring server makes columns of "instances" key by key. Rows that lack an optional column are not
# filled up: the values of later rows move up, and the model answers rows that nobody sent, fewer than were sent. The
# same rows as "inputs" or "dataframe_records" are right.
#
# Seen: [{age: 1}, {age: 2, city: x}, {city: y}], both columns optional, as "instances": two answers, "1.0 x" and "2.0 y",
# status 200. As "dataframe_records": three, "1.0 nan", "2.0 x", "nan y".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow==3.17.2 2> /dev/null
cat > "$folder/serve.py" <<'PYTHON'
import json
import sys
import warnings

import mlflow
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema

warnings.simplefilter("ignore")


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [f"{row.age} {row.city}" for row in model_input.itertuples()]


columns = Schema([ColSpec("double", "age", required=False), ColSpec("string", "city", required=False)])
signature = ModelSignature(columns, Schema([ColSpec("string")]))
mlflow.pyfunc.save_model(sys.argv[1], python_model=Echo(), signature=signature, pip_requirements=[])
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = [{"age": 1.0}, {"age": 2.0, "city": "x"}, {"city": "y"}]
answers = {}
for key in ("instances", "dataframe_records", "inputs"):
    response = scoring_server.invocations(json.dumps({key: rows}), "application/json", model, columns)
    answers[key] = json.loads(response.response)["predictions"]
    print(f"{key}: {response.status}, {answers[key]}")
right = ["1.0 nan", "2.0 x", "nan y"]
holds = answers == {"instances": ["1.0 x", "2.0 y"], "dataframe_records": right, "inputs": right}
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
"$folder/venv/bin/python" "$folder/serve.py" "$folder/model" 2> "$folder/log" || { tail -3 "$folder/log"; exit 1; }
