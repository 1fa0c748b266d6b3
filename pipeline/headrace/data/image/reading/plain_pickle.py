"""Pickles of plain values and NumPy arrays, read without unpickling: nothing that a file names is imported or called.

Published sets (CIFAR) are pickles, and unpickling runs whatever code a file asks for. Here its instructions are walked
with `pickletools.genops`, which only parses; those that plain values need are followed, any other is refused. A call is
followed only where it is one that NumPy writes, and then what it would do is done here.
Instructions: https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import pickletools
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NUMBER_KIND = re.compile(r"[ui][1248]|b1")


class NotPlainError(Exception):
    """A file is no pickle, a damaged one, or one that asks for more than plain values; the message says which."""


class _Name(NamedTuple):
    """Something that a pickle asks to import; it never is."""

    text: str


class _Kind:
    """A dtype: what it says of itself."""

    def __init__(self, code: str) -> None:
        if NUMBER_KIND.fullmatch(code) is None:
            raise NotPlainError("it holds an array of no whole numbers")
        self.code, self.order = code, "="


class _Array:
    """An array that may not have been filled yet."""

    def __init__(self) -> None:
        self.values: NDArray[Any] | None = None

    def fill(self, shape: tuple[int, ...], kind: _Kind, data: bytes | bytearray, order: str) -> None:

        dtype = np.dtype(kind.code).newbyteorder("=" if kind.order == "|" else kind.order)  # type: ignore[arg-type]
        self.values = np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def read_plain(data: bytes) -> dict[str, Any]:
    """The dictionary that a pickle (protocol 0 to 5) holds: str, int, list, tuple, dict and arrays of whole numbers.

    Byte strings come out as str (Latin-1), as they do from a Python 2 that wrote them. Raises NotPlainError.
    """
    machine = _Machine(most_bytes=2 * len(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in a damaged file, which is refused or not
            for opcode, argument, _ in pickletools.genops(data):
                machine.follow(opcode.name, argument)
        return machine.result()
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError) as error:
        # the reader's own words for damaged bytes; they may quote the file, so they are kept short and on one line
        raise NotPlainError(f"it is damaged, or no pickle: {' '.join(str(error).split())[:80]}") from None


def _finished(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.values is None:
            raise NotPlainError("it holds an array without values")
        return value.values
    return value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):  # a tuple nested a million deep would end the process when it is hashed
        raise NotPlainError("it holds a dictionary whose keys are no strings")
    return value


class _Machine:
    """The stack and the memo of a pickle, and the instructions that are followed."""

    def __init__(self, most_bytes: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.bytes_left = most_bytes

    def follow(self, name: str, argument: Any) -> None:
        """Does what one instruction asks; raises NotPlainError for one that plain values do not need."""
        if name in VALUES:
            self.stack.append(argument)
        elif name in MAKERS:
            self.stack.append(MAKERS[name]())
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in STEPS:
            STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise NotPlainError(f"it asks for {name}, which plain values do not need")

    def result(self) -> dict[str, Any]:
        """What the pickle holds, once it has been followed to its end."""
        values = self.stack.pop()
        if not isinstance(values, dict):
            raise NotPlainError("it holds no dictionary")
        return {key: _finished(value) for key, value in values.items()}

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def pop_to_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise NotPlainError("it takes more than it has put down")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def make_list(self, _: Any) -> None:
        self.stack.append(self.pop_to_mark())

    def make_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def make_dict(self, _: Any) -> None:
        self._store({}, self.pop_to_mark())

    def append(self, _: Any) -> None:
        self._extend(self.pop(1))

    def appends(self, _: Any) -> None:
        self._extend(self.pop_to_mark())

    def set_item(self, _: Any) -> None:
        items = self.pop(2)
        self._store(self.stack.pop(), items)

    def set_items(self, _: Any) -> None:
        items = self.pop_to_mark()
        self._store(self.stack.pop(), items)

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise NotPlainError("it appends to what is no list")
        self.stack[-1].extend(values)

    def _store(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict):
            raise NotPlainError("it stores items in what is no dictionary")
        target.update(zip(map(_text, items[::2]), items[1::2], strict=True))
        self.stack.append(target)

    def import_name(self, argument: str) -> None:
        self._name(argument.replace(" ", "."))

    def import_from_stack(self, _: Any) -> None:
        self._name(".".join(map(_text, self.pop(2))))

    def _name(self, text: str) -> None:
        if text not in CALLS and text != "numpy.ndarray":
            shown = text if re.fullmatch(r"[\w.]{1,60}", text, re.ASCII) else "what is no module's name"
            raise NotPlainError(f"it asks to import {shown}, which plain values do not need: it may be hostile")
        self.stack.append(_Name(text))

    def call(self, _: Any) -> None:
        name, arguments = self.pop(2)
        if not isinstance(name, _Name) or name.text not in CALLS or not isinstance(arguments, tuple):
            raise NotPlainError("it asks for a call that arrays do not need: it may be hostile")
        self.stack.append(CALLS[name.text](self, *arguments))

    def build(self, _: Any) -> None:
        target, state = self.pop(2)
        self.stack.append(target)
        if isinstance(target, _Kind):
            target.order = state[1] if state[1] in ("<", ">", "|") else "="
        elif isinstance(target, _Array):
            _, shape, kind, is_fortran, data = state
            target.fill(shape, kind, self.encoded(data), "F" if is_fortran else "C")
        else:
            raise NotPlainError("it sets the attributes of an object, which plain values are not")

    def encoded(self, text: Any, encoding: str = "latin-1") -> bytes:
        """`text` as bytes, once: a long text named again and again would fill the memory."""
        if encoding not in ("latin1", "latin-1"):
            raise NotPlainError("it encodes text otherwise than NumPy does")
        self.bytes_left -= len(text)
        if self.bytes_left < 0:
            raise NotPlainError("it holds more bytes than its size allows: it may be hostile")
        return text.encode("latin-1") if isinstance(text, str) else bytes(text)

    def made_array(self, *_: Any) -> _Array:
        return _Array()

    def made_kind(self, code: Any, *_: Any) -> _Kind:
        return _Kind(_text(code))

    def filled_array(self, data: Any, kind: Any, shape: Any, order: Any) -> _Array:
        array = _Array()
        array.fill(shape, kind, data, _text(order))
        return array


VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE"}
    | {"BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
MAKERS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MEMOIZE": _Machine.memoize,
    "MARK": _Machine.mark,
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.pop(3))),
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.import_name,
    "STACK_GLOBAL": _Machine.import_from_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
CALLS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _Machine.made_array,
    "numpy._core.multiarray._reconstruct": _Machine.made_array,
    "numpy.core.numeric._frombuffer": _Machine.filled_array,
    "numpy._core.numeric._frombuffer": _Machine.filled_array,
    "numpy.dtype": _Machine.made_kind,
    "_codecs.encode": _Machine.encoded,
}
"""What is called in a pickle of arrays, by NumPy 1 and 2 -> what is done instead."""
