"""Functions of arithmetic in bytecode of Python 3.5 to 3.13, read but never run.

`ArithmeticReader` follows the instructions with descriptions in place of values; where they branch, it follows both
ways. What is not arithmetic (loops, attributes, unknown functions) is `NotArithmetic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from stable_baselines_tf2.core.arithmetic import (
    ARGUMENT,
    CONSTANTS,
    FUNCTIONS,
    IF,
    MAX_STEPS,
    NUMBER,
    ArithmeticFunction,
)

MAX_INSTRUCTIONS = 2000  # over all branches and inner functions
MAX_CALLS = 12  # of functions within functions


class NotArithmetic(ValueError):
    """The code does more than arithmetic on its arguments, or is damaged."""


class FunctionCode(NamedTuple):
    """What a function executes, as far as it matters here."""

    n_arguments: int
    bytecode: bytes
    constants: tuple[Any, ...]
    names: tuple[Any, ...]
    n_locals: int
    n_free: int  # variables from outside
    n_cells: int  # variables for functions inside
    lines: bytes  # which instructions belong to which lines
    is_recent: bool  # of Python 3.11 or later


class StoredFunction(NamedTuple):
    """A function that is stored by value."""

    code: FunctionCode
    cells: tuple[Any, ...]
    used: Mapping[str, Any]  # the global variables that it uses
    defaults: tuple[Any, ...]


class Known(NamedTuple):
    """A module or function, by name."""

    name: str


class Resolver(Protocol):
    """What the reader asks about parts of the file."""

    def __call__(self, node: object) -> bool | float | Known | StoredFunction | None:
        """What a constant or a variable from outside is; None for anything that is of no use here."""


class _Instruction(NamedTuple):
    name: str
    argument: int
    following: int  # position of the next one
    caches: int  # empty places after it


_NULL = Known("")  # what calls of Python 3.11 and later have beside the function
_SHARED = {100: "LOAD_CONST", 106: "LOAD_ATTR", 107: "COMPARE_OP", 110: "JUMP_FORWARD", 116: "LOAD_GLOBAL"}
_SHARED |= {1: "POP_TOP", 9: "NOP", 10: "positive", 11: "negative", 12: "not", 83: "RETURN_VALUE", 114: "JUMP_FALSE"}
_SHARED |= {115: "JUMP_TRUE", 111: "KEEP_FALSE", 112: "KEEP_TRUE", 124: "LOAD_FAST", 125: "STORE_FAST"}
_SHARED |= {144: "EXTENDED_ARG", 160: "LOAD_METHOD"}
_BEFORE_3_11 = {19: "**", 20: "*", 22: "%", 23: "+", 24: "-", 26: "//", 27: "/", 28: "//", 29: "/"}
_BEFORE_3_11 |= {55: "+", 56: "-", 57: "*", 59: "%", 67: "**", 2: "ROT_TWO", 3: "ROT_THREE", 4: "DUP_TOP"}
_BEFORE_3_11 |= {113: "JUMP_TO", 131: "CALL", 161: "CALL", 136: "LOAD_DEREF"} | _SHARED
_3_11_AND_3_12 = {0: "CACHE", 2: "PUSH_NULL", 99: "SWAP", 120: "COPY", 121: "RETURN_CONST", 122: "BINARY_OP"}
_3_11_AND_3_12 |= {127: "LOAD_FAST", 135: "MAKE_CELL", 137: "LOAD_DEREF", 149: "NOP", 151: "NOP", 166: "NOP"}
_3_11_AND_3_12 |= {171: "CALL", 173: "INTRINSIC"} | _SHARED
_3_13 = {0: "CACHE", 30: "NOP", 32: "POP_TOP", 34: "PUSH_NULL", 36: "RETURN_VALUE", 40: "bool", 42: "negative"}
_3_13 |= {
    43: "not",
    45: "BINARY_OP",
    53: "CALL",
    55: "INTRINSIC",
    58: "COMPARE_OP",
    61: "COPY",
    62: "NOP",
    71: "EXTENDED_ARG",
}
_3_13 |= {79: "JUMP_FORWARD", 82: "LOAD_ATTR", 83: "LOAD_CONST", 84: "LOAD_DEREF", 85: "LOAD_FAST", 87: "LOAD_FAST"}
_3_13 |= {88: "LOAD_FAST_LOAD_FAST", 91: "LOAD_GLOBAL", 97: "JUMP_FALSE", 100: "JUMP_TRUE", 103: "RETURN_CONST"}
_3_13 |= {110: "STORE_FAST", 111: "STORE_FAST_LOAD_FAST", 112: "STORE_FAST_STORE_FAST", 115: "SWAP", 149: "NOP"}
_COMPARISONS = ("<", "<=", "==", "!=", ">", ">=")
_BINARY = {0: "+", 2: "//", 5: "*", 6: "%", 8: "**", 10: "-", 11: "/"}
_BINARY |= {number + 13: name for number, name in _BINARY.items()}  # in place


class _Layout(NamedTuple):
    """How a version of Python writes bytecode."""

    names: Mapping[int, str]
    short: bool = True  # instructions of two bytes; of one or three before 3.6
    jump_unit: int = 2  # bytes
    recent: bool = False  # 3.11 or later: relative jumps, empty places, what calls have beside the function
    null_last: bool = False  # 3.13


def _layout(code: FunctionCode) -> _Layout:
    content = code.bytecode
    if code.is_recent:
        if content[0] in (62, 94) or content[:2] == b"\x95\x00":
            return _Layout(_3_13, recent=True, null_last=True)
        return _Layout(_3_11_AND_3_12, recent=True)
    if content[-1:] == b"S":  # RETURN_VALUE without argument
        return _Layout(_BEFORE_3_11, short=False, jump_unit=1)
    # The table of lines covers all instructions since 3.10, whose jumps count instructions.
    covers_all = sum(code.lines[::2]) == len(content)
    return _Layout(_BEFORE_3_11, jump_unit=2 if covers_all else 1)


def _instructions(code: FunctionCode, layout: _Layout) -> dict[int, _Instruction]:
    """The instructions by position in bytes."""
    content, found, position, extended = code.bytecode, {}, 0, 0
    start = 0
    while position < len(content):
        number = content[position]
        size = 2 if layout.short else 3 if number >= 90 else 1
        operand = int.from_bytes(content[position + 1 : position + size], "little")
        following = position + size
        while layout.recent and content[following : following + 1] == b"\x00":
            following += 2
        name = layout.names.get(number, f"instruction {number}")
        argument = extended << (8 if layout.short else 16) | operand
        if name == "EXTENDED_ARG":
            extended = argument
        else:
            caches = (following - position - size) // 2
            found[start] = _Instruction(name, argument, following, caches)
            start, extended = following, 0
        position = following
    return found


class ArithmeticReader:
    """Turns the code of a function into an `ArithmeticFunction`.

    Args:
        resolve: says what a part of the file is.
    """

    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve
        self._steps: dict[tuple[Any, ...], int] = {}
        self._instructions_left = MAX_INSTRUCTIONS
        self._calls = 0

    def read(self, function: StoredFunction) -> ArithmeticFunction:
        """The function as data.

        Raises:
            NotArithmetic: it is anything but arithmetic on one argument.
        """
        try:
            result = self._function(function, [self._step(ARGUMENT)])
        except (IndexError, KeyError, TypeError, RecursionError) as error:
            raise NotArithmetic(f"its code is damaged ({error!r:.100})") from error
        steps = [tuple(step) for step in self._steps]
        return ArithmeticFunction(tuple(steps[: result + 1]))

    def _step(self, name: str, *operands: Any) -> int:
        # Numbers by their text, since 1.0 equals True and 0.0 equals -0.0.
        key = (name, *operands) if name != NUMBER else _Literal((name, *operands))
        if key not in self._steps:
            if len(self._steps) >= MAX_STEPS:
                raise NotArithmetic("it is too long")
            self._steps[key] = len(self._steps)
        return self._steps[key]

    def _function(self, function: StoredFunction, arguments: list[Any]) -> int:
        code, missing = function.code, function.code.n_arguments - len(arguments)
        if code.n_cells or code.n_free != len(function.cells) or not code.bytecode:
            raise NotArithmetic("it makes functions")
        if not 0 <= missing <= len(function.defaults) or self._calls >= MAX_CALLS:
            raise NotArithmetic("it has other arguments")
        defaults = [self._value(part) for part in function.defaults[len(function.defaults) - missing :]]
        self._calls += 1
        path = _Path(self, function, _layout(code))
        result = path.follow(0, [], dict(enumerate([*arguments, *defaults])))
        self._calls -= 1
        return result

    def _value(self, node: object) -> Any:
        """The step of a number, or a known function or module."""
        found = self._resolve(node)
        if found is None:
            raise NotArithmetic("it uses something that is not a number")
        if isinstance(found, bool | int | float):
            return self._step(NUMBER, found if isinstance(found, bool) else float(found))
        return found

    def name(self, name: str) -> Any:
        """What a name of a module or among the built-in ones stands for."""
        if name in CONSTANTS:
            return self._step(NUMBER, CONSTANTS[name])
        if name in FUNCTIONS:
            return Known(name)
        raise NotArithmetic(f"it uses {name}")

    def call(self, function: object, arguments: list[Any]) -> int:
        """The step that a call is."""
        if isinstance(function, StoredFunction):
            return self._function(function, arguments)
        if isinstance(function, Known) and function.name in FUNCTIONS and arguments:
            return self._step(function.name, *map(_number, arguments))
        raise NotArithmetic("it calls what is not known")


class _Literal(tuple[Any, ...]):
    """A number as a step, told apart by type and sign as well."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(repr(self[1]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Literal) and repr(self[1]) == repr(other[1])


