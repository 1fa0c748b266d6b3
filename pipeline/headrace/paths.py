"""The paths of a project, and the names of its splits."""

import re
from dataclasses import dataclass
from pathlib import Path

OUTS: dict[str, tuple[str, ...]] = {
    "ingest": ("data/raw",),
    "clean": ("data/clean", "data/quarantine", "reports/clean.html"),
    "split": ("data/split",),
    "normalize": ("data/normalized", "reports/assumptions.json"),
    "tune": ("reports/tune.json",),
    "train": ("models/trained", "plots/train"),
    "validate": ("plots/validate", "reports/validate"),
    "quantize": ("models/quantized", "plots/quantize", "reports/quantize"),
    "test": ("reports/test", "plots/test"),
    "explain": ("reports/explain",),
    "register": ("registered.json", "reports/index.html", "reports/model_card.md"),
}
"""Outputs of each stage in addition to `metrics/<stage>.json`, as in `dvc.yaml`."""
SPLITS = ("train", "val", "test")
SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of official splits in sources (folders, words of file names, cells), lower case -> the split."""
EXPERIMENTS_DIR = (".dvc", "tmp", "exps")
"""Where DVC copies a project for `dvc exp run --temp` and `--queue`."""
CONTRACT = "contract.yaml"
"""The rules of the data that a person sets, beside `params.yaml`."""
UNUSED = "unused"
"""The split of rows that no stage after `split` reads."""


@dataclass(frozen=True)
class Paths:
    """The paths of the project at `root` (absolute)."""

    root: Path

    def shorten(self, text: str) -> str:
        """Returns a message with the paths inside the project relative to it; others stay, as outside of a project."""
        if not self.params_path.is_file():
            return text
        return re.sub(rf"(?<![\w./-]){re.escape(str(self.root))}/(?=\w|\.\w)", "", text)

    @property
    def params_path(self) -> Path:
        """The settings."""
        return self.root / "params.yaml"

    @property
    def contract_path(self) -> Path:
        """The contract of the data; most projects have none."""
        return self.root / CONTRACT

    @property
    def code_path(self) -> Path:
        """The fingerprint of each stage's code."""
        return self.root / "code.json"

    @property
    def model_code_path(self) -> Path:
        """The fingerprint of models outside the package; empty if there are none."""
        return self.root / "model_code" / "fingerprint.json"

    @property
    def state_dir(self) -> Path:
        """Files that survive when DVC restarts a stage: locks, logs, resume state."""
        return self.root / ".headrace"

    @property
    def tracking_root(self) -> Path:
        """The project whose MLflow registry and outbox are used: `root`, or the original of an experiment's copy.

        `dvc exp run --temp` and `--queue` run in a copy below `.dvc/tmp/exps/`, which DVC removes afterwards.
        """
        parts = self.root.parts
        for index in range(len(parts) - 3):
            if parts[index : index + 3] == EXPERIMENTS_DIR:
                original = Path(*parts[:index])
                copied = parts[index + 3 :]  # tmpXXX/..., or standalone/tmpXXX/...
                below = copied[2:] if copied[0] == "standalone" else copied[1:]
                is_project = original.joinpath(*below, "params.yaml").is_file()
                return original.joinpath(*below) if is_project else original
        return self.root

    @property
    def outbox_dir(self) -> Path:
        """Events for MLflow that are not sent yet."""
        return self.tracking_root / ".headrace" / "outbox"

    @property
    def tracking_log_path(self) -> Path:
        """What the sender of the outbox wrote."""
        return self.tracking_root / ".headrace" / "logs" / "tracking.log"

    @property
    def logs_dir(self) -> Path:
        """Logs of Ray and others that are too long for the terminal."""
        return self.state_dir / "logs"

    @property
    def raw_dir(self) -> Path:
        """Ingested rows (Parquet), and `spec.json`."""
        return self.root / "data" / "raw"

    @property
    def clean_dir(self) -> Path:
        """Rows that passed every check, and `spec.json` with the classes."""
        return self.root / "data" / "clean"

    @property
    def quarantine_dir(self) -> Path:
        """Rows that failed one, each with the check and the reason."""
        return self.root / "data" / "quarantine"

    @property
    def held_contract_path(self) -> Path:
        """The contract to which `clean` held the rows, if there was one."""
        return self.quarantine_dir / CONTRACT

    @property
    def clean_report_path(self) -> Path:
        """The report of `clean`."""
        return self.root / "reports" / "clean.html"

    @property
    def split_dir(self) -> Path:
        """The split of each row."""
        return self.root / "data" / "split"

    @property
    def normalized_dir(self) -> Path:
        """Memory-mapped arrays per split, `spec.json` and `transform.json`."""
        return self.root / "data" / "normalized"

    @property
    def assumptions_path(self) -> Path:
        """What the stages up to `normalize` assumed about the data, with the settings that change it."""
        return self.root / "reports" / "assumptions.json"

    @property
    def trained_dir(self) -> Path:
        """The bundle that `train` wrote."""
        return self.root / "models" / "trained"

    @property
    def quantized_dir(self) -> Path:
        """The bundle of the chosen int8 candidate, if there is one."""
        return self.root / "models" / "quantized"

    @property
    def tune_path(self) -> Path:
        """The results of the search."""
        return self.root / "reports" / "tune.json"

    @property
    def registered_path(self) -> Path:
        """The model version that `register` created."""
        return self.root / "registered.json"

    @property
    def report_path(self) -> Path:
        """The page of the whole run."""
        return self.root / "reports" / "index.html"

    @property
    def model_card_path(self) -> Path:
        """The model card."""
        return self.root / "reports" / "model_card.md"

    def metrics_path(self, stage: str) -> Path:
        """The metrics of a stage (flat JSON)."""
        return self.root / "metrics" / f"{stage}.json"

    def summary_path(self, stage: str) -> Path:
        """The few metrics of a stage that `dvc exp show` and `dvc metrics` show."""
        return self.report_dir(stage) / "summary.json"

    def plots_dir(self, stage: str) -> Path:
        """The stage's plots (CSV, for `dvc plots`)."""
        return self.root / "plots" / stage

    def report_dir(self, stage: str) -> Path:
        """The report of the stage."""
        return self.root / "reports" / stage
