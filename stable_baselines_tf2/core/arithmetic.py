"""Functions of one number as data, such as learning rates that a file holds: a list of steps, evaluated on demand."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_STEPS = 200
NUMBER, ARGUMENT, IF = "number", "argument", "if"  # a literal; what the function is given; condition and both outcomes
_MATH = ("exp", "log", "log2", "log10", "sqrt", "sin", "cos", "tan", "tanh", "floor", "ceil", "trunc", "fabs", "pow")
_NUMPY = (
    *("exp", "log", "log2", "log10", "sqrt", "square", "sin", "cos", "tan", "tanh", "floor", "ceil", "abs"),
    *("maximum", "minimum", "clip", "power", "sign", "float32", "float64"),
)
_TWO: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
_ONE: dict[str, Callable[..., Any]] = {
    "negative": operator.neg,
    "positive": operator.pos,
    "not": operator.not_,
    "bool": bool,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{function.__name__: function for function in (max, min, abs, float, int, round, pow)},
    **{f"math.{name}": getattr(math, name) for name in _MATH},
    **{f"numpy.{name}": getattr(np, name) for name in _NUMPY},
}
CONSTANTS = {f"{module}.{name}": getattr(math, name) for module in ("math", "numpy") for name in ("pi", "e", "inf")}
_OPERATIONS = {**_TWO, **_ONE, **FUNCTIONS}


@dataclasses.dataclass(frozen=True)
class ArithmeticFunction:
    """A function of one number, made of arithmetic.

    Attributes:
        steps: an operation each, with the positions of earlier steps that it takes; the last one is the result.
            ``("number", 0.1)`` is a literal, ``("argument",)`` what the function is given, and ``("if", i, j, k)`` is
            step j where step i is true, else step k. Only what the result needs is computed.

    Raises:
        ValueError: they are not such steps.
    """

    steps: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.steps) <= MAX_STEPS:
            raise ValueError(f"steps: 1 to {MAX_STEPS} make a function, not {len(self.steps)}")
        for position, step in enumerate(self.steps):
            if not _is_step(position, step):
                raise ValueError(f"steps: {step!r:.100} at position {position} is not one")

    def __call__(self, value: float) -> float:
        """The function's value; Python's own exceptions where it has none, as a division by zero."""
        return self._result(len(self.steps) - 1, {}, float(value))

    def _result(self, position: int, known: dict[int, Any], value: float) -> Any:
        if position not in known:
            name, *operands = self.steps[position]
            if name == NUMBER:
                result = operands[0]
            elif name == ARGUMENT:
                result = value
            elif name == IF:
                condition, *outcomes = operands
                result = self._result(outcomes[0 if self._result(condition, known, value) else 1], known, value)
            else:
                result = _OPERATIONS[name](*_fit(name, [self._result(part, known, value) for part in operands]))
                # Floats only: whole numbers of Python would grow without bounds.
                result = result if isinstance(result, bool) else float(result)
            known[position] = result
        return known[position]


def _fit(name: str, operands: list[Any]) -> list[Any]:
    return [operands[0], int(operands[1])] if name == "round" and len(operands) == 2 else operands


def _is_step(position: int, step: object) -> bool:
    if not isinstance(step, tuple) or not step or not isinstance(step[0], str):
        return False
    name, *operands = step
    if name == NUMBER:
        return len(operands) == 1 and (isinstance(operands[0], bool | float))
    if not all(type(part) is int and 0 <= part < position for part in operands):
        return False
    if name in (ARGUMENT, IF) or name in _ONE or name in _TWO:
        return len(operands) == (0 if name == ARGUMENT else 3 if name == IF else 1 if name in _ONE else 2)
    return name in FUNCTIONS and 0 < len(operands) < 16
