"""Functions and classes that pickles hold by value.

Schedules and some activation functions were stored as functions, by value. They are recognised by their bytecode,
which is compared but never run, and their number is taken from the closure or the constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction
from stable_baselines_tf2.files.pickle_tree import Call, UnsafePickle, shown, shown_name


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


def function_by_value(builder: Builder, call: Call) -> Any:
    """The function that does what the code of a function does, where that is recognised."""
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
        UnsafePickle: it is not a function.
    """
    made = call.args[0] if call.path.endswith("._fill_function") and call.args else call
    try:
        args = made.args[0].args
        position = next(i for i, part in enumerate(args[:8]) if isinstance(part, bytes))  # 3.8 added one before it
        constants, names = args[position + 1 : position + 3]
        if not (isinstance(constants, tuple) and isinstance(names, tuple)):
            raise TypeError("constants and names must be tuples")
        return FunctionCode(args[0], args[position], constants, names, len(args[-2]), len(args[-1]))
    except (AttributeError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise UnsafePickle(f"{shown_name(call)} is damaged: {shown(error)}") from error


def _known_function(builder: Builder, code: FunctionCode, cells: Any, used: dict[str, Any]) -> Any:
    """The function that does what some code does; None for any other code."""
    if code.n_arguments != 1 or code.n_cells or code.n_free != len(cells):
        return None
    if code.bytecode in _CALLS_OF_TF_NN and len(code.names) == 3 and code.names[1] == "nn":
        path = f"tensorflow.python.ops.gen_nn_ops.{code.names[2]}"
        return builder.known_name(path) if _is_tensorflow(used.get(code.names[0])) else None
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
    if call.function.args not in (("LambdaType",), ("FunctionType",)):
        raise UnsafePickle("it holds code, which is not executed")
    return function_by_value(builder, call)


def class_by_value(_: Builder, call: Call) -> NoReturn:
    """Refuses a class that is stored with its code, by name."""
    skeleton = call.args[0] if call.args and isinstance(call.args[0], Call) else call
    name = next((part for part in skeleton.args if isinstance(part, str)), "?")
    raise UnsafePickle(f"it holds the code of the class {shown(name)}, which is not executed")
