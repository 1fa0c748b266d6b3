import zipfile

import numpy as np
import pytest

from headrace.data.sources import npz
from headrace.data.sources.npz import list_arrays, list_npz_files, pair_arrays, read_blocks, read_whole
from headrace.errors import DataError


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (
            ["train_images", "train_labels", "val_images", "val_labels"],
            [("train_images", "train"), ("val_images", "val")],
        ),
        (["x_test", "y_test", "x_train", "y_train"], [("x_train", "train"), ("x_test", "test")]),
        (["X", "y"], [("X", None)]),
        (["data", "target", "feature_names"], [("data", None)]),
        (["images", "labels"], [("images", None)]),
    ],
)
def test_names_of_inputs_and_labels(tmp_path, names, pairs):
    np.savez(tmp_path / "x.npz", **{name: np.zeros(2) for name in names})
    found = pair_arrays([tmp_path / "x.npz"], "x")
    assert [(pair.inputs.name, pair.split) for pair in found] == pairs
    assert all(pair.labels is not None for pair in found)


def test_files_of_single_arrays_are_paired_by_their_names(tmp_path):
    for name in ("kmnist-test-imgs", "kmnist-test-labels", "kmnist-train-imgs", "kmnist-train-labels"):
        np.savez(tmp_path / f"{name}.npz", np.zeros(3))
    (tmp_path / "kmnist_classmap.csv").write_text("a,b\n")
    files = list_npz_files(tmp_path)
    pairs = pair_arrays(files, "x")
    assert [(pair.inputs.place, pair.labels.place, pair.split) for pair in pairs] == [
        (f"kmnist-{split}-imgs.npz", f"kmnist-{split}-labels.npz", split) for split in ("train", "test")
    ]


def test_a_folder_with_other_files_is_not_one_of_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros(2))
    for name in "ab":
        (tmp_path / name).mkdir()
    assert list_npz_files(tmp_path) == []
    assert list_npz_files(tmp_path / "x.npz") == [tmp_path / "x.npz"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_are_the_rows(tmp_path, monkeypatch, save, order):
    monkeypatch.setattr(npz, "BLOCK_BYTES", 100)
    values = np.arange(60, dtype=">i4").reshape(20, 3)
    save(tmp_path / "x.npz", x=np.asarray(values, order=order))
    (array,) = list_arrays(tmp_path / "x.npz")
    blocks = list(read_blocks(array))
    assert (np.concatenate(blocks) == values).all()
    assert len(blocks) == (3 if order == "C" else 1)
    assert (read_whole(array) == values).all()


def test_limits(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 8)), f=np.zeros((4, 8), order="F"))
    x, f = list_arrays(tmp_path / "x.npz")
    monkeypatch.setattr(npz, "MAX_ROW_BYTES", 63)
    monkeypatch.setattr(npz, "MAX_WHOLE_BYTES", 255)
    with pytest.raises(DataError, match="'x' has rows of 64 bytes; at most 63 are read"):
        list(read_blocks(x))
    with pytest.raises(DataError, match="'f' has 256 bytes that cannot be read in parts; save it with numpy.ascont"):
        list(read_blocks(f))


def test_a_damaged_member_raises(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.arange(1000))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[4000] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    (array,) = list_arrays(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"x.npz: not readable as an .npz file \(Bad CRC-32"):
        list(read_blocks(array))


def test_pickles_are_never_loaded(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([print], object))
    with pytest.raises(DataError, match="'x' holds pickled Python objects, which can run code and are never loaded"):
        list_arrays(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        archive.writestr("x.npy", b"\x80\x04N.")
    with pytest.raises(DataError, match="y.npz: not readable as an .npz file"):
        list_arrays(tmp_path / "y.npz")
