"""Pickles of Stable Baselines, read without executing anything.

`parse` turns a pickle into a tree in which classes and functions are only names (`Global`) and what the pickle wants
to call is only noted (`Call`); Python's own unpickler has no part in it. `Builder` then makes those objects that the
rules at the end of this module list, each by a function written for it. `loads` does both and refuses the rest by name.

Schedules and some activation functions were stored as functions, by value. They are recognised by their bytecode,
which is compared but never run, and their number is taken from the closure or the constants.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

import numpy as np
from gymnasium import spaces

from stable_baselines_tf2.common.noise import noise_from_dict
from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction
from stable_baselines_tf2.common.spaces import KINDS, space_from_dict

PACKAGE = __name__.split(".")[0]
MAX_DEPTH = 64  # of objects within objects; model files have about ten
MAX_NAME = 200  # characters of a module or class
SHARED_PARTS = 100_000  # parts beyond one for each byte: how much repeated references may unfold to


class UnsafePickle(ValueError):
    """A pickle is damaged, or holds something that cannot be restored without executing code from it.

    Attributes:
        node: what cannot be restored, as `parse` gives it, where that is of use.
    """

    node: Any = None


# ---------------------------------------------------------------- the tree
@dataclasses.dataclass(frozen=True)
class Global:
    """A class or function that a pickle names."""

    module: str
    name: str

    @functools.cached_property
    def path(self) -> str:
        """Dotted name, in the spelling that the rules use: several libraries moved their modules over time."""
        path = f"{self.module}.{self.name}"
        for prefix, older in _MOVED.items():
            if path.startswith(prefix):
                return older + path[len(prefix) :]
        return path


_MOVED = {
    "__builtin__.": "builtins.",  # protocol 2 uses Python 2's names
    "gymnasium.": "gym.",
    "numpy._core.": "numpy.core.",
    "cloudpickle.cloudpickle_fast.": "cloudpickle.cloudpickle.",
    "stable_baselines.ddpg.noise.": "stable_baselines.common.noise.",
    f"{PACKAGE}.": "stable_baselines.",
}

NO_STATE = object()


@dataclasses.dataclass(eq=False, slots=True)
class Call:
    """An object that a pickle makes by a call, and what it puts into it afterwards."""

    function: Any
    args: Any
    state: Any = NO_STATE
    items: list[Any] = dataclasses.field(default_factory=list)

    @property
    def path(self) -> str:
        """Dotted name of what is called; empty where that is no name."""
        return self.function.path if isinstance(self.function, Global) else ""


class Pairs(list[tuple[Any, Any]]):
    """Keys and values of a dictionary."""


class Parsed(NamedTuple):
    """A pickle as a tree of None, bool, int, float, str, bytes, list, tuple, `Pairs`, `Global` and `Call`."""

    root: Any
    names: tuple[Global, ...]  # everything it refers to, used or not


def parse(content: bytes) -> Parsed:
    """The tree of a pickle of protocol 2 to 5; nothing is imported or called.

    Raises:
        UnsafePickle: it is damaged, or uses what no model file needs (persistent ids, extension codes, buffers).
    """
    machine = _Machine()
    try:
        for position, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if position == 0 and (opcode.name != "PROTO" or argument not in range(2, 6)):
                raise UnsafePickle("it is no pickle of protocol 2 to 5")
            machine.step(opcode.name, argument)
        return Parsed(machine.stack.pop(), tuple(machine.names))
    except UnsafePickle:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, Warning) as error:
        raise UnsafePickle(f"it is damaged: {_shown(error)}") from error


class _Machine:
    """The stack machine for which a pickle is the program, with notes in place of deeds."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.names: dict[Global, None] = {}  # an ordered set

    def step(self, name: str, argument: Any) -> None:
        push = self.stack.append
        match name:
            case "BINGET" | "LONG_BINGET":
                push(self.memo[argument])
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "LONG4" | "BINFLOAT":
                push(argument)
            case "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8" | "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8":
                push(argument)
            case "BYTEARRAY8":
                push(bytes(argument))
            case "NONE":
                push(None)
            case "NEWTRUE" | "NEWFALSE":
                push(name == "NEWTRUE")
            case "MARK":
                self.outer.append(self.stack)
                self.stack = []
            case "EMPTY_TUPLE":
                push(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(self._take(int(name[-1]))))
            case "TUPLE":
                items = self._since_mark()
                self.stack.append(tuple(items))
            case "EMPTY_LIST":
                push([])
            case "APPEND":
                self._extend(self._take(1))
            case "APPENDS":
                self._extend(self._since_mark())
            case "EMPTY_DICT":
                push(Pairs())
            case "SETITEM":
                self._set_items(self._take(2))
            case "SETITEMS":
                self._set_items(self._since_mark())
            case "EMPTY_SET":
                push(Call(Global("builtins", "set"), ([],)))
            case "ADDITEMS":
                items = self._since_mark()
                self._call().items.extend(items)
            case "FROZENSET":
                items = self._since_mark()
                self.stack.append(Call(Global("builtins", "frozenset"), (items,)))
            case "GLOBAL":
                self._name(*argument.split(" "))
            case "STACK_GLOBAL":
                self._name(*self._take(2))
            case "REDUCE" | "NEWOBJ":
                self._note_call(*self._take(2))
            case "NEWOBJ_EX":
                function, args, keywords = self._take(3)
                if keywords:
                    raise UnsafePickle(f"it calls {shown_name(function)} with keywords")
                self._note_call(function, args)
            case "BUILD":
                (state,) = self._take(1)
                self._set_state(self._call(), state)
            case "POP":
                self._take(1)
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                push(self.stack[-1])
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _:
                raise UnsafePickle(f"it uses {name}, which no model file needs")

    def _take(self, number: int) -> list[Any]:
        if len(self.stack) < number:
            raise IndexError("the stack is empty")
        taken = self.stack[-number:]
        del self.stack[-number:]
        return taken

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def _call(self) -> Call:
        if not isinstance(self.stack[-1], Call):
            raise UnsafePickle(f"it changes {shown_name(self.stack[-1])}")
        return self.stack[-1]

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        (target if type(target) is list else self._call().items).extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        pairs = zip(items[::2], items[1::2], strict=True)
        (target if isinstance(target, Pairs) else self._call().items).extend(pairs)

    def _name(self, module: str, name: str) -> None:
        if not all(isinstance(part, str) and len(part) <= MAX_NAME for part in (module, name)):
            raise UnsafePickle("it refers to a class or function by something that is no name")
        reference = Global(module, name)
        self.names[reference] = None
        self.stack.append(reference)

    def _note_call(self, function: Any, args: Any) -> None:
        if not isinstance(function, Global | Call) or type(args) is not tuple:
            raise UnsafePickle(f"it calls {shown_name(function)}")
        call = Call(function, args)
        if call.path in _SETTERS:  # its result is dropped from the stack: what counts is what it does to its argument
            target, state = args
            if not isinstance(target, Call):
                raise UnsafePickle(f"it changes {shown_name(target)}")
            self._set_state(target, state)
            call = target
        self.stack.append(call)

    @staticmethod
    def _set_state(target: Call, state: Any) -> None:
        if target.state is not NO_STATE:
            raise UnsafePickle(f"it sets the state of {shown_name(target)} twice")
        target.state = state


