"""Pickles of plain values come out as `pickle.loads` has them; whatever else one asks for is refused, and never run."""

import builtins
import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.image.reading.plain_pickle import NotPlainError, read_plain

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
# as Python 2 with NumPy 1 wrote the published files: byte strings, and the array's bytes as one of them
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x04testq\x03U\x06labelsq\x04]q\x05(K\x06K\te"
    b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
    b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89U\x06\x00\x01\x7f\x80\xfe\xfftbu."
)


class Asks:
    """Unpickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def problem(data):
    """Why a pickle is refused, or nothing where it holds plain values; any other exception passes."""
    try:
        values = read_plain(data)
    except NotPlainError as error:
        return str(error)
    assert all(type(key) is str for key in values)
    return ""


@settings(max_examples=60, deadline=None)
@given(values=st.dictionaries(st.text(), PLAIN), protocol=st.integers(0, 5))
def test_plain_values_come_out_as_they_went_in(values, protocol):
    assert read_plain(pickle.dumps(values, protocol)) == values


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["u1", "<i8", ">i4", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_out_as_they_went_in(protocol, kind, order):
    array = np.asarray(np.arange(12).reshape(3, 4) % 2 * 100, dtype=kind, order=order)
    made = read_plain(pickle.dumps({b"data": array, b"again": array}, protocol))
    assert (made["data"] == array).all()
    assert made["data"].dtype == array.dtype
    assert (made["again"] == array).all()


def test_a_file_of_python_2_is_read():
    made = read_plain(PYTHON_2)
    assert made["batch_label"] == "test"
    assert made["labels"] == [6, 9]
    assert made["data"].tolist() == [[0, 1, 127], [128, 254, 255]]
    theirs = pickle.loads(PYTHON_2, encoding="latin1")["data"]
    assert theirs.tolist() == made["data"].tolist()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["value", "key", "in a list", "array's data", "alone"])
def test_a_command_is_never_run(tmp_path, monkeypatch, protocol, place):
    monkeypatch.chdir(tmp_path)
    asks = Asks(os.system, "touch ran")
    hostile = {
        "value": {"data": asks},
        "key": {asks: 1},
        "in a list": {"labels": [1, [asks]]},
        "array's data": {"data": Asks(np.zeros, asks)},
        "alone": asks,
    }[place]
    data = pickle.dumps(hostile, protocol)
    with suppress(TypeError, ValueError):
        pickle.loads(data)  # it is really hostile
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    with pytest.raises(NotPlainError, match="it asks to import (posix|nt|os|numpy)"):
        read_plain(data)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"a": Asks(eval, "1+1")}),
        pickle.dumps({"a": builtins.eval}),
        pickle.dumps({"a": Asks(np.load, "x.npy")}),
        pickle.dumps({"a": np.ndarray((2,), np.dtype("O"))}),  # whose elements are pickled objects
        pickle.dumps({"a": np.dtype([("x", "u1")])}),
        b"cnumpy\nload\n.",
        b"cnumpy.core\nmultiarray._reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__class__\x93.",
        b"(S'numpy'\nios\nsystem\n.",  # INST, without GLOBAL
        b"\x82\x01.",  # EXT1: the registry of extensions
        b"Psomewhere\n.",  # PERSID: an object elsewhere
        b"cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"cnumpy\nndarray\n)R.",  # a call of what may only be named
        b"cnumpy\ndtype\n(S'u1'\ntR(dS'a'\nI1\nsb.",  # BUILD with a dictionary
        b"c_codecs\nencode\n}b.",  # BUILD of a function
        b"c_codecs\nencode\n(Va\nVutf-7\ntR.",
        b"]}b.",
        b"}(]I1\nu.",  # a key that is no string
        b"\x80\x02}(X\x01\x00\x00\x00a.",  # a mark that is never closed: nothing comes out
        b"0.", b"t.", b"\x85.", b"R.", b"h\x07.", b".", b"", b"}", b"e.", b"]I1\n.", b"no pickle at all", b"\xff" * 20,
    ],
)  # fmt: skip
def test_other_pickles_are_refused_in_one_line(data):
    with pytest.raises(NotPlainError) as told:
        read_plain(data)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 200


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60) | st.binary(max_size=30).map(lambda tail: PYTHON_2[:120] + tail))
def test_no_bytes_whatsoever_do_worse_than_a_refusal(data):
    assert "\n" not in problem(data)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(PYTHON_2) - 1), value=st.integers(0, 255))
def test_a_changed_byte_does_no_worse_than_a_refusal(place, value):
    assert "\n" not in problem(PYTHON_2[:place] + bytes([value]) + PYTHON_2[place + 1 :])


def test_a_text_encoded_again_and_again_does_not_fill_the_memory():
    text = b"X" + struct.pack("<I", 1000) + b"a" * 1000
    again = b"h\x01h\x02h\x03\x86R"
    data = b"\x80\x02}X\x01\x00\x00\x00k](c_codecs\nencode\nq\x01" + text + b"q\x02X\x06\x00\x00\x00latin1q\x03"
    with pytest.raises(NotPlainError, match="more bytes than its size allows"):
        read_plain(data + again * 1000 + b"es.")


@pytest.mark.slow
def test_a_key_nested_a_million_deep_does_not_end_the_process():
    with pytest.raises(NotPlainError, match="keys are no strings"):
        read_plain(b"\x80\x02})" + b"\x85" * 1_000_000 + b"I1\ns.")


def test_a_place_in_the_memo_far_out_costs_nothing():
    assert read_plain(b"\x80\x02}r\xff\xff\xff\xff.") == {}
