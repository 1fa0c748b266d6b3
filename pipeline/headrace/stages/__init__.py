"""The stages, one file each with `Config` and `run(config, paths)`. They communicate through files, not imports."""

STAGES: tuple[str, ...] = (
    "ingest",
    "clean",
    "split",
    "normalize",
    "tune",
    "train",
    "validate",
    "quantize",
    "test",
    "explain",
    "register",
)
STAGE_HELP: dict[str, str] = {
    "ingest": "Read the source into data/raw.",
    "clean": "Check rows, columns and classes; rejected rows go to data/quarantine.",
    "split": "Divide the rows into train, validation and test.",
    "normalize": "Fit the preprocessing on train rows, and write the arrays.",
    "tune": "Search for settings of the training (none by default).",
    "train": "Train the network, and export it to ONNX.",
    "validate": "Calibrate the model on validation rows, and check the gate.",
    "quantize": "Make int8 candidates, and select the graph that will be served.",
    "test": "Measure the selected graph on test rows.",
    "explain": "Explain predictions, and measure how faithful the explanations are.",
    "register": "Register the model in MLflow.",
}
