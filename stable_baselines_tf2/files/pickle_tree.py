"""Pickles as trees: parsed without importing or calling anything.

`parse` turns a pickle into a tree in which classes and functions are only names (`Global`) and calls are recorded
(`Call`) instead of executed; Python's own unpickler has no part in it.
"""

from __future__ import annotations

import dataclasses
import functools
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

PACKAGE = __name__.split(".")[0]
MAX_NAME = 200  # characters of a module or class


class UnsafePickle(ValueError):
    """A pickle is damaged, or holds something that cannot be restored without executing code from it.

    Attributes:
        node: what cannot be restored, as `parse` gives it, where that is of use.
    """

    node: Any = None


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
        """Dotted name of what is called; empty where that is not a name."""
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
                raise UnsafePickle("it is not a pickle of protocol 2 to 5")
            machine.step(opcode.name, argument)
        return Parsed(machine.stack.pop(), tuple(machine.names))
    except UnsafePickle:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, Warning) as error:
        raise UnsafePickle(f"it is damaged: {shown(error)}") from error


# Opcodes that push their argument, and those that push something new.
_PUSH_ARGUMENT = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
        *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    )
)
_PUSH_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": Pairs,
    "EMPTY_SET": lambda: Call(Global("builtins", "set"), ([],)),
}


class _Machine:
    """The stack machine for which a pickle is the program; it records calls instead of executing them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.names: dict[Global, None] = {}  # an ordered set

    def step(self, name: str, argument: Any) -> None:
        push = self.stack.append
        if name in _PUSH_ARGUMENT or name in _PUSH_NEW:
            push(argument if name in _PUSH_ARGUMENT else _PUSH_NEW[name]())
            return
        match name:
            case "BINGET" | "LONG_BINGET":
                push(self.memo[argument])
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "BYTEARRAY8":
                push(bytes(argument))
            case "MARK":
                self.outer.append(self.stack)
                self.stack = []
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(self._take(int(name[-1]))))
            case "TUPLE":
                items = self._since_mark()
                self.stack.append(tuple(items))
            case "APPEND":
                self._extend(self._take(1))
            case "APPENDS":
                self._extend(self._since_mark())
            case "SETITEM":
                self._set_items(self._take(2))
            case "SETITEMS":
                self._set_items(self._since_mark())
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
            raise UnsafePickle("it refers to a class or function by something that is not a name")
        reference = Global(module, name)
        self.names[reference] = None
        self.stack.append(reference)

    def _note_call(self, function: object, args: Any) -> None:
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
    def _set_state(target: Call, state: np.ndarray | None) -> None:
        if target.state is not NO_STATE:
            raise UnsafePickle(f"it sets the state of {shown_name(target)} twice")
        target.state = state


_SETTERS = ("cloudpickle.cloudpickle._function_setstate", "cloudpickle.cloudpickle._class_setstate")


def shown(text: object) -> str:
    """A text of a file, fit for an error message."""
    escaped = ascii(str(text))[1:-1]
    return escaped if len(escaped) <= 100 else f"{escaped[:97]}..."


def shown_name(node: object) -> str:
    """What a part of the tree is, fit for an error message."""
    made = isinstance(node, Call)
    while isinstance(node, Call):
        node = node.function
    name = (
        shown(f"{node.module}.{node.name}") if isinstance(node, Global) else f"an object of type {type(node).__name__}"
    )
    return f"an object of {name}" if made else name
