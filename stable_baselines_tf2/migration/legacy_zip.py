"""Model files for Stable Baselines 2.10, from models of this package.

The format is the same but for the objects among the hyperparameters: those are pickles there, of its own classes and of
gym's. Neither has to be installed: only their names are written.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.common.noise import noise_to_dict
from stable_baselines_tf2.common.policies import BasePolicy
from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction
from stable_baselines_tf2.core.archive import Archive, PathOrFile, write_archive
from stable_baselines_tf2.envs.spaces import space_kind
from stable_baselines_tf2.files.hyperparameters import SERIALIZED, TYPE, function_name
from stable_baselines_tf2.files.pickle_tree import PACKAGE, Call, Global
from stable_baselines_tf2.migration.pickle_writer import New, data_type, dumps
from stable_baselines_tf2.models.base import BaseRLModel

_PLAIN = (bool, int, float, str, type(None))
# Where TensorFlow 1.15 has the activation functions.
_TENSORFLOW = {
    **dict.fromkeys(("relu", "elu", "selu", "softplus", "softsign"), "gen_nn_ops"),
    **dict.fromkeys(("leaky_relu", "relu6", "crelu"), "nn_ops"),
    **{"tanh": "gen_math_ops", "sigmoid": "math_ops", "swish": "nn_impl", "identity": "array_ops"},
}
_NAMES_IN_KERAS = {"silu": "swish", "linear": "identity"}


def write_legacy(target: PathOrFile, model: BaseRLModel) -> None:
    """Writes a model so that Stable Baselines 2.10 loads it. The state of the training is left out.

    Args:
        target: path (``.zip`` is added where it has no extension) or binary file object.
        model: the model.

    Raises:
        ValueError: something in it has no counterpart there, such as a policy of your own that is made of layers; the
            message names it.
        OSError: the file cannot be written; an old one of that name stays.
    """
    is_graph = model.acting_policy.in_graph and not model.policy.__module__.startswith(f"{PACKAGE}.")
    settings = {key: item for key, item in model.hyperparameters().items() if not (is_graph and key == "policy")}
    data = {key: _setting(key, item) for key, item in settings.items()}
    if is_graph:  # runs there as well
        data["policy"] = _pickled(_reference(model.policy), model.policy)
    write_archive(target, Archive(json.dumps(data, indent=4), model.get_parameters()))


def _setting(key: str, item: object) -> Any:
    if key == "expert_dataset":
        return None  # Stable Baselines wants it again when it trains
    if isinstance(item, ConstantFunction):
        item = item.value
    try:
        tree = _tree(item, key)
    except TypeError as error:
        raise ValueError(f"{key}: {error}, and Stable Baselines has nothing like it") from error
    if _is_json(tree):
        return tree
    return _pickled(tree, item)


def _pickled(tree: object, item: object) -> dict[str, str]:
    return {TYPE: str(type(item)), SERIALIZED: base64.b64encode(dumps(tree)).decode()}


def _reference(item: type) -> Global:
    if "<" in item.__qualname__:
        raise ValueError(f"policy: {item.__qualname__} is made inside of a function, where no file can refer to it")
    return Global(item.__module__, item.__qualname__)


def _is_json(tree: object) -> bool:
    if isinstance(tree, dict):
        return all(_is_json(part) for part in tree.values())
    return isinstance(tree, _PLAIN) or (isinstance(tree, list) and all(_is_json(part) for part in tree))


def _tree(item: Any, key: str) -> Any:
    """An object as a tree of names of Stable Baselines, gym, NumPy and TensorFlow 1.

    Raises:
        TypeError: it has no counterpart there.
    """
    if key == "act_fun" and isinstance(item, str):
        return _function(item)
    if key == "goal_selection_strategy":
        from stable_baselines_tf2.her.replay_buffer import KEY_TO_GOAL_STRATEGY

        strategy = KEY_TO_GOAL_STRATEGY[item]
        return Call(Global("stable_baselines.her.replay_buffer", "GoalSelectionStrategy"), (strategy.value,))
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, _PLAIN):
        return item
    if isinstance(item, gymnasium.Space):
        return _space(item)
    if isinstance(item, Mapping):
        return {name: _tree(part, name) for name, part in item.items()}
    if isinstance(item, list | tuple):
        return [_tree(part, "") for part in item]
    if isinstance(item, type) and issubclass(item, BasePolicy | BaseRLModel):
        return _class(item)
    if isinstance(item, LinearFunction):
        state = {"schedule_timesteps": 1.0, "final_p": item.initial, "initial_p": item.final}
        schedule = New(Global("stable_baselines.common.schedules", "LinearSchedule"), (), state)
        return Call(Global("builtins", "getattr"), (schedule, "value"))
    if noise_to_dict(item) is not None:
        return New(Global("stable_baselines.common.noise", type(item).__name__), (), dict(vars(item)))
    name = function_name(item)
    if name is None:
        raise TypeError(f"it is {item!r}")
    return _function(name)


def _class(item: type) -> Global:
    if not item.__module__.startswith(f"{PACKAGE}."):
        raise TypeError(f"it is the class {item.__module__}.{item.__qualname__}")
    return Global("stable_baselines" + item.__module__[len(PACKAGE) :], item.__qualname__)


def _function(name: str) -> Global:
    name = name.rpartition(".")[2]
    if name == "nature_cnn":
        return Global("stable_baselines.common.policies", name)
    name = _NAMES_IN_KERAS.get(name, name)
    if name not in _TENSORFLOW:
        raise TypeError(f"it is the function {name}")
    return Global(f"tensorflow.python.ops.{_TENSORFLOW[name]}", name)


def _space(space: Any) -> New:
    kind = space_kind(space)
    state: dict[str, Any] = {"shape": space.shape, "dtype": None, "_np_random": None}
    if np.any(getattr(space, "start", 0)):
        raise TypeError(f"it is {space}, which does not start at 0")
    match kind:
        case "Box":
            low, high = np.asarray(space.low), np.asarray(space.high)
            state |= {"low": low, "high": high, "bounded_below": low > -np.inf, "bounded_above": high < np.inf}
            state["dtype"] = data_type(np.dtype(space.dtype))
        case "Discrete":
            state |= {"n": int(space.n), "dtype": data_type(np.dtype(np.int64))}
        case "MultiDiscrete":
            state |= {"nvec": np.asarray(space.nvec, np.int64), "dtype": data_type(np.dtype(np.int64))}
        case "MultiBinary":
            n = space.n if isinstance(space.n, int | np.integer) else list(map(int, space.n))
            state |= {"n": n if isinstance(n, list) else int(n), "dtype": data_type(np.dtype(np.int8))}
        case "Dict":
            state["spaces"] = Call(
                Global("collections", "OrderedDict"),
                (),
                items=[(key, _space(part)) for key, part in space.spaces.items()],
            )
        case "Tuple":
            state["spaces"] = [_space(part) for part in space.spaces]
    return New(Global(f"gym.spaces.{_MODULES[kind]}", kind), (), state)


_MODULES = {
    **{"Box": "box", "Discrete": "discrete", "Dict": "dict", "Tuple": "tuple"},
    **{"MultiDiscrete": "multi_discrete", "MultiBinary": "multi_binary"},
}