def _number(value: object) -> int:
    if type(value) is not int:
        raise NotArithmetic("it computes with what is not a number")
    return value


class _Path:
    """Follows the instructions of one function."""

    def __init__(self, reader: ArithmeticReader, function: StoredFunction, layout: _Layout) -> None:
        self._reader, self._function, self._layout = reader, function, layout
        self._instructions = _instructions(function.code, layout)

    def follow(self, position: int, stack: list[Any], variables: dict[int, Any]) -> int:
        """The step that a path from a position on returns."""
        reader, code = self._reader, self._function.code
        while True:
            reader._instructions_left -= 1
            if reader._instructions_left < 0:
                raise NotArithmetic("it is too long")
            step = self._instructions[position]
            name, argument = step.name, step.argument
            if name == "RETURN_VALUE":
                return _number(stack.pop())
            if name == "RETURN_CONST":
                return _number(reader._value(code.constants[argument]))
            if name in ("JUMP_FORWARD", "JUMP_TO"):
                position = self._target(step, position)
            elif name in ("JUMP_FALSE", "JUMP_TRUE", "KEEP_FALSE", "KEEP_TRUE"):
                return self._branch(step, position, stack, variables)
            else:
                self._execute(step, stack, variables)
                position = step.following

    def _target(self, step: _Instruction, position: int) -> int:
        layout = self._layout
        relative = layout.recent or step.name == "JUMP_FORWARD"
        target = step.argument * layout.jump_unit + (step.following if relative else 0)
        if target <= position:
            raise NotArithmetic("it has a loop")
        return target

    def _branch(self, step: _Instruction, position: int, stack: list[Any], variables: dict[int, Any]) -> int:
        condition = _number(stack.pop())
        kept = [condition] if step.name.startswith("KEEP") else []
        jumped = self.follow(self._target(step, position), [*stack, *kept], dict(variables))
        stayed = self.follow(step.following, [*stack], dict(variables))
        outcomes = (jumped, stayed) if step.name.endswith("TRUE") else (stayed, jumped)
        return self._reader._step(IF, condition, *outcomes)

    def _execute(self, step: _Instruction, stack: list[Any], variables: dict[int, Any]) -> None:
        reader, name, argument = self._reader, step.name, step.argument
        match name:
            case "NOP" | "CACHE":
                pass
            case "POP_TOP":
                stack.pop()
            case "PUSH_NULL":
                stack.append(_NULL)
            case "DUP_TOP":
                stack.append(stack[-1])
            case "COPY":
                stack.append(stack[-argument])
            case "SWAP":
                stack[-1], stack[-argument] = stack[-argument], stack[-1]
            case "ROT_TWO":
                stack[-2:] = stack[-1], stack[-2]
            case "ROT_THREE":
                stack[-3:] = stack[-1], stack[-3], stack[-2]
            case "LOAD_CONST":
                stack.append(reader._value(self._function.code.constants[argument]))
            case "LOAD_DEREF":
                first = self._function.code.n_locals if self._layout.recent else 0
                if argument < first:
                    raise NotArithmetic("it makes functions")
                stack.append(reader._value(self._function.cells[argument - first]))
            case "LOAD_GLOBAL" | "LOAD_ATTR" | "LOAD_METHOD":
                self._load_name(step, stack)
            case "CALL":
                self._call(argument, stack)
            case _ if "FAST" in name:
                self._local(name, argument, stack, variables)
            case _:
                self._compute(step, stack)

    @staticmethod
    def _local(name: str, argument: int, stack: list[Any], variables: dict[int, Any]) -> None:
        parts = name.split("_")[::2]  # LOAD and STORE
        numbers = (argument,) if len(parts) == 1 else (argument >> 4, argument & 15)
        for part, number in zip(parts, numbers, strict=True):
            if part == "LOAD":
                stack.append(variables[number])
            else:
                variables[number] = stack.pop()

    def _compute(self, step: _Instruction, stack: list[Any]) -> None:
        name = step.name
        if name == "COMPARE_OP":
            # The number has flags below it since 3.12, whose comparisons have one empty place, those of 3.11 two.
            shift = 0 if not self._layout.recent or step.caches == 2 else 5 if self._layout.null_last else 4
            name = _COMPARISONS[step.argument >> shift]
        elif name == "BINARY_OP":
            name = _BINARY[step.argument]
        elif name == "INTRINSIC" and step.argument == 5:
            name = "positive"
        if name in ("positive", "negative", "not", "bool"):
            stack.append(self._reader._step(name, _number(stack.pop())))
            return
        if name in _COMPARISONS or name in _BINARY.values():
            right, left = _number(stack.pop()), _number(stack.pop())
            stack.append(self._reader._step(name, left, right))
            return
        raise NotArithmetic(f"it has {name}")

    def _load_name(self, step: _Instruction, stack: list[Any]) -> None:
        layout, argument, with_null = self._layout, step.argument, False
        # Since 3.11 the lowest bit of a global, since 3.12 (more empty places) that of an attribute, is for calls.
        if layout.recent and (step.name == "LOAD_GLOBAL" or (step.name == "LOAD_ATTR" and step.caches > 4)):
            argument, with_null = argument >> 1, bool(argument & 1)
        elif layout.recent:
            with_null = step.name == "LOAD_METHOD"
        name = self._function.code.names[argument]
        if step.name == "LOAD_GLOBAL":
            used = self._function.used
            value = self._reader._value(used[name]) if name in used else self._reader.name(name)
        else:
            owner = stack.pop()
            if not isinstance(owner, Known):
                raise NotArithmetic("it asks numbers for attributes")
            value = self._reader.name(f"{owner.name}.{name}")
        pair = [value, _NULL] if layout.null_last or step.name != "LOAD_GLOBAL" else [_NULL, value]
        stack.extend(pair if with_null else [value])

    def _call(self, n_arguments: int, stack: list[Any]) -> None:
        arguments = [stack.pop() for _ in range(n_arguments)][::-1]
        function = stack.pop()
        if self._layout.recent:  # the empty place stands before or after the function, by version
            beside = stack.pop()
            function = beside if function is _NULL else function
        stack.append(self._reader.call(function, arguments))


def plain_number(value: object) -> bool | float | None:
    """A number of Python or NumPy as one of Python; None for anything else."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return float(value) if isinstance(value, int | float | np.integer | np.floating) else None
