"""A run whose stages wrote every file that a report reads, in small."""

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.paths import Paths

SPEC = {
    "modality": "text", "task": "classification", "source": "reviews.csv", "format": "csv", "num_rows": 40,
    "target": "worth", "targets": [], "columns": [{"name": "text", "kind": "text"}], "missing": [],
    "other_columns": [], "classes": ["<bad>", "good"], "input_shape": [12, 300],
}  # fmt: skip
CARD = {
    "training_id": "0123456789abcdef",
    "model": {"name": "text_mean", "width": 8, "dense": [16]},
    "spec": SPEC,
    "transform": {},
    "settings": {"optimizer": {"name": "adam"}, "loss": "auto", "learning_rate": 0.01, "batch_size": 32, "seed": 3},
    "lineage": {
        "code": "c0de", "data": {"raw": "aaa.dir", "normalized": "bbb.dir"}, "git_commit": "f00d", "git_dirty": True,
        "python": "3.11.7", "platform": "Linux", "packages": {"torch": "2.15.0"},
    },
}  # fmt: skip
METRICS: dict[str, dict[str, Any]] = {
    "ingest": {"rows": 44},
    "clean": {"rows_in": 44, "rows_out": 40, "quarantined": 4, "repaired": 1, "classes": 2, "quarantined_duplicate": 4,
              "repaired_mode": 0, "warned_label_error": 2},
    "split": {"train": 20, "val": 10, "test": 10},
    "normalize": {"train": 20},
    "train": {"epochs": 2, "kept_epoch": 1, "parameters": 12345, "fit_seconds": 1.25},
    "validate": {"accuracy": 0.9},
    "quantize": {"passed": 1, "int8_bytes": 126527, "int8_latency_ms": 0.1234},
    "test": {"num_rows": 10, "accuracy": 0.8, "accuracy_low": 0.5, "accuracy_high": 0.95, "macro_f1": 0.75,
             "fp32_accuracy": 0.7, "fp32_agreement": 0.9, "noise_8": 0.6},
    "explain": {"num_rows": 4, "deletion": 0.01, "deletion_low": -0.02, "deletion_high": 0.04},
    "register": {"version": 2},
}  # fmt: skip
REGISTERED = {
    "name": "reviews", "version": 2, "run_id": "cafe", "precision": "int8", "aliases": ["challenger"],
    "champion": {"sentence": "not champion: worse than reviews version 1"},
}  # fmt: skip
RULE = {
    "rule": "validate.gate.accuracy.min", "metric": "accuracy", "slice": None, "limit": 0.7, "value": 0.9, "low": 0.6,
    "high": 0.97, "rows": 10, "verdict": "too few rows",
}  # fmt: skip
CANDIDATE = {
    "accuracy": 0.9,
    "bytes": 126527,
    "latency_ms": 0.1234,
    "latency_ratio": {"value": 1.0, "low": 0.9, "high": 1.1},
}
CHOICE = {
    "chosen": "weights", "precision": "int8", "reason": "weights is smaller", "limits": {"max_loss": 0.005},
    "fp32": CANDIDATE,
    "candidates": [
        CANDIDATE | {"name": "weights", "reasons": [], "accuracy_lost": {"value": 0.0, "low": -0.01, "high": 0.01}},
        {"name": "static_minmax", "reasons": ["outputs NaN or infinity"]},
    ],
    "machine": {"processor": "AMD EPYC", "features": ["avx2"]},
}  # fmt: skip
BASELINES = {
    "metric": "accuracy", "model": 0.8, "sentence": "logistic regression is as good",
    "baselines": [
        {"name": "logistic regression", "value": 0.8, "low": 0.5, "high": 0.95, "difference": 0.0,
         "difference_low": -0.1, "difference_high": 0.1, "fit_seconds": 0.5, "skipped": None},
        {"name": "gradient boosting", "skipped": "takes too long"},
    ],
}  # fmt: skip
MISTAKE = {
    "row_id": "00ff", "source": "reviews.csv:7", "label": "good", "predicted": "<bad>", "confidence": 0.99,
    "text": "not | bad <i>", "picture": "mistakes/00ff.png",
}  # fmt: skip
FIGURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><desc>{}</desc><path d="M0 0H9" stroke="#888"/></svg>'
)
FILES: dict[str, Any] = {
    "models/trained/bundle.json": CARD,
    "models/quantized/choice.json": CHOICE,
    "models/quantized/calibration.json": {"ece": 0.02, "temperature": 0.76},
    "models/quantized/sensitivity.json": [{"node": "/dense/Gemm", "op": "Gemm", "divergence": 0.5, "excluded": True}],
    "registered.json": REGISTERED,
    "plots/train/history.csv": "epoch,step,train_loss,val_loss,learning_rate\n1,1,2.0,1.5,0.01\n2,2,1.0,1.25,0.0\n",
    "reports/clean.html": "page",
    "reports/validate/gates.json": {"passed": True, "rules": [RULE]},
    "reports/quantize/gates.json": {"passed": True, "rules": [RULE | {"slice": {"column": "sex", "value": "f"}}]},
    "reports/test/baselines.json": BASELINES,
    "reports/test/per_class.csv": "class,rows,f1\n<bad>,4,0.5\ngood,6,1.0\n",
    "reports/test/slices.csv": "column,value,rows,accuracy,accuracy_low,accuracy_high\nclass,<bad>,4,0.5,0.15,0.85\n",
    "reports/test/worst_slices.csv": "slice,rows,accuracy,accuracy_low,accuracy_high,p\nlong,4,0.5,0.15,0.85,0.04\n",
    "reports/test/robustness.csv": "name,strength,rows,value,low,high\ntypos,1,10,0.7,0.4,0.9\n",
    "reports/test/out_of_distribution.json": {
        "note": "Generated rows.",
        "generated": [{"name": "shuffled", "rows": 9, "auroc": 0.9, "auroc_low": 0.8, "auroc_high": 1.0}],
    },
    "reports/test/mistakes.json": [MISTAKE],
    "reports/test/figures/reliability.svg": FIGURE.format("at 0.9: 0.8 of 10 rows"),
    "reports/test/figures/confusion.svg": FIGURE.format("8 of 10 rows right"),
    "reports/explain/index.html": "page",
    "reports/explain/summary.json": {"sentence": "No better than chance."},
}


@pytest.fixture
def complete(tmp_path: Path) -> Paths:
    """A project after `register`."""
    write_run(tmp_path)
    return Paths(tmp_path)


def write_run(root: Path) -> None:
    """Writes the files of a run."""
    from PIL import Image

    metrics = {f"metrics/{stage}.json": values for stage, values in METRICS.items()}
    for name, content in (FILES | metrics).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    (root / "reports" / "test" / "mistakes").mkdir()
    Image.new("L", (8, 8), 200).save(root / "reports" / "test" / "mistakes" / "00ff.png")
