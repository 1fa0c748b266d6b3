"""Model bundles: weights (safetensors), settings (JSON) and graph (ONNX), without pickles."""

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
class BundleCard:
    """The description of a bundle (`bundle.json`)."""

    training_id: str
    """Hash of data, settings and code; equal for equal trainings."""
    model: Json
    """Name and options, as in `train.model`."""
    spec: Json
    """The Spec of the training data."""
    transform: Json
    """The fitted transform from clean rows to inputs (`transform.json`)."""
    settings: Json
    """The section `train`, with every default and automatic setting resolved."""
    lineage: Json
    """Hash of the data, commit, environment."""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    card: BundleCard

    @property
    def spec(self) -> Spec:
        """The Spec of the training data."""
        return Spec.model_validate(self.card.spec)

    def graph(self, num_threads: int = 0) -> OnnxModel:
        """The exported graph, ready to predict."""
        return OnnxModel(self.folder / GRAPH, num_threads)

    def weights(self) -> dict[str, Tensor]:
        """The state dict of the eager model; raises DataError if its file is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.folder / WEIGHTS
        try:
            return load_file(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; run: dvc repro --force train") from None
        except SafetensorError as error:
            raise DataError(f"{path}: not safetensors ({error}); run: dvc repro --force train") from None


def write_card(folder: Path, card: BundleCard) -> None:
    """Writes `bundle.json` into a bundle's folder."""
    (folder / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")


def write_weights(folder: Path, state: dict[str, Tensor]) -> None:
    """Writes a state dict as safetensors, atomically; tensors are copied to the CPU."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_file(folder / WEIGHTS) as temporary_path:
        temporary_path.touch()
        mode = temporary_path.stat().st_mode  # safetensors replaces the file by one that only its owner can read
        try:
            save_file(
                {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}, temporary_path
            )
        except SafetensorError as error:  # the errno of a full disk is only in its text
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder / WEIGHTS)) from error
        temporary_path.chmod(mode)


def read_bundle(folder: Path) -> Bundle:
    """Opens a bundle; raises DataError if it is missing, damaged or of another format."""
    path = folder / CARD
    try:
        values = json.loads(path.read_bytes())
        version = values.get("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:  # before the keys, which may differ
            raise DataError(f"{path}: format {version}; this version reads {FORMAT_VERSION}; train again")
        card = BundleCard(**values)
        Spec.model_validate(card.spec)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a bundle description ({reason}); run: dvc repro --force train") from None
    return Bundle(folder, card)


def load_spec(folder: str | Path = "data/normalized") -> Spec:
    """Returns the Spec of the data in a stage's folder."""
    return Spec.read(Path(folder))