_SETTERS = ("cloudpickle.cloudpickle._function_setstate", "cloudpickle.cloudpickle._class_setstate")


def _shown(text: object) -> str:
    """A text of a file, fit for an error message."""
    shown = ascii(str(text))[1:-1]
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


def shown_name(node: Any) -> str:
    """What a part of the tree is, fit for an error message."""
    made = isinstance(node, Call)
    while isinstance(node, Call):
        node = node.function
    name = (
        _shown(f"{node.module}.{node.name}") if isinstance(node, Global) else f"an object of type {type(node).__name__}"
    )
    return f"an object of {name}" if made else name


# ---------------------------------------------------------------- making the objects
@dataclasses.dataclass(frozen=True)
class Placeholder:
    """Stands for an object of the original that is not restored; it can do nothing.

    Attributes:
        name: dotted name of its class.
        state: its attributes, for the few classes of which they matter.
    """

    name: str
    state: dict[str, Any] | None = None


_COMPOSITE = (list, tuple, dict, set, frozenset, spaces.Dict, spaces.Tuple, Placeholder)


class Builder:
    """Makes objects of a parsed pickle.

    Args:
        max_parts: how many parts may be made altogether; an object that is referred to many times counts as often, so
            that a small file cannot stand for something huge.
        resolve: look up classes and functions of this package and of TensorFlow; False leaves them as `Placeholder`,
            for who only wants to know what a file holds.
    """

    def __init__(self, max_parts: int, resolve: bool = True) -> None:
        self.parts_left = max_parts
        self.resolve = resolve
        self._depth = 0
        self._made: dict[int, Any] = {}  # objects without parts, by the identity of their description

    def build(self, node: Any) -> Any:
        """The object that a part of the tree describes.

        Raises:
            UnsafePickle: it cannot be made safely; the message names it.
        """
        self._count(1)
        if node is None or isinstance(node, bool | int | float | str | bytes):
            return node
        if id(node) in self._made:
            return self._made[id(node)]
        if self._depth >= MAX_DEPTH:
            raise UnsafePickle(f"it is nested more than {MAX_DEPTH} levels deep")
        self._depth += 1
        try:
            value = self._make(node)
        finally:
            self._depth -= 1
        if not isinstance(value, _COMPOSITE):
            self._made[id(node)] = value
        return value

    def _count(self, parts: int) -> None:
        self.parts_left -= parts
        if self.parts_left < 0:
            raise UnsafePickle("it is much larger than the file")

    def _make(self, node: Any) -> Any:
        if isinstance(node, Pairs):
            return dict(self.pairs(node))
        if isinstance(node, list):
            return [self.build(part) for part in node]
        if isinstance(node, tuple):
            return tuple(self.build(part) for part in node)
        rule = _rule(node) if isinstance(node, Global | Call) else None
        make = rule and (rule.call if isinstance(node, Call) else rule.name)
        if not make:
            raise UnsafePickle(f"it holds {shown_name(node)}, which is not among what is restored")
        try:
            return make(self, node)
        except UnsafePickle:
            raise
        except Exception as error:  # constructors of other libraries have their own ways to refuse arguments
            raise UnsafePickle(f"{shown_name(node)} is damaged: {_shown(error)}") from error

    def pairs(self, pairs: Iterable[Any]) -> list[tuple[Any, Any]]:
        """Keys and values, built."""
        return [(self.key(key), self.build(value)) for key, value in pairs]

    def key(self, node: Any) -> Any:
        """A key of a dictionary or member of a set: plain values only, and no numbers made to collide."""
        self._count(1)
        if node is None or isinstance(node, str | bytes) or (isinstance(node, int) and node.bit_length() < 64):
            return node
        raise UnsafePickle(f"{shown_name(node)} is used as a key")

    def entries(self, node: Any) -> dict[str, Any]:
        """Keys and values of a dictionary in the tree, not built; empty where it is none."""
        if not isinstance(node, Pairs):
            return {}
        self._count(len(node))
        return {key: value for key, value in node if isinstance(key, str)}

    def attributes(self, call: Call) -> dict[str, Any]:
        """The attributes that an object gets."""
        if not isinstance(call.state, Pairs) or not all(isinstance(key, str) for key, _ in call.state):
            raise UnsafePickle(f"{shown_name(call)} has no attributes")
        return dict(self.pairs(call.state))


