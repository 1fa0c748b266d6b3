"""Trains and tests a Ludwig model on the Adult tables. Independent of this project.

Usage: ludwig_program.py FOLDER EPOCHS. FOLDER holds adult.data and adult.test. Prints one line of JSON: fit
seconds, test accuracy, versions.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import torch

COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]
NUMBERS = {"age", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
SKIPPED, TARGET = "fnlwgt", "income"  # the survey weight is not a feature


def enable_imports_without_cuda() -> None:
    """Makes torchvision and torchaudio importable: they are CUDA builds, next to a CPU build of torch.

    Ludwig always imports both, but tables need none of their operators.
    """
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    enable_imports_without_cuda.library = library  # keeps the operators alive
    extension = ModuleType("torchaudio._extension")  # as in a torchaudio built without native code
    vars(extension).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False)
    vars(extension).update(fail_if_no_align=lambda function: function, _check_cuda_version=lambda: None)
    sys.modules[extension.__name__] = extension


def main() -> None:
    folder, num_epochs = Path(sys.argv[1]), int(sys.argv[2])
    if torch.version.cuda is None:
        enable_imports_without_cuda()
    import ludwig
    import pandas as pd
    from ludwig.api import LudwigModel

    train, test = (
        pd.read_csv(folder / name, names=COLUMNS, skipinitialspace=True, na_values="?", skiprows=skipped)
        for name, skipped in (("adult.data", 0), ("adult.test", 1))
    )
    test[TARGET] = test[TARGET].str.rstrip(".")
    inputs = [
        {"name": name, "type": "number" if name in NUMBERS else "category"}
        for name in COLUMNS
        if name not in {SKIPPED, TARGET}
    ]
    trainer = {"epochs": num_epochs, "batch_size": 256, "eval_batch_size": 1024}
    # by default it selects the epoch with the best accuracy averaged over classes, which is one of the first here
    trainer |= {"validation_field": TARGET, "validation_metric": "loss"}
    config = {
        "input_features": inputs,
        "output_features": [{"name": TARGET, "type": "category"}],
        "trainer": trainer,
    }
    model = LudwigModel(config, logging_level=40, backend="local")
    with TemporaryDirectory() as output_dir:
        started = time.perf_counter()
        model.train(dataset=train, output_directory=output_dir, skip_save_processed_input=True)
        fit_seconds = time.perf_counter() - started
    predictions = model.predict(dataset=test, skip_save_predictions=True)[0][f"{TARGET}_predictions"]
    accuracy = float((predictions.astype(str).to_numpy() == test[TARGET].to_numpy()).mean())
    versions = {"ludwig": ludwig.__version__, "torch": torch.__version__}
    print(json.dumps({"fit_seconds": fit_seconds, "accuracy": accuracy, "versions": versions}))


main()
