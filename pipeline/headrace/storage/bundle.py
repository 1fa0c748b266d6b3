"""A model's bundle: weights (safetensors), settings (JSON) and graph (ONNX). Nothing in it has to be unpickled."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.contracts import Json, Spec
from headrace.errors import DataError
from headrace.storage.atomic import atomic_file
from headrace.storage.onnx_model import OnnxModel

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
GRAPH, WEIGHTS, CARD = "model.onnx", "weights.safetensors", "bundle.json"


@dataclass(frozen=True)
class Card:
    """What a bundle says of itself (`bundle.json`)."""

    training_id: str
    """Hash of data, settings and code: the same training has the same id."""
    model: Json
    """Name and options, as in `train.model`."""
    spec: Json
    """The Spec of the data it was trained on."""
    transform: Json
    """How raw rows become inputs (`transform.json`)."""
    settings: Json
    """The section `train`, as it was used."""
    lineage: Json
    """Hash of the data, commit, environment."""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    card: Card

    @property
    def spec(self) -> Spec:
        """What the training data said of themselves."""
        return Spec.model_validate(self.card.spec)

    def graph(self, num_threads: int = 0) -> OnnxModel:
        """The exported graph, ready to predict."""
        return OnnxModel(self.folder / GRAPH, num_threads)

    def weights(self) -> dict[str, Tensor]:
        """The state dict of the eager model; raises DataError when its file is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.folder / WEIGHTS
        try:
            return load_file(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; run: dvc repro --force train") from None
        except SafetensorError as error:
            raise DataError(f"{path}: not safetensors ({error}); run: dvc repro --force train") from None


def write_card(folder: Path, card: Card) -> None:
    """Writes `bundle.json` into a bundle's folder."""
    (folder / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")


def write_weights(folder: Path, state: dict[str, Tensor]) -> None:
    """Writes a state dict as safetensors, atomically (each tensor on its own, contiguous, on the CPU)."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_file(folder / WEIGHTS) as aside:
        try:
            save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}, aside)
        except SafetensorError as error:  # a full disk, among others: it hides the system's number in its text
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder / WEIGHTS)) from error


def read_bundle(folder: Path) -> Bundle:
    """Opens a bundle; raises DataError when it is missing, damaged or of another format."""
    path = folder / CARD
    try:
        values = json.loads(path.read_bytes())
        version = values.get("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:  # before its keys, which may be others
            raise DataError(f"{path}: format {version}; this version reads {FORMAT_VERSION}; train again")
        card = Card(**values)
        Spec.model_validate(card.spec)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a bundle's card ({reason}); run: dvc repro --force train") from None
    return Bundle(folder, card)


def load_model(folder: str | Path = "models/trained") -> OnnxModel:
    """The exported model of a bundle: `load_model().predict(uint8 images)` gives logits."""
    return read_bundle(Path(folder)).graph()


def load_spec(folder: str | Path = "data/normalized") -> Spec:
    """What the data of a stage's folder say of themselves."""
    return Spec.read(Path(folder))
