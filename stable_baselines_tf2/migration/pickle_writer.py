"""Writes pickles of classes that are not installed: the inverse of `unpickle.parse`."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import numpy as np

from stable_baselines_tf2.files.pickle_tree import NO_STATE, Call, Global, Pairs


class New(Call):
    """An object that is made without calling its class's constructor, and then gets its attributes."""


def dumps(node: object) -> bytes:
    """The pickle (of protocol 4, which Python 3.4 can read) that a tree describes.

    Args:
        node: a tree as `unpickle.parse` gives it; also of arrays, NumPy's numbers and dictionaries.

    Raises:
        TypeError: something else is in it.
    """
    return pickle.PROTO + b"\x04" + _code(node) + pickle.STOP


def _code(node: object) -> bytes:
    match node:
        case None:
            return pickle.NONE
        case bool():
            return pickle.NEWTRUE if node else pickle.NEWFALSE
        case np.ndarray() | np.generic():
            return _code(_array(node))
        case int():
            content = pickle.encode_long(node)
            return pickle.LONG4 + struct.pack("<i", len(content)) + content
        case float():
            return pickle.BINFLOAT + struct.pack(">d", node)
        case str():
            text = node.encode()
            return pickle.BINUNICODE + struct.pack("<I", len(text)) + text
        case bytes():
            return pickle.BINBYTES + struct.pack("<I", len(node)) + node
        case tuple():
            return pickle.MARK + b"".join(map(_code, node)) + pickle.TUPLE
        case Pairs() | dict():
            pairs = node.items() if isinstance(node, dict) else node
            return pickle.EMPTY_DICT + _items(part for pair in pairs for part in pair) + pickle.SETITEMS
        case list():
            return pickle.EMPTY_LIST + _items(node) + pickle.APPENDS
        case Global():
            return _code(node.module) + _code(node.name) + pickle.STACK_GLOBAL
        case Call():
            return _call(node)
    raise TypeError(f"{type(node).__name__} cannot be pickled")


def _items(parts: Any) -> bytes:
    return pickle.MARK + b"".join(map(_code, parts))


def _call(call: Call) -> bytes:
    made = _code(call.function) + _code(call.args) + (pickle.NEWOBJ if isinstance(call, New) else pickle.REDUCE)
    if call.items:
        made += _items(part for pair in call.items for part in pair) + pickle.SETITEMS
    return made if call.state is NO_STATE else made + _code(call.state) + pickle.BUILD


def data_type(dtype: np.dtype) -> Call:
    """A data type as all versions of NumPy pickle it."""
    code, order = dtype.newbyteorder("<").str[1:], "|" if dtype.itemsize == 1 else "<"
    return Call(Global("numpy", "dtype"), (code, 0, 1), (3, order, None, None, None, -1, -1, 0))


def _array(array: np.ndarray | np.generic) -> Call:
    dtype = data_type(array.dtype)
    data = np.asarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    if isinstance(array, np.generic):
        return Call(Global("numpy.core.multiarray", "scalar"), (dtype, data))
    empty = (Global("numpy", "ndarray"), (0,), b"b")
    return Call(Global("numpy.core.multiarray", "_reconstruct"), empty, (1, array.shape, dtype, False, data))
