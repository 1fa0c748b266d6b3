"""One table of where everything lies in a project."""

from dataclasses import dataclass
from pathlib import Path

OUTS: dict[str, tuple[str, ...]] = {
    "ingest": ("data/raw",),
    "clean": ("data/clean", "data/quarantine", "reports/clean.html"),
    "split": ("data/split",),
    "normalize": ("data/normalized",),
    "tune": ("reports/tune.json",),
    "train": ("models/trained", "plots/train"),
    "validate": ("plots/validate",),
    "test": ("reports/test", "plots/test"),
    "quantize": ("models/quantized",),
    "explain": ("reports/explain",),
    "register": ("registered.json",),
}
"""What each stage writes beside `metrics/<stage>.json`, as in `dvc.yaml`."""

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
UNUSED = "unused"
"""The split of rows that no stage after `split` sees."""


@dataclass(frozen=True)
class Paths:
    """Every path of the project that lies at `root` (absolute)."""

    root: Path

    @property
    def params_path(self) -> Path:
        """The settings."""
        return self.root / "params.yaml"

    @property
    def state_dir(self) -> Path:
        """What outlives a stage that DVC restarts: locks, logs, resume state."""
        return self.root / ".headrace"

    @property
    def logs_dir(self) -> Path:
        """Logs of Ray and others that would drown the terminal."""
        return self.state_dir / "logs"

    @property
    def raw_dir(self) -> Path:
        """Ingested rows (Parquet) and `spec.json`."""
        return self.root / "data" / "raw"

    @property
    def clean_dir(self) -> Path:
        """Rows that passed every check, and `spec.json` with the classes."""
        return self.root / "data" / "clean"

    @property
    def quarantine_dir(self) -> Path:
        """Rows that did not, each with its check and reason."""
        return self.root / "data" / "quarantine"

    @property
    def clean_report_path(self) -> Path:
        """What was cleaned, for a person."""
        return self.root / "reports" / "clean.html"

    @property
    def split_dir(self) -> Path:
        """Which row is for training, validation, test."""
        return self.root / "data" / "split"

    @property
    def normalized_dir(self) -> Path:
        """Memory-mapped arrays a split, `spec.json` and `transform.json`."""
        return self.root / "data" / "normalized"

    @property
    def trained_dir(self) -> Path:
        """The bundle that `train` wrote."""
        return self.root / "models" / "trained"

    @property
    def quantized_dir(self) -> Path:
        """The int8 candidate that was kept, if one was."""
        return self.root / "models" / "quantized"

    @property
    def tune_path(self) -> Path:
        """What the search found."""
        return self.root / "reports" / "tune.json"

    @property
    def registered_path(self) -> Path:
        """Which version of which model stands in the registry."""
        return self.root / "registered.json"

    def metrics_path(self, stage: str) -> Path:
        """The flat figures of a stage."""
        return self.root / "metrics" / f"{stage}.json"

    def plots_dir(self, stage: str) -> Path:
        """The stage's plots (CSV, for `dvc plots`)."""
        return self.root / "plots" / stage

    def report_dir(self, stage: str) -> Path:
        """What a person reads about the stage."""
        return self.root / "reports" / stage
