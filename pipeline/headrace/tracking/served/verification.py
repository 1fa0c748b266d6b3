"""Whether a version answers as it was tested: MLflow loads its files in a fresh process, and answers test rows.

`answer_rows` is that process (`headrace check-served FOLDER`, internal). Below `dvc repro` it is a fork of the fork
server, which has imported MLflow and not the model's code, so that the import is not paid once more.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from itertools import starmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.contracts import Json, Metrics, Spec
from headrace.data.request_rows import is_missing
from headrace.errors import DataError, GateError
from headrace.fork_client import fork_detached
from headrace.paths import Paths
from headrace.storage.bundle import Bundle
from headrace.storage.column_names import to_stored_name
from headrace.storage.label_codec import decode_names
from headrace.storage.parquet import list_batches, read_batch
from headrace.tracking.launch import describe_process, is_alive
from headrace.tracking.served.predictor import name_values

NUM_ROWS = 256
"""As many as `test` answers in one run of the graph: their answers are the same to the last bit."""
NUM_TIMED_ROWS = 30
TOLERANCE = 1e-6
MAX_READ_BYTES = 512 * 1024**2
ROWS, ANSWERS = "rows.parquet", "answers.json"
POLL_S = 0.02


def verify_served_model(model_dir: Path, paths: Paths, bundle: Bundle) -> Metrics:
    """Returns latency and memory of a model in MLflow's layout; raises GateError if it does not answer as tested."""
    spec = bundle.spec
    recorded = pq.read_table(paths.report_dir("test") / "predictions.parquet").slice(0, NUM_ROWS).to_pylist()
    rows = _read_rows(paths.clean_dir, [row["row_id"] for row in recorded], bundle)
    recorded = [row for row in recorded if row["row_id"] in rows]
    if not recorded:
        raise DataError(f"{paths.clean_dir}: has none of the rows that were tested; run: dvc repro --force")
    with TemporaryDirectory(prefix="headrace-") as scratch:
        folder = Path(scratch)
        pq.write_table(pa.Table.from_pylist([rows[row["row_id"]] for row in recorded]), folder / ROWS)
        answered = _run_check(model_dir, folder, paths)
    problem = answered.get("error") or find_difference(answered["answers"], recorded, spec)
    if problem:
        raise GateError(
            f"register: the served model, loaded by MLflow in a fresh process, does not answer as it was tested: "
            f"{problem}; nothing was registered; run: dvc repro --force test register, and report it if it stays"
        )
    return {"served_rows": len(recorded), **answered["metrics"]}


def find_difference(answers: list[Json], recorded: list[Json], spec: Spec) -> str:
    """Describes the first answer that differs from `reports/test/predictions.parquet`; empty if none does."""
    if len(answers) != len(recorded):
        return f"{len(answers)} answers to {len(recorded)} rows"
    for answer, row in zip(answers, recorded, strict=True):
        for name, (got, wanted) in _pair_values(answer, row, spec).items():
            if not _is_same(got, wanted):
                place = row.get("source") or row["row_id"]
                return f"{place}: {name} is {_shorten(got)}, and was {_shorten(wanted)} in the test"
    return ""


def answer_rows(check_dir: str) -> None:
    """Loads the model that `model.txt` names, and writes its answers with latency and memory, or an error."""
    import mlflow
    import pandas as pd

    folder = Path(check_dir)
    rows = pd.DataFrame(pq.read_table(folder / ROWS).to_pylist())
    try:
        uri = (folder / "model.txt").read_text(encoding="utf-8")
        # without the search of all installed packages for requirements, which are those of this environment
        model = mlflow.pyfunc.load_model(uri, suppress_warnings=True)
        answers = model.predict(rows).to_dict("records")
        times = list(starmap(_time_answer, ((model, rows.iloc[[at]]) for at in range(min(len(rows), NUM_TIMED_ROWS)))))
    except Exception as error:  # noqa: BLE001 whatever is wrong with the version must not become a champion
        result: Json = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # in KiB, see getrusage(2)
        metrics = {"served_latency_p95_ms": float(np.quantile(times, 0.95)) * 1000, "served_peak_memory_mb": peak}
        result = {"answers": answers, "metrics": metrics}
    temporary = folder / f"{ANSWERS}.tmp"
    temporary.write_text(json.dumps(result), encoding="utf-8")
    temporary.rename(folder / ANSWERS)


