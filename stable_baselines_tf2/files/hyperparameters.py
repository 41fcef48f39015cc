"""Hyperparameters as JSON: known kinds of objects as descriptions, others as pickles that are not read by default."""

from __future__ import annotations

import base64
import contextlib
import importlib
import io
import json
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import cloudpickle
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.noise import noise_from_dict, noise_to_dict
from stable_baselines_tf2.common.policies import nature_cnn
from stable_baselines_tf2.common.schedules import schedule_from_dict, schedule_to_dict
from stable_baselines_tf2.core.archive import SERIALIZED, arrays_to_bytes, bytes_to_array, bytes_to_arrays
from stable_baselines_tf2.core.policy_registry import is_saved_class, loaded_class
from stable_baselines_tf2.envs.spaces import space_from_dict, space_to_dict
from stable_baselines_tf2.files.pickle_objects import loads
from stable_baselines_tf2.files.pickle_tree import UnsafePickle

PACKAGE = __name__.split(".")[0]
KIND, TYPE = ":kind:", ":type:"


class _Codec(NamedTuple):
    """How one kind of object is described; ``encode`` gives None for what is not of the kind."""

    encode: Callable[[Any], dict[str, Any] | None]
    decode: Callable[[dict[str, Any]], Any]


def _encode_class(item: Any) -> dict[str, Any] | None:
    if not is_saved_class(item):
        return None
    description: dict[str, Any] = {"module": item.__module__, "name": item.__qualname__}
    if not item.__module__.startswith(f"{PACKAGE}."):
        description |= _pickled(
            item
        )  # for allow_pickle=True; the name alone suffices where the class is imported already
    return description


def _decode_class(description: dict[str, Any]) -> type:
    module, name = description["module"], description["name"]
    if module.startswith(f"{PACKAGE}."):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    found = loaded_class(module, name)
    if found is None:
        raise _Unknown(f"the class {module}.{name}")
    return found


_ACTIVATIONS = ("relu", "tanh", "elu", "sigmoid", "leaky_relu", "softplus", "selu", "relu6", "softsign", "gelu")
_FUNCTIONS = {
    "tf.identity": tf.identity,
    **{f"tf.nn.{name}": getattr(tf.nn, name) for name in (*_ACTIVATIONS, "swish", "crelu")},
    **{f"keras.activations.{name}": getattr(keras.activations, name) for name in (*_ACTIVATIONS, "silu", "linear")},
}


def function_name(item: Any) -> str | None:
    """The name under which files know a function; None for any other object."""
    if not callable(item):
        return None
    if getattr(item, "__module__", "") == f"{PACKAGE}.common.policies" and item.__name__ == "nature_cnn":
        return "nature_cnn"
    return next((name for name, function in _FUNCTIONS.items() if function is item), None)


def _encode_function(item: object) -> dict[str, Any] | None:
    name = function_name(item)
    return None if name is None else {"name": name}


def _decode_function(description: dict[str, Any]) -> Any:
    if description["name"] == "nature_cnn":
        return nature_cnn
    if description["name"] not in _FUNCTIONS:
        raise _Unknown(f"the function {description['name']}")
    return _FUNCTIONS[description["name"]]


def _encode_array(item: object) -> dict[str, Any] | None:
    if not isinstance(item, np.ndarray) or item.dtype == object:
        return None
    return {"npz": base64.b64encode(arrays_to_bytes({"array": item})).decode()}


_CODECS: dict[str, _Codec] = {
    "space": _Codec(lambda item: space_to_dict(item) if isinstance(item, gymnasium.Space) else None, space_from_dict),
    "policy": _Codec(_encode_class, _decode_class),  # or algorithm
    "schedule": _Codec(lambda item: schedule_to_dict(item) if callable(item) else None, schedule_from_dict),
    "function": _Codec(_encode_function, _decode_function),
    "array": _Codec(_encode_array, lambda description: bytes_to_array(base64.b64decode(description["npz"]))),
    "noise": _Codec(noise_to_dict, noise_from_dict),
}


