import os
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.image.reading.cifar_pickle import LARGEST_PUBLISHED_BYTES, load_cifar_pickle
from headrace.errors import DataError
from tests.published import dump_python2

# the structure of the published file of train rows, opcode by opcode, with two rows
PUBLISHED = (
    b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05(K\x06K\te"
    b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
    b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89U\x06\x00\x01\x7f\x80\xfe\xfftbu."
)


@pytest.fixture
def load(tmp_path):
    def load_bytes(data):
        path = tmp_path / "data_batch_1"
        path.write_bytes(data)
        return load_cifar_pickle(path)

    return load_bytes


class Calls:
    """Unpickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_published_structure_is_read(load):
    values = load(PUBLISHED)
    assert values[b"batch_label"] == b"training batch 1 of 5"
    assert values[b"labels"] == [6, 9]
    assert values[b"data"].tolist() == [[0, 1, 127], [128, 254, 255]]
    assert values[b"data"].tolist() == pickle.loads(PUBLISHED, encoding="bytes")[b"data"].tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_either_order_are_read(load, order):
    array = np.asarray(np.arange(300).reshape(3, 100) % 256, np.uint8, order=order)
    assert (load(dump_python2({"data": array}))[b"data"] == array).all()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["value", "key", "in a list", "alone"])
def test_a_command_is_refused_and_never_run(tmp_path, monkeypatch, load, protocol, place):
    monkeypatch.chdir(tmp_path)
    command = Calls(os.system, "touch ran")
    values = {"value": {1: command}, "key": {command: 1}, "in a list": {1: [2, command]}, "alone": command}
    data = pickle.dumps(values[place], protocol)
    pickle.loads(data)
    assert (tmp_path / "ran").exists()  # the command is real
    (tmp_path / "ran").unlink()
    with pytest.raises(DataError, match=r"data_batch_1: names 'posix.system', which no published file does"):
        load(data)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (dump_python2({"a": print}), "builtins.print"),
        (dump_python2({"a": Calls(os.getcwd)}), "posix.getcwd"),
        (dump_python2({"a": Calls(np.load, "x.npy")}), "numpy.load"),
        (pickle.dumps({b"a": np.zeros(2, np.uint8)}, 2), "_codecs.encode"),
        (pickle.dumps(np.zeros(2, np.uint8), 4), "numpy._core.multiarray._reconstruct"),
        (b"(S'ls'\nios\nsystem\n.", "os.system"),  # INST, without GLOBAL
        (b"cnumpy.core\nmultiarray._reconstruct.__globals__\n.", "numpy.core.multiarray._reconstruct.__globals__"),
        (b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.", "numpy.ndarray.__class__"),
        (b"\x80\x04\x8c\x01\n\x8c\x03\xc3\xa9\n\x93.", r"\n.\xe9\n"),
    ],
)
def test_a_foreign_global_is_refused_by_name(load, data, name):
    with pytest.raises(DataError) as caught:
        load(data)
    assert f"names '{name}', which no published file does: it may be hostile; " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"Psomewhere\n.", "persistent id"),
        (b"\x80\x02U\x01aQ.", "persistent id"),
        (b"\x82\x01.", "damaged, or not a pickle (KeyError)"),  # EXT1: the registry of extensions
        (b"\x96" + b"\xff" * 8 + b".", "damaged, or not a pickle (KeyError)"),  # BYTEARRAY8
        (dump_python2({"a": np.array([1, 2], "<i8")}), "has an array that is not of type uint8"),
        (dump_python2({"a": np.array([[1], "x"], "O")}), "has an array that is not of type uint8"),
        (PUBLISHED.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"), "damaged"),  # another shape than the data have
        (b"cnumpy\nndarray\n}S'x'\nI1\nsb.", "damaged"),  # BUILD of a stand-in itself
        (PUBLISHED[:-30], "damaged"),
        (b"", "damaged"),
        (b"<!DOCTYPE html>", "damaged"),
        (b"\xff" * 20, "damaged"),
        (dump_python2(["airplane"]), "does not hold a dictionary with byte strings as keys"),
        (pickle.dumps({"labels": [1]}, 2), "does not hold a dictionary with byte strings as keys"),
    ],
)
def test_other_files_are_refused_in_one_line(load, data, problem):
    with pytest.raises(DataError) as caught:
        load(data)
    assert problem in str(caught.value)
    assert str(caught.value).endswith("; fetch the file again")
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(position=st.integers(0, len(PUBLISHED) - 1), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_in_one_line(tmp_path_factory, position, value):
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(PUBLISHED[:position] + bytes([value]) + PUBLISHED[position + 1 :])
    try:
        values = load_cifar_pickle(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert all(isinstance(key, bytes) for key in values)


def test_a_file_of_more_than_twice_the_largest_published_size_is_not_read(tmp_path):
    with (tmp_path / "train").open("wb") as file:
        file.truncate(2 * LARGEST_PUBLISHED_BYTES + 1)
    with pytest.raises(DataError, match="train: has 310499837 bytes; at most 310499836 are read; use the bin"):
        load_cifar_pickle(tmp_path / "train")


def test_memory_does_not_grow_with_the_numbers_that_a_file_names(tmp_path):
    """The C unpickler reserves room for the largest index of its memo; 100,000 would be 800 kB."""
    (tmp_path / "train").write_bytes(b"}r" + (100_000).to_bytes(4, "little") + b".")
    tracemalloc.start()
    assert load_cifar_pickle(tmp_path / "train") == {}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000
