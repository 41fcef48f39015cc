"""Functions and classes that pickles hold by value.

Schedules and some activation functions are stored as functions, by value. Their bytecode is read but never run:
arithmetic becomes data, see `files.bytecode`, and a call of an activation is recognised.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction
from stable_baselines_tf2.core.arithmetic import ARGUMENT, NUMBER, ArithmeticFunction
from stable_baselines_tf2.files.bytecode import (
    ArithmeticReader,
    FunctionCode,
    Known,
    NotArithmetic,
    StoredFunction,
    plain_number,
)
from stable_baselines_tf2.files.pickle_tree import Call, Global, UnsafePickle, shown, shown_name


class Builder(Protocol):
    """What is asked of the builder of the other objects; see `pickle_objects.Builder`."""

    def build(self, node: object) -> Any:
        """The object that a part of the tree describes."""

    def known_name(self, path: str) -> Any:
        """The class or function of a name that the rules know; None for any other."""

    def entries(self, node: object) -> dict[str, Any]:
        """Keys and values of a dictionary in the tree, not built."""

    def attributes(self, call: Call) -> dict[str, Any]:
        """The attributes that an object gets."""


# `return tf.nn.relu(x)`, of 3.7 to 3.10, of 3.6 and of 3.5:
_CALLS_OF_TF_NN = (
    b"t\x00j\x01\xa0\x02|\x00\xa1\x01S\x00",
    b"t\x00j\x01j\x02|\x00\x83\x01S\x00",
    b"t\x00\x00j\x01\x00j\x02\x00|\x00\x00\x83\x01\x00S",
)


def function_by_value(builder: Builder, call: Call) -> Any:
    """The function that does what the code of a function does, where that is recognised."""
    state = _state(builder, call)
    try:
        function = _stored(builder, call, state)
        activation = _activation(builder, function)
        found = activation or _simplest(ArithmeticReader(functools.partial(_resolved, builder)).read(function))
    except NotArithmetic:
        found = None
    if found is None:
        raise UnsafePickle(f"it holds the code of {_function_name(state)}, which is not executed")
    return found


def _state(builder: Builder, call: Call) -> dict[str, Any]:
    """What a function gets besides its code."""
    if call.path.endswith("._fill_function"):  # cloudpickle before 1.5: a function of empty cells, and what to fill in
        rest = call.args[1:]
        return builder.entries(rest[0]) if len(rest) == 1 else {"globals": rest[0], "closure_values": rest[-1]}
    plain, slots = call.state  # of what the function type makes
    return {**builder.entries(plain), **builder.entries(slots)}


def _stored(builder: Builder, call: Call, state: Mapping[str, Any]) -> StoredFunction:
    code = function_code(call)
    if call.path.endswith("._fill_function"):
        cells = state.get("closure_values")
    else:
        cells = [cell.args[0] for cell in (state.get("__closure__") or ())[: code.n_free + 1]]
    used = builder.entries(state.get("__globals__", state.get("globals")))
    defaults = state.get("__defaults__", state.get("defaults"))
    return StoredFunction(code, tuple(cells or ()), used, defaults if isinstance(defaults, tuple) else ())


def _resolved(builder: Builder, node: object) -> bool | float | Known | StoredFunction | None:
    """What a variable of a function is, for `ArithmeticReader`."""
    if isinstance(node, Call):
        if node.path == "cloudpickle.cloudpickle.subimport" and node.args in (("math",), ("numpy",)):
            return Known(node.args[0])
        if is_function(node):
            return _stored(builder, node, _state(builder, node))
        node = builder.build(node)  # a number of NumPy; what is not on the list is named
    if isinstance(node, Global):
        return Known(node.path.removeprefix("builtins."))
    return plain_number(node)


def is_function(call: Call) -> bool:
    """Whether this makes a function from its code."""
    function = call.function
    if isinstance(function, Call):
        return function.path.endswith("._builtin_type") and function.args in (("LambdaType",), ("FunctionType",))
    return call.path.endswith(("._fill_function", "._make_function"))


def _simplest(function: ArithmeticFunction) -> ConstantFunction | LinearFunction | ArithmeticFunction:
    """The schedule of our own that does the same, where there is one."""
    name, *operands = function.steps[-1]
    if name == NUMBER:
        if isinstance(operands[0], bool):
            raise NotArithmetic("it returns no number")
        return ConstantFunction(float(operands[0]))
    if name == "*":
        factors = [function.steps[operand] for operand in operands]
        numbers = [step[1] for step in factors if step[0] == NUMBER]
        if len(numbers) == 1 and (ARGUMENT,) in factors:
            return LinearFunction(float(numbers[0]))
    return function


def function_code(call: Call) -> FunctionCode:
    """The code of a function that is stored by value.

    Raises:
        UnsafePickle: it is not a function.
    """
    made = call.args[0] if call.path.endswith("._fill_function") and call.args else call
    try:
        args = made.args[0].args
        position = next(i for i, part in enumerate(args[:8]) if isinstance(part, bytes))  # 3.8 added one before it
        constants, names, variables = args[position + 1 : position + 4]
        if not all(isinstance(part, tuple) for part in (constants, names, variables)):
            raise TypeError("constants and names must be tuples")
        recent = isinstance(args[-4], bytes)  # 3.11 added a table of exceptions after the one of lines
        return FunctionCode(
            n_arguments=args[0],
            bytecode=args[position],
            constants=constants,
            names=names,
            n_locals=len(variables),
            n_free=len(args[-2]),
            n_cells=len(args[-1]),
            lines=b"" if recent else bytes(args[-3]),
            is_recent=recent,
        )
    except (AttributeError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise UnsafePickle(f"{shown_name(call)} is damaged: {shown(error)}") from error


def _activation(builder: Builder, function: StoredFunction) -> Any:
    """The activation of TensorFlow that a function calls; None for other functions."""
    code = function.code
    if code.n_arguments != 1 or code.n_free or code.n_cells:
        return None
    if code.bytecode not in _CALLS_OF_TF_NN or len(code.names) != 3 or code.names[1] != "nn":
        return None
    path = f"tensorflow.python.ops.gen_nn_ops.{code.names[2]}"
    return builder.known_name(path) if _is_tensorflow(function.used.get(code.names[0])) else None


def _is_tensorflow(node: object) -> bool:
    """Whether a global variable is the module ``tensorflow``."""
    if not isinstance(node, Call):
        return False
    if node.path == "tensorflow.python.util.module_wrapper.TFModuleWrapper":
        return node.state == "tensorflow"
    return node.path == "cloudpickle.cloudpickle.subimport" and node.args == ("tensorflow",)


def _function_name(state: dict[str, Any]) -> str:
    module, name = (state.get(f"__{key}__", state.get(key)) for key in ("module", "qualname"))
    return (
        f"the function {shown(name)} of {shown(module)}"
        if isinstance(name, str) and isinstance(module, str)
        else "a function"
    )


def schedule_method(builder: Builder, call: Call) -> ConstantFunction | LinearFunction:
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


def function_by_type(builder: Builder, call: Call) -> Any:
    """The same, for what calls the type of functions."""
    if not is_function(call):
        raise UnsafePickle("it holds code, which is not executed")
    return function_by_value(builder, call)


def class_by_value(_: Builder, call: Call) -> NoReturn:
    """Refuses a class that is stored with its code, by name."""
    skeleton = call.args[0] if call.args and isinstance(call.args[0], Call) else call
    name = next((part for part in skeleton.args if isinstance(part, str)), "?")
    raise UnsafePickle(f"it holds the code of the class {shown(name)}, which is not executed")