def loads(content: bytes, resolve: bool = True) -> Any:
    """The object in a pickle of Stable Baselines, made without executing anything from the pickle.

    Args:
        content: the pickle, of protocol 2 to 5.
        resolve: see `Builder`.

    Raises:
        UnsafePickle: it is damaged, or refers to anything that is not on this module's list.
    """
    parsed = parse(content)
    try:
        value = Builder(len(content) + SHARED_PARTS, resolve).build(parsed.root)
    except UnsafePickle as error:
        error.node = parsed.root
        raise
    for name in unknown_names(parsed):  # also what was not needed
        raise UnsafePickle(f"it refers to {name}, which is not among what is restored")
    return value


def unknown_names(parsed: Parsed) -> list[str]:
    """What a pickle refers to that no rule knows."""
    return [shown_name(name) for name in parsed.names if _rule(name) is None]


# ---------------------------------------------------------------- NumPy
_NUMBERS = re.compile(r"[biufc]\d{1,2}|O[48]")


def _numpy_type(_: Builder, name: Global) -> Any:
    return getattr(np, name.name)


def _dtype(builder: Builder, call: Call) -> np.dtype:
    code = builder.build(call.args[0])
    if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
        raise UnsafePickle(f"it holds arrays of type {_shown(code)}; only numbers are restored")
    if call.state is NO_STATE:
        return np.dtype(code)
    _, order, *structure = builder.build(call.state)[:5]
    if order not in ("<", ">", "|", "=") or any(structure):
        raise UnsafePickle("it holds arrays of structures; only numbers are restored")
    return np.dtype(code).newbyteorder(order)


