"""`headrace.load_model`: the registered model for programs, which answers raw rows as the server does."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace.contracts import Json
from headrace.data.image.reading.image_loader import LOAD_LIMITS, ImageLoader
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.prediction.registered_model import RegisteredModel, find_model, open_model
from headrace.storage.bundle import CARD, read_bundle
from headrace.storage.onnx_model import OnnxModel


class LoadedModel:
    """A registered model: its graph, its card, and the code that it was registered with."""

    def __init__(self, model: RegisteredModel, num_threads: int = 0) -> None:
        """Loads the graph; `num_threads` 0 uses every core."""
        self._requests, self._predictor = model.requests, model.load_predictor(num_threads)
        self.version = model.version
        """Name and number, such as `headrace-wine/3`."""
        self.card: Json = model.card
        """What is known of the model: `task`, `modality`, `classes`, `columns`, ..."""

    def predict(self, rows: Any, *, abstain: bool = False, on_invalid: str = "refuse") -> list[dict[str, Any]]:
        """Returns one answer per row, equal to that of the server: `label`, `confidence`, `probabilities`, `version`.

        Args:
            rows: A list of rows (column -> value), a pandas or Arrow table, or lists by column. For images also a list
                of paths or bytes, for texts a list of texts.
            abstain: Adds whether the confidence is not above the threshold.
            on_invalid: `refuse` raises for a row with an invalid cell; `warn` answers it with `warnings`.

        Raises:
            DataError: if a row cannot be answered.
        """
        try:
            parsed = self._requests.read_rows(rows, self._predictor.column)
            if self.card["modality"] == "image":
                parsed = [_read_image(index, row) for index, row in enumerate(parsed)]
            params = self._predictor.read_params({"on_invalid": on_invalid, **({"abstain": True} if abstain else {})})
            answers: list[dict[str, Any]] = self._predictor.answer(parsed, params)
        except ValueError as error:
            if type(error).__name__ != "InvalidRequestError":  # each version has a class of its own
                raise
            raise DataError(str(error)) from None
        for answer in answers:
            answer["version"] = self.version
        return answers


def load_model(where: str | Path | None = None) -> LoadedModel | OnnxModel:
    """Returns a registered model, which takes raw rows: `load_model().predict([{"age": 22, "sex": "male"}])`.

    `where`: None for the version that the project in this folder registered last, a URI of MLflow's registry
    (`models:/NAME@champion`), or the folder of a registered model. The folder of a bundle (`models/trained`) gives its
    exported graph, which takes stored inputs and returns logits. Raises DataError or TrackingError.
    """
    if where is not None and (Path(where) / CARD).is_file():
        return read_bundle(Path(where)).graph()
    with TemporaryDirectory(prefix="headrace-") as scratch:
        name = None if where is None else str(where)
        return LoadedModel(open_model(find_model(name, Paths(Path.cwd()), Path(scratch))))


def _read_image(index: int, row: dict[Any, Any]) -> dict[Any, Any]:
    """Replaces a path by the bytes of its file."""
    cell = row.get("image")
    if not isinstance(cell, str | Path):
        return row
    # the caller's own program gives the path
    limits = LOAD_LIMITS._replace(allow_outside=True, allow_private_addresses=True)
    loaded = ImageLoader(Path.cwd(), limits).load(str(cell))
    if loaded.problem:
        raise DataError(
            f"row {index}, column 'image': {str(cell)!r} cannot be read ({loaded.problem}); correct the path"
        )
    return {**row, "image": loaded.data}
