import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import headrace
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage import checksums
from headrace.storage.bundle import CARD, GRAPH, WEIGHTS, load_spec, read_bundle, write_card, write_weights


def test_read_bundle_reads_the_card(trained: Paths) -> None:
    read = read_bundle(trained.trained_dir)
    assert read.spec.classes == ["cross", "disc", "square"]
    assert read.card.model["name"] == "cnn"
    assert read.card.transform["input_shape"] == [16, 16, 1]
    write_card(trained.trained_dir, read.card)
    assert read_bundle(trained.trained_dir) == read


def test_bundle_contains_no_pickle(trained: Paths) -> None:
    assert {path.name for path in trained.trained_dir.iterdir()} == {CARD, GRAPH, WEIGHTS, checksums.NAME}
    for path in trained.trained_dir.iterdir():
        with pytest.raises(Exception):  # noqa: B017 - the bytes are no pickle at all
            pickle.loads(path.read_bytes())


def test_bundle_of_pickled_weights_is_refused(trained: Paths) -> None:
    torch.save({"a": torch.zeros(3)}, trained.trained_dir / WEIGHTS)
    with pytest.raises(DataError, match=r"weights\.safetensors: not safetensors \(.*\); run: dvc repro --force train$"):
        read_bundle(trained.trained_dir).weights()


def test_weights_have_the_mode_of_their_neighbours(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_weights(tmp_path, {"weight": torch.zeros(1)})
        (tmp_path / "neighbour").touch()
    finally:
        os.umask(before)
    assert (tmp_path / WEIGHTS).stat().st_mode == (tmp_path / "neighbour").stat().st_mode


def test_write_weights_reads_back_bit_for_bit(tmp_path: Path, trained: Paths) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    state = {"a": shared, "b": shared.T, "c": torch.tensor(3, dtype=torch.int64)}
    write_weights(tmp_path, state)
    (tmp_path / CARD).write_text((trained.trained_dir / CARD).read_text())
    read = read_bundle(tmp_path).weights()
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [CARD, WEIGHTS]


@pytest.mark.parametrize("num_bytes", [0, 7, 40, -1])
def test_truncated_weights_raise_one_line(trained: Paths, num_bytes: int) -> None:
    path = trained.trained_dir / WEIGHTS
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(DataError, match=r"^.*weights\.safetensors: not safetensors \(.*\); run: dvc repro .*$"):
        read_bundle(trained.trained_dir).weights()


def test_missing_weights_say_what_to_run(trained: Paths) -> None:
    (trained.trained_dir / WEIGHTS).unlink()
    with pytest.raises(DataError, match=r"weights\.safetensors: no such file; run: dvc repro --force train$"):
        read_bundle(trained.trained_dir).weights()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}", '{"model": 1}', '{"a": 1}', "\u00ff"])
def test_read_bundle_of_a_damaged_card_raises_one_line(trained: Paths, text: str) -> None:
    (trained.trained_dir / CARD).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"^.*bundle\.json: not a bundle description \(.*\); run: dvc repro --force"):
        read_bundle(trained.trained_dir)


@pytest.mark.parametrize(("key", "value"), [("spec", {"modality": "smell"}), ("spec", None), ("extra", 1)])
def test_read_bundle_of_a_card_with_wrong_content_raises_one_line(trained: Paths, key: str, value: object) -> None:
    card = json.loads((trained.trained_dir / CARD).read_text())
    (trained.trained_dir / CARD).write_text(json.dumps(card | {key: value}))
    with pytest.raises(DataError, match=r"^.*bundle\.json: not a bundle description \(.*\); run: dvc repro --force"):
        read_bundle(trained.trained_dir)


def test_read_bundle_of_another_format_says_so(trained: Paths) -> None:
    (trained.trained_dir / CARD).write_text(json.dumps({"format_version": 2, "keys": "others"}))
    with pytest.raises(DataError, match=r"bundle\.json: format 2; this version reads 1; train again$"):
        read_bundle(trained.trained_dir)


def test_read_bundle_that_is_missing_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bundle\.json: no such file; run the stages before this one: dvc repro$"):
        read_bundle(tmp_path)


def test_graph_of_a_bundle_predicts_from_raw_pixels(trained: Paths) -> None:
    inputs = np.load(trained.normalized_dir / "val" / "inputs.npy")
    targets = np.load(trained.normalized_dir / "val" / "targets.npy")
    logits = read_bundle(trained.trained_dir).graph().predict(inputs)
    assert (logits.argmax(axis=1) == targets).mean() > 0.9


def test_load_spec_reads_the_folder_of_a_stage(trained: Paths) -> None:
    assert headrace.load_spec is load_spec
    assert headrace.load_spec(str(trained.normalized_dir)).input_shape == [16, 16, 1]


def test_package_of_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        _ = headrace.load_modle
