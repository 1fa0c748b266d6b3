"""The stages, one file each with `Config` and `run(config, paths)`. They communicate through files, not imports."""

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