class _Unknown(Exception):
    """Something named in a file is not known here.

    Attributes:
        node: the same as a tree, see `files.pickle_tree.parse`; None where it was not pickled.
        encoded: what the file holds, as JSON.
    """

    node: Any = None
    encoded: Any = None


def _pickled(item: object) -> dict[str, str]:
    return {TYPE: str(type(item)), SERIALIZED: base64.b64encode(cloudpickle.dumps(item)).decode()}


def _encode(item: object) -> Any:
    if item is None or isinstance(item, bool | int | float | str):
        return item
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, Unrestored):
        if item.encoded is None:
            raise ValueError(item.message)
        return item.encoded
    if isinstance(item, list | tuple):
        return [_encode(part) for part in item]
    for kind, codec in _CODECS.items():  # before mappings, since a Dict space is one
        description = codec.encode(item)
        if description is not None:
            return {KIND: kind, **description}
    if isinstance(item, Mapping) and all(isinstance(key, str) for key in item):
        return {key: _encode(part) for key, part in item.items()}
    return _pickled(item)


def _decode(item: object, allow_pickle: bool) -> Any:
    """What an encoded value stands for.

    Raises:
        _Unknown: it cannot be restored safely.
        ValueError: it is damaged.
    """
    if isinstance(item, list):
        return [_decode(part, allow_pickle) for part in item]
    if not isinstance(item, dict):
        return item
    if KIND in item:
        kind = str(item[KIND])
        if kind not in _CODECS:
            raise _Unknown(f"a description of kind {kind!r}")
        try:
            return _CODECS[kind].decode({key: part for key, part in item.items() if key != KIND})
        except _Unknown:
            if not (allow_pickle and SERIALIZED in item):
                raise
        except Exception as error:  # constructors of other libraries have their own ways to refuse arguments
            raise ValueError(f"a damaged description of kind {kind!r} ({error!r})") from error
    if SERIALIZED in item:
        content = base64.b64decode(str(item[SERIALIZED]))
        return _read_pickle(content, item.get(TYPE, "unknown"), allow_pickle)
    return {key: _decode(part, allow_pickle) for key, part in item.items()}


def _read_pickle(content: bytes, type_name: str, allow_pickle: bool) -> Any:
    """An object from a pickle, if all of it is on the short list of what may be built, or the file is trusted."""
    try:
        return loads(content)
    except UnsafePickle as error:
        if allow_pickle:
            return load_trusted(content)
        unknown = _Unknown(f"a pickled object of type {type_name} ({error})")
        unknown.node = error.node
        raise unknown from error


# Where modules of version 0.1.0 are today: pickled classes of users name the module of their base class.
_MOVED = {
    **dict.fromkeys(("optional", "param_noise"), "core"),
    **dict.fromkeys(("env_ids", "gym_compat", "preprocessing", "spaces"), "envs"),
    **dict.fromkeys(("continuous_control", "continuous_policies", "export", "off_policy", "one_step"), "models"),
    **dict.fromkeys(("parallel", "training"), "models"),
}


class _TrustingUnpickler(pickle.Unpickler):
    """Executes a pickle, with this package in place of the original and gymnasium in place of gym."""

    def find_class(self, module: str, name: str) -> Any:
        wing = _MOVED.get(module.removeprefix(f"{PACKAGE}.common."))
        if wing is not None:
            module = module.replace(".common.", f".{wing}.", 1)
        for old, new in (("stable_baselines", PACKAGE), ("gym", "gymnasium")):
            if module == old or module.startswith(f"{old}."):
                module = new + module[len(old) :]
        return super().find_class(module, name)


def load_trusted(content: bytes) -> Any:
    """An object from a pickle, which is executed.

    Raises:
        ValueError: that fails; code of another version of Python is one reason.
    """
    try:
        return _TrustingUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # whatever the code in it raises
        raise ValueError(f"a pickle that cannot be executed here ({error!r})") from error


def is_json_serializable(item: object) -> bool:
    """Whether ``json.dumps`` takes an object."""
    try:
        json.dumps(item)
    except (TypeError, ValueError):
        return False
    return True


def data_to_json(data: Mapping[str, Any]) -> str:
    """Hyperparameters as JSON.

    Spaces, policy classes, schedules, activation functions, arrays and noise are described; what cannot be is pickled
    and encoded in base64.
    """
    return json.dumps({key: _encode(item) for key, item in data.items()}, indent=4)


