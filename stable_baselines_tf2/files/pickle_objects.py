"""Objects from parsed pickles, made without executing anything.

`Builder` makes those objects that the rules at the end of this module list, each by a function written for it; `loads`
parses and builds, and refuses the rest by name. The rules are the one list of what a pickle may contain.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from stable_baselines_tf2.common.noise import noise_from_dict
from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.envs.spaces import KINDS, space_from_dict
from stable_baselines_tf2.files.pickle_tree import (
    NO_STATE,
    PACKAGE,
    Call,
    Global,
    Pairs,
    Parsed,
    UnsafePickle,
    parse,
    shown,
    shown_name,
)
from stable_baselines_tf2.files.pickled_functions import (
    class_by_value,
    function_by_type,
    function_by_value,
    schedule_method,
)

MAX_DEPTH = 64  # of objects within objects; model files have about ten
SHARED_PARTS = 100_000  # parts beyond one for each byte: how much repeated references may unfold to


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

    def __init__(self, max_parts: int, *, resolve: bool = True) -> None:
        self.parts_left = max_parts
        self.resolve = resolve
        self.recovered: set[Any] = set()  # classes of others whose objects were made from their state
        self._depth = 0
        self._made: dict[int, Any] = {}  # objects without parts, by the identity of their description

    def build(self, node: object) -> Any:
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

    def _make(self, node: object) -> Any:
        if isinstance(node, Pairs):
            return dict(self.pairs(node))
        if isinstance(node, list):
            return [self.build(part) for part in node]
        if isinstance(node, tuple):
            return tuple(self.build(part) for part in node)
        rule = _rule(node) if isinstance(node, Global | Call) else None
        make = rule and (rule.call if isinstance(node, Call) else rule.name)
        if not rule and isinstance(node, Call) and _looks_like_space(self.entries(node.state)):
            make = _foreign_space
        if not make:
            raise UnsafePickle(f"it holds {shown_name(node)}, which is not among what is restored")
        try:
            return make(self, node)
        except UnsafePickle:
            raise
        except Exception as error:  # constructors of other libraries have their own ways to refuse arguments
            raise UnsafePickle(f"{shown_name(node)} is damaged: {shown(error)}") from error

    def known_name(self, path: str) -> Any:
        """The class or function of a name that the rules know; None for any other."""
        rule = _rule_of(path)
        return rule.name(self, Global(*path.rsplit(".", 1))) if rule and rule.name else None

    def pairs(self, pairs: Iterable[Any]) -> list[tuple[Any, Any]]:
        """Keys and values, built."""
        return [(self.key(key), self.build(value)) for key, value in pairs]

    def key(self, node: object) -> Any:
        """A key of a dictionary or member of a set: plain values only, and no numbers made to collide."""
        self._count(1)
        if node is None or isinstance(node, str | bytes) or (isinstance(node, int) and node.bit_length() < 64):
            return node
        raise UnsafePickle(f"{shown_name(node)} is used as a key")

    def entries(self, node: object) -> dict[str, Any]:
        """Keys and values of a dictionary in the tree, not built; empty where it is not one."""
        if not isinstance(node, Pairs):
            return {}
        self._count(len(node))
        return {key: value for key, value in node if isinstance(key, str)}

    def attributes(self, call: Call) -> dict[str, Any]:
        """The attributes that an object gets."""
        if not isinstance(call.state, Pairs) or not all(isinstance(key, str) for key, _ in call.state):
            raise UnsafePickle(f"{shown_name(call)} has no attributes")
        return dict(self.pairs(call.state))


def loads(content: bytes, *, resolve: bool = True) -> Any:
    """The object in a pickle of Stable Baselines, made without executing anything from the pickle.

    Args:
        content: the pickle, of protocol 2 to 5.
        resolve: see `Builder`.

    Raises:
        UnsafePickle: it is damaged, or refers to anything that is not on this module's list.
    """
    parsed = parse(content)
    builder = Builder(len(content) + SHARED_PARTS, resolve=resolve)
    try:
        value = builder.build(parsed.root)
    except UnsafePickle as error:
        error.node = parsed.root
        raise
    for name in parsed.names:  # also what was not needed
        if _rule(name) is None and name not in builder.recovered:
            raise UnsafePickle(f"it refers to {shown_name(name)}, which is not among what is restored")
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
        raise UnsafePickle(f"it holds arrays of type {shown(code)}; only numbers are restored")
    if call.state is NO_STATE:
        return np.dtype(code)
    _, order, *structure = builder.build(call.state)[:5]
    if order not in ("<", ">", "|", "=") or any(structure):
        raise UnsafePickle("it holds arrays of structures; only numbers are restored")
    return np.dtype(code).newbyteorder(order)


def _from_bytes(shape: Any, dtype: object, data: object, fortran: bool = False) -> np.ndarray:
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
        raise UnsafePickle(f"an array of shape {shown(shape)} in it has {len(data)} bytes")
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
        raise UnsafePickle(f"it encodes text as {shown(encoding)}")
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
    kind = KINDS[call.function.name]
    return space_from_dict({"type": kind.name, **kind.from_attributes(builder.attributes(call))})


_OF_SPACES = ("low", "high", "shape", "_shape", "dtype", "n", "nvec", "start", "spaces")


def _looks_like_space(state: Mapping[str, Any]) -> bool:
    shaped = {"shape", "dtype"} <= state.keys() or "_shape" in state
    return shaped and ({"low", "high"} <= state.keys() or not state.keys().isdisjoint(("n", "nvec", "spaces")))


def _foreign_space(builder: Builder, call: Call) -> spaces.Space:
    """A space of a class that is not gym's, as a subclass: its state says which space it is."""
    entries = builder.entries(call.state)
    state = {key: builder.build(entries[key]) for key in _OF_SPACES if key in entries}
    shape = state.get("shape", state.get("_shape"))
    if "low" in state:
        name = "Box"
    elif "spaces" in state:
        name = "Dict" if isinstance(state["spaces"], Mapping) else "Tuple"
    else:
        name = "MultiDiscrete" if "nvec" in state else "MultiBinary" if shape else "Discrete"
    if isinstance(call.function, Global):
        builder.recovered.add(call.function)
    return space_from_dict({"type": name, **KINDS[name].from_attributes(state)})