def _from_bytes(shape: Any, dtype: Any, data: Any, fortran: bool = False) -> np.ndarray:
    if isinstance(dtype, np.dtype) and dtype.hasobject:
        if not isinstance(data, list) or min(shape, default=0) < 0 or math.prod(shape) != len(data):
            raise UnsafePickle("an array of objects in it is not made of objects")
        objects = np.empty(len(data), object)
        for i, item in enumerate(data):  # assigned at once, a list of arrays would become one array
            objects[i] = item
        return objects.reshape(shape, order="F" if fortran else "C")
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes):
        raise UnsafePickle("an array in it is not made of numbers")
    if (
        len(shape) > 32
        or not all(0 <= size < 2**63 for size in shape)
        or math.prod(shape) * dtype.itemsize != len(data)
    ):
        raise UnsafePickle(f"an array of shape {_shown(shape)} in it has {len(data)} bytes")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C").copy("K")


def _array(builder: Builder, call: Call) -> np.ndarray:
    _, shape, dtype, fortran, data = builder.build(call.state)
    return _from_bytes(shape, dtype, data, fortran)


def _array_from_buffer(builder: Builder, call: Call) -> np.ndarray:
    data, dtype, shape, order = builder.build(call.args)
    return _from_bytes(shape, dtype, data, order == "F")


def _scalar(builder: Builder, call: Call) -> Any:
    dtype, data = builder.build(call.args)
    return _from_bytes((), dtype, data)[()]


def _latin1(builder: Builder, call: Call) -> bytes:
    """Bytes as protocol 2 writes them."""
    text, encoding = builder.build(call.args)
    if encoding != "latin1":
        raise UnsafePickle(f"it encodes text as {_shown(encoding)}")
    return text.encode("latin1")


def _no_bytes(_: Builder, call: Call) -> bytes:
    """The same, where there are none."""
    if call.args:
        raise UnsafePickle("it makes bytes of something")
    return b""


# ---------------------------------------------------------------- containers
def _ordered_dict(builder: Builder, call: Call) -> OrderedDict[Any, Any]:
    return OrderedDict(builder.pairs([*(call.args[0] if call.args else ()), *call.items]))


def _set(builder: Builder, call: Call) -> Any:
    members = {builder.key(member) for member in [*(call.args[0] if call.args else ()), *call.items]}
    return members if call.function.name == "set" else frozenset(members)


# ---------------------------------------------------------------- spaces, noise, statistics
def _space(builder: Builder, call: Call) -> spaces.Space:
    kind, attributes = call.function.name, builder.attributes(call)
    if kind == "Dict":
        return spaces.Dict(OrderedDict(attributes["spaces"]))
    if kind == "Tuple":
        return spaces.Tuple(attributes["spaces"])
    description: dict[str, Any] = {
        "type": kind,
        **{key: attributes[key] for key in ("n", "nvec", "start") if key in attributes},
    }
    if kind == "Box":
        low, high = np.asarray(attributes["low"]), np.asarray(attributes["high"])
        dtype = np.dtype(attributes.get("dtype", np.float32))
        shape = attributes.get("shape", attributes.get("_shape", low.shape))
        if low.shape != tuple(shape) or high.shape != low.shape or dtype.kind not in "biuf":
            raise UnsafePickle(
                f"a Box in it has shape {_shown(shape)}, type {dtype} and bounds of other shapes or types"
            )
        description |= {"shape": low.shape, "low": low.tolist(), "high": high.tolist(), "dtype": dtype.name}
    return space_from_dict(description)


def _noise(builder: Builder, call: Call) -> Any:
    state = builder.attributes(call)
    for key, value in state.items():
        if value is not None and not isinstance(value, bool | int | float | np.ndarray | np.generic):
            raise UnsafePickle(f"the {_shown(key)} of {shown_name(call)} is no number")
    return noise_from_dict({"type": call.function.name, "state": state})