def forget_own_code() -> None:
    """Removes headrace from this process, so that a model whose code needs it fails, as it does where it is served."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "headrace"]:
        del sys.modules[name]
    sys.modules["headrace"] = None  # type: ignore[assignment] # its import raises ImportError


def _run_check(model_dir: Path, folder: Path, paths: Paths) -> Json:
    (folder / "model.txt").write_text(str(model_dir), encoding="utf-8")
    log_path = paths.logs_dir / "check_served.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    run_check(folder, log_path)
    try:
        answered: Json = json.loads((folder / ANSWERS).read_bytes())
    except FileNotFoundError:
        return {"error": f"the process ended without an answer; see {log_path}"}
    return answered


def run_check(folder: Path, log_path: Path) -> None:
    """Runs `answer_rows` in a fresh process, and waits for its end."""
    command = ["check-served", str(folder)]
    pid = fork_detached(command, folder, log_path)
    if pid is not None:
        process = describe_process(pid)
        while is_alive(process):
            time.sleep(POLL_S)
        return
    with log_path.open("a") as log:
        subprocess.run([sys.executable, "-m", "headrace", *command], stdout=log, stderr=log, check=False)


def _read_rows(clean_dir: Path, row_ids: list[str], bundle: Bundle) -> dict[str, Json]:
    """Row id -> the row as a client sends it, for the rows within the first MAX_READ_BYTES that were read.

    Without rows that have no value in any column that the model uses, which are refused where it is served.
    """
    spec, used = bundle.spec, {column["name"] for column in bundle.card.transform.get("columns", [])}
    columns = {column.name: to_stored_name(column.name) for column in spec.columns}
    if spec.modality != "table":  # other columns of a table of images or texts are no inputs
        columns = {(spec.input_column if spec.modality == "text" else "") or spec.modality: spec.modality}
    rows, num_bytes, wanted = dict[str, Json](), 0, pa.array(row_ids)
    for ref in list_batches(clean_dir):
        ids = read_batch(ref, ["row_id"]).column("row_id")
        is_wanted = pc.is_in(ids, wanted)
        if not is_wanted.true_count:
            continue
        batch = read_batch(ref, ["row_id", *columns.values()])
        for row in batch.filter(is_wanted).to_pylist():
            if not used or any(not is_missing(row[columns[name]]) for name in used):
                rows[row["row_id"]] = {name: _to_cell(row[stored]) for name, stored in columns.items()}
        num_bytes += batch.nbytes
        if num_bytes > MAX_READ_BYTES:
            break
    return rows


def _to_cell(value: Any) -> Any:
    """Dates as text: the cells of a column have one type in the file."""
    return value.isoformat(sep=" ") if hasattr(value, "isoformat") else value


def _time_answer(model: Any, row: Any) -> float:
    started = time.perf_counter()
    model.predict(row)
    return time.perf_counter() - started


def _pair_values(answer: Json, row: Json, spec: Spec) -> dict[str, tuple[Any, Any]]:
    """Name -> value of the answer and of the record."""
    if spec.task == "classification":
        return {
            "label": (answer["label"], row["predicted"]),
            "confidence": (answer["confidence"], row["confidence"]),
            "probabilities": (answer["probabilities"], row["probabilities"]),
        }
    if spec.task == "multilabel":
        return {
            "labels": (sorted(answer["labels"]), sorted(decode_names(row["predicted"]))),
            "probabilities": (answer["probabilities"], row["probabilities"]),
        }
    if spec.targets:
        names = zip(name_values(spec.targets), spec.targets, strict=True)
        return {name: (answer[name], row[f"predicted {target}"]) for name, target in names}
    return {"prediction": (answer["prediction"], row["predicted"])}


def _is_same(got: Any, wanted: Any) -> bool:
    if isinstance(got, dict):
        return got.keys() == wanted.keys() and all(_is_same(got[name], wanted[name]) for name in got)
    if isinstance(got, float):
        return bool(abs(got - wanted) <= TOLERANCE * max(1.0, abs(wanted)))
    return bool(got == wanted)


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004 as much as a line holds
