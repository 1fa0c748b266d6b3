"""Stages: one file each, `Config` and `run(config, paths)`; they talk through files, never through imports."""

STAGES: tuple[str, ...] = (
    "ingest",
    "clean",
    "split",
    "normalize",
    "tune",
    "train",
    "validate",
    "test",
    "quantize",
    "explain",
    "register",
)