def _statistics(builder: Builder, call: Call) -> RunningMeanStd:
    state = builder.attributes(call)
    moments = {name: np.asarray(state[name], np.float64) for name in ("mean", "var", "count")}
    if moments["mean"].shape != moments["var"].shape or moments["count"].shape != ():
        raise UnsafePickle(f"the moments in it have the shapes {[array.shape for array in moments.values()]}")
    statistics = RunningMeanStd()
    statistics.mean, statistics.var, statistics.count = moments["mean"], moments["var"], float(moments["count"])
    return statistics


def _placeholder(_: Builder, node: Global | Call) -> Placeholder:
    return Placeholder(node.path)


def _kept(builder: Builder, call: Call) -> Placeholder:
    return Placeholder(call.path, builder.attributes(call))


# ---------------------------------------------------------------- classes and functions that are looked up
def _named(find: Callable[[Global], Any]) -> Callable[[Builder, Global], Any]:
    """The rule for names that ``find`` looks up, where they are to be looked up."""
    return lambda builder, name: find(name) if builder.resolve else Placeholder(name.path)


def _own(name: Global) -> Any:
    """What this package has in the place that a rule allowed."""
    module, _, attribute = name.path.replace("stable_baselines.", f"{PACKAGE}.", 1).rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        raise UnsafePickle(f"it refers to {shown_name(name)}, which has no counterpart here") from None


def _own_class(name: Global, base: type) -> type:
    found = _own(name)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UnsafePickle(f"it refers to {shown_name(name)}, which is no {base.__name__}")
    return found


def _policy(name: Global) -> Any:
    from stable_baselines_tf2.common.policies import BasePolicy

    return _own_class(name, BasePolicy)


def _algorithm(name: Global) -> Any:
    from stable_baselines_tf2.common.base_class import BaseRLModel

    return _own_class(name, BaseRLModel)


def _goal_selection_strategy(builder: Builder, call: Call) -> Any:
    (value,) = builder.build(call.args)
    return _own(call.function)(value) if builder.resolve else Placeholder(call.path, {"value": value})


def _activation(name: Global) -> Any:
    import tensorflow as tf

    return getattr(tf.nn, name.name)


# ---------------------------------------------------------------- functions and classes that were stored by value
class FunctionCode(NamedTuple):
    """What a function executes, as far as it matters here."""

    n_arguments: int
    bytecode: bytes
    constants: tuple[Any, ...]
    names: tuple[Any, ...]
    n_free: int  # variables from outside
    n_cells: int  # variables for functions inside


# Bytecode of Python 3.6 to 3.10, and of 3.5, where instructions had three bytes.
# `return value` and `return progress * value`, the value being in the closure:
_CLOSURES: dict[bytes, Callable[[float], ConstantFunction | LinearFunction]] = {
    b"\x88\x00S\x00": ConstantFunction,
    b"\x88\x00\x00S": ConstantFunction,
    b"|\x00\x88\x00\x14\x00S\x00": LinearFunction,
    b"|\x00\x00\x88\x00\x00\x14S": LinearFunction,
    b"\x88\x00|\x00\x14\x00S\x00": LinearFunction,
    b"\x88\x00\x00|\x00\x00\x14S": LinearFunction,
}
# The same, the value being the second constant (the first is None, in place of a text about the function):
_CONSTANTS: dict[bytes, Callable[[float], ConstantFunction | LinearFunction]] = {
    b"d\x01S\x00": ConstantFunction,
    b"d\x01\x00S": ConstantFunction,
    b"|\x00d\x01\x14\x00S\x00": LinearFunction,
    b"|\x00\x00d\x01\x00\x14S": LinearFunction,
    b"d\x01|\x00\x14\x00S\x00": LinearFunction,
    b"d\x01\x00|\x00\x00\x14S": LinearFunction,
}
# `return tf.nn.relu(x)`, of 3.7 to 3.10, of 3.6 and of 3.5:
_CALLS_OF_TF_NN = (
    b"t\x00j\x01\xa0\x02|\x00\xa1\x01S\x00",
    b"t\x00j\x01j\x02|\x00\x83\x01S\x00",
    b"t\x00\x00j\x01\x00j\x02\x00|\x00\x00\x83\x01\x00S",
)