def _noise(builder: Builder, call: Call) -> Any:
    state = builder.attributes(call)
    for key, value in state.items():
        if value is not None and not isinstance(value, bool | int | float | np.ndarray | np.generic):
            raise UnsafePickle(f"the {shown(key)} of {shown_name(call)} is not a number")
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
        raise UnsafePickle(f"it refers to {shown_name(name)}, which is not a {base.__name__}")
    return found


def _policy(name: Global) -> Any:
    from stable_baselines_tf2.common.policies import BasePolicy

    return _own_class(name, BasePolicy)


def _algorithm(name: Global) -> Any:
    return _own_class(name, object)


def _goal_selection_strategy(builder: Builder, call: Call) -> Any:
    (value,) = builder.build(call.args)
    return _own(call.function)(value) if builder.resolve else Placeholder(call.path, {"value": value})


def _activation(name: Global) -> Any:
    import tensorflow as tf

    return getattr(tf.nn, name.name)


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
        rule("builtins.(bool|int|float|str|object|max|min|abs|round|pow)"),  # annotations and calls of functions
        rule("math.*"),
        rule("typing.*"),
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
        rule("builtins.getattr", call=schedule_method),
        rule("SB.common.schedules.LinearSchedule"),
        rule("SB.(common.buffers|deepq.replay_buffer).(Prioritized)?ReplayBuffer", call=_kept),
        rule("SB.common.segment_tree.(Sum|Min)?(SegmentTree)?", call=_placeholder),  # priorities
        rule(f"{cloudpickle}.(_fill_function|_make_function)", call=function_by_value),
        rule(f"{cloudpickle}.(_make_skeleton_class|_rehydrate_skeleton_class)", call=class_by_value),
        rule(
            f"{cloudpickle}.(_builtin_type|_make_skel_func|_make_cell|_make_empty_cell|_function_setstate|subimport)"
        ),  # parts of functions
    ]


_RULES = _rules()
_FUNCTION_TYPE = _Rule(re.compile(""), call=function_by_type)


def _rule(node: Global | Call) -> _Rule | None:
    if isinstance(node, Call) and isinstance(node.function, Call):
        return _FUNCTION_TYPE if node.function.path == "cloudpickle.cloudpickle._builtin_type" else None
    return _rule_of(node.path)


@functools.lru_cache(maxsize=256)
def _rule_of(path: str) -> _Rule | None:
    return next((rule for rule in _RULES if rule.pattern.fullmatch(path)), None)