def json_to_data(
    json_string: str, custom_objects: Mapping[str, Any] | None = None, allow_pickle: bool = False
) -> dict[str, Any]:
    """Hyperparameters from JSON.

    Args:
        json_string: what `data_to_json` made (or Stable Baselines 2.10).
        custom_objects: objects to use instead of what the file holds, by key.
        allow_pickle: also read pickles, which lets the file run any code.

    Raises:
        ValueError: ``custom_objects`` is not a dictionary, the JSON is invalid, or something in it cannot be restored;
            the message names it and the ways out.
    """
    data, unrestored = read_data(json_string, custom_objects, allow_pickle=allow_pickle)
    raise_unrestored(unrestored)
    return data


def raise_unrestored(unrestored: Mapping[str, Exception], hint: str | None = None) -> None:
    """Raises the error about what could not be restored, if there is anything.

    Args:
        unrestored: why, by hyperparameter.
        hint: more about the policy.
    """
    for key, error in unrestored.items():
        raise ValueError(_why_unrestored(key, error, hint)) from error


def _why_unrestored(key: str, error: Exception, hint: str | None = None) -> str:
    holds = "something" if isinstance(error, UnsafePickle) else str(error)  # whose messages are sentences
    why = f" ({error})" if isinstance(error, UnsafePickle) else ""
    more = f"; {hint}" if hint and key == "policy" else ""
    return (
        f"{key!r} of the model file holds {holds}, which cannot be restored without executing code from the file{why}"
        f"{more}. Either pass custom_objects={{{key!r}: ...}} with the object to use, or, if you trust the file, "
        "allow_pickle=True"
    )


class Unrestored:
    """Stands for a hyperparameter that could not be restored, until something needs it.

    Args:
        key: the hyperparameter.
        error: why not.
        encoded: what the file holds in its place, to be written again; None where that cannot be.
    """

    def __init__(self, key: str, error: Exception, encoded: Any = None) -> None:
        self.message, self.encoded = _why_unrestored(key, error), encoded

    def __call__(self, *args: object, **kwargs: object) -> Any:
        raise ValueError(self.message)

    __float__ = __int__ = __call__

    def __repr__(self) -> str:
        return f"<not restored: {self.message}>"


def require_restored(hyperparameters: Mapping[str, Any]) -> None:
    """Raises ValueError with the ways out if one of them was not restored."""
    for value in hyperparameters.values():
        if isinstance(value, Unrestored):
            raise ValueError(value.message)


def read_data(
    json_string: str, custom_objects: Mapping[str, Any] | None, *, allow_pickle: bool
) -> tuple[dict[str, Any], dict[str, Exception]]:
    """`json_to_data`, with what could not be restored, by key, in place of an error about it."""
    if custom_objects is not None and not isinstance(custom_objects, Mapping):
        raise ValueError(f"custom_objects must be a dictionary or None, not {custom_objects!r}")
    try:
        content = json.loads(json_string)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the data of a model file must be JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"the data of a model file must be a JSON object, not {type(content).__name__}")
    custom_objects = custom_objects or {}
    data: dict[str, Any] = {}
    unrestored: dict[str, Exception] = {}
    for key, item in content.items():
        if key in custom_objects:
            data[key] = custom_objects[key]
            continue
        try:
            data[key] = _decode(item, allow_pickle)
        except ValueError as error:
            raise ValueError(f"{key!r} of the model file is {error}") from error
        except _Unknown as error:
            error.encoded = item
            unrestored[key] = error
    return data, unrestored


def params_to_bytes(params: Mapping[str, np.ndarray]) -> bytes:
    """Parameters as the bytes of an npz file."""
    return arrays_to_bytes(params)


def bytes_to_params(serialized_params: bytes, param_list: list[str]) -> OrderedDict[str, np.ndarray]:
    """Parameters from the bytes of an npz file, in the order of ``param_list``."""
    arrays = bytes_to_arrays(serialized_params)
    return OrderedDict((name, arrays[name]) for name in param_list)