def _function(builder: Builder, call: Call) -> Any:
    if call.path.endswith("._fill_function"):  # cloudpickle before 1.5: a function of empty cells, and what to fill in
        rest = call.args[1:]
        state = builder.entries(rest[0]) if len(rest) == 1 else {"globals": rest[0], "closure_values": rest[-1]}
        cells = state.get("closure_values")
    else:  # the rest is the state of what the function type makes
        plain, slots = call.state
        state = {**builder.entries(plain), **builder.entries(slots)}
        cells = [cell.args[0] for cell in (state.get("__closure__") or ())[:2]]
    used = builder.entries(state.get("__globals__", state.get("globals")))
    found = _known_function(builder, function_code(call), cells or (), used)
    if found is None:
        raise UnsafePickle(f"it holds the code of {_function_name(state)}, which is not executed")
    return found


def function_code(call: Call) -> FunctionCode:
    """The code of a function that is stored by value.

    Raises:
        UnsafePickle: it is none.
    """
    made = call.args[0] if call.path.endswith("._fill_function") and call.args else call
    try:
        args = made.args[0].args
        position = next(i for i, part in enumerate(args[:8]) if isinstance(part, bytes))  # 3.8 added one before it
        constants, names = args[position + 1 : position + 3]
        return FunctionCode(args[0], args[position], constants, names, len(args[-2]), len(args[-1]))
    except (AttributeError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise UnsafePickle(f"{shown_name(call)} is damaged: {_shown(error)}") from error


def _known_function(builder: Builder, code: FunctionCode, cells: Any, used: dict[str, Any]) -> Any:
    """The function that does what some code does; None for any other code."""
    if code.n_arguments != 1 or code.n_cells or code.n_free != len(cells):
        return None
    if code.bytecode in _CALLS_OF_TF_NN and len(code.names) == 3 and code.names[1] == "nn":
        path = f"tensorflow.python.ops.gen_nn_ops.{code.names[2]}"
        rule = _rule_of(path) if _is_tensorflow(used.get(code.names[0])) else None
        return rule.name(builder, Global(*path.rsplit(".", 1))) if rule and rule.name else None
    if code.names:
        return None
    if code.n_free == 1:
        shape, number = _CLOSURES.get(code.bytecode), cells[0]
    else:
        shape = _CONSTANTS.get(code.bytecode) if code.n_free == 0 and len(code.constants) == 2 else None
        number = code.constants[1] if shape else None
    if isinstance(number, Call):
        number = builder.build(number)
    if not shape or isinstance(number, bool) or not isinstance(number, int | float | np.number):
        return None
    return shape(float(number))


def _is_tensorflow(node: Any) -> bool:
    """Whether a global variable is the module ``tensorflow``."""
    if not isinstance(node, Call):
        return False
    if node.path == "tensorflow.python.util.module_wrapper.TFModuleWrapper":
        return node.state == "tensorflow"
    return node.path == "cloudpickle.cloudpickle.subimport" and node.args == ("tensorflow",)


def _function_name(state: dict[str, Any]) -> str:
    module, name = (state.get(f"__{key}__", state.get(key)) for key in ("module", "qualname"))
    return (
        f"the function {_shown(name)} of {_shown(module)}"
        if isinstance(name, str) and isinstance(module, str)
        else "a function"
    )


def _schedule_method(builder: Builder, call: Call) -> ConstantFunction | LinearFunction:
    """``LinearSchedule(1.0, final_p, initial_p).value`` as a function of the progress."""
    owner, method = call.args
    if (
        method != "value"
        or not isinstance(owner, Call)
        or owner.path != "stable_baselines.common.schedules.LinearSchedule"
    ):
        raise UnsafePickle(f"it calls builtins.getattr on {shown_name(owner)}")
    state = builder.attributes(owner)
    if state["schedule_timesteps"] != 1:
        raise UnsafePickle("it holds a schedule over another number of steps than 1")
    return LinearFunction(initial=float(state["final_p"]), final=float(state["initial_p"]))


def _function_by_type(builder: Builder, call: Call) -> Any:
    if call.function.args not in (("LambdaType",), ("FunctionType",)):
        raise UnsafePickle("it holds code, which is not executed")
    return _function(builder, call)


def _class_by_value(_: Builder, call: Call) -> NoReturn:
    skeleton = call.args[0] if call.args and isinstance(call.args[0], Call) else call
    name = next((part for part in skeleton.args if isinstance(part, str)), "?")
    raise UnsafePickle(f"it holds the code of the class {_shown(name)}, which is not executed")


# ---------------------------------------------------------------- the list
class _Rule(NamedTuple):
    """What is done with names that match: where one stands alone, and where it is called."""

    pattern: re.Pattern[str]
    name: Callable[[Builder, Any], Any] | None = None
    call: Callable[[Builder, Any], Any] | None = None


def _rules() -> list[_Rule]:
    def rule(pattern: str, **makers: Callable[[Builder, Any], Any]) -> _Rule:
        return _Rule(
            re.compile(pattern.replace("SB", r"stable_baselines").replace(".", r"\.").replace("*", r"\w+")), **makers
        )

    cloudpickle = "cloudpickle.cloudpickle"
    return [
        rule("numpy.dtype", call=_dtype),
        rule("numpy.(bool_|u?int(8|16|32|64)|float(16|32|64))", name=_numpy_type),
        rule("numpy.ndarray"),
        rule("numpy.core.multiarray._reconstruct", call=_array),
        rule("numpy.core.multiarray.scalar", call=_scalar),
        rule("numpy.core.numeric._frombuffer", call=_array_from_buffer),
        rule("numpy.random.(*.)?*", name=_placeholder, call=_placeholder),  # generators: their state is of no use here
        rule("gym.utils.seeding.*(.*)?", name=_placeholder, call=_placeholder),
        rule("_codecs.encode", call=_latin1),
        rule("builtins.bytes", call=_no_bytes),
        rule("collections.OrderedDict", call=_ordered_dict),
        rule("builtins.(set|frozenset)", call=_set),
        rule("builtins.(bool|int|float|str|object)"),  # annotations of functions
        rule(f"gym.spaces.*.({'|'.join(KINDS)})", call=_space),
        rule("SB.(common|deepq|ddpg|sac|td3).policies.nature_cnn", name=_named(_own)),
        rule("SB.(common|deepq|ddpg|sac|td3).policies.*", name=_named(_policy)),
        rule("SB.(deepq.dqn.DQN|ddpg.ddpg.DDPG|sac.sac.SAC|td3.td3.TD3)", name=_named(_algorithm)),  # what HER wraps
        rule("SB.her.replay_buffer.GoalSelectionStrategy", call=_goal_selection_strategy),
        rule("SB.common.noise.*", call=_noise),
        rule("SB.common.running_mean_std.RunningMeanStd", call=_statistics),
        rule("SB.common.vec_env.vec_normalize.VecNormalize", call=_kept),
        rule("SB.gail.dataset.dataset.ExpertDataset", call=_kept),
        rule("SB.ddpg.memory.Memory", name=_placeholder),
        rule(
            "tensorflow.python.ops.*.(relu|relu6|crelu|elu|selu|leaky_relu|tanh|sigmoid|softplus|softsign|swish)",
            name=_named(_activation),
        ),
        rule("tensorflow.python.util.module_wrapper.TFModuleWrapper"),
        rule("builtins.getattr", call=_schedule_method),
        rule("SB.common.schedules.LinearSchedule"),
        rule("SB.(common.buffers|deepq.replay_buffer).(Prioritized)?ReplayBuffer", call=_kept),
        rule("SB.common.segment_tree.(Sum|Min)?(SegmentTree)?", call=_placeholder),  # priorities
        rule(f"{cloudpickle}.(_fill_function|_make_function)", call=_function),
        rule(f"{cloudpickle}.(_make_skeleton_class|_rehydrate_skeleton_class)", call=_class_by_value),
        rule(
            f"{cloudpickle}.(_builtin_type|_make_skel_func|_make_cell|_make_empty_cell|_function_setstate|subimport)"
        ),  # parts of functions
    ]


_RULES = _rules()
_FUNCTION_TYPE = _Rule(re.compile(""), call=_function_by_type)


def _rule(node: Global | Call) -> _Rule | None:
    if isinstance(node, Call) and isinstance(node.function, Call):
        return _FUNCTION_TYPE if node.function.path == "cloudpickle.cloudpickle._builtin_type" else None
    return _rule_of(node.path)


@functools.lru_cache(maxsize=256)
def _rule_of(path: str) -> _Rule | None:
    return next((rule for rule in _RULES if rule.pattern.fullmatch(path)), None)
