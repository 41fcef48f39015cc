"""Model files of all versions of Stable Baselines: what is in them, and what they leave unsaid.

Before version 2.8 a model was one pickle of hyperparameters and weights, the weights first as a list without names,
later by name. Versions added hyperparameters and dropped some. Policies of users are recognised where that is possible.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stable_baselines_tf2.core.policy_registry import loaded_class
from stable_baselines_tf2.envs.spaces import kind_of, width
from stable_baselines_tf2.files.pickle_objects import SHARED_PARTS, Builder, Placeholder
from stable_baselines_tf2.files.pickle_tree import Pairs, UnsafePickle, parse
from stable_baselines_tf2.files.recognise import (
    NotRecognised,
    PolicyArchitecture,
    address_of_class,
    recognise_policy,
)
from stable_baselines_tf2.files.registry import ALGORITHMS

Parameters = OrderedDict[str, np.ndarray] | list[np.ndarray]

# What some versions stored and algorithms do not use; objects of users among it are not a reason to refuse a file.
OBSOLETE = {"memory_policy", "reward_giver", "pretrained_weight", "checkpoint_path", "checkpoint_dir", "task_name"}
# Arguments of policies that recognition finds out.
_STRUCTURE = {"layers", "net_arch", "n_lstm", "layer_norm", "dueling", "feature_extraction"}


def algorithm_of(data: Mapping[str, Any]) -> str | None:
    """Name of the algorithm that has these hyperparameters; None where that is unclear."""
    if isinstance(data.get("algorithm"), str):
        return data["algorithm"].rpartition(".")[2]
    return _algorithm_by_hyperparameter(data)


def _algorithm_by_hyperparameter(data: Mapping[str, Any]) -> str | None:
    # TRPO's files hold `using_gail` as well: what counts is its value.
    present = {key for key in data if key != "using_gail" or data[key] is True}
    return next((name for name, algorithm in ALGORITHMS.items() if algorithm.sign in present), None)


def policy_family(data: Mapping[str, Any]) -> str:
    """What the algorithm's policies belong to, see `PolicyArchitecture`."""
    algorithm = _algorithm_by_hyperparameter({key: value for key, value in data.items() if key != "model_class"})
    return ALGORITHMS[algorithm].policies if algorithm else "common"


def read_pickle(
    content: bytes, custom_objects: Mapping[str, Any] | None = None, *, resolve: bool = True
) -> tuple[dict[str, Any], Parameters, dict[str, Exception]]:
    """A model of a version before 2.8.

    Args:
        content: the file.
        custom_objects: objects to use instead of what the file holds, by name of the hyperparameter.
        resolve: see `Builder`.

    Returns:
        The hyperparameters; the weights by name or in order; and what could not be restored, by hyperparameter.

    Raises:
        UnsafePickle: the file is damaged, or no model file.
    """
    parsed = parse(content)
    if not isinstance(parsed.root, list | tuple) or len(parsed.root) != 2 or not isinstance(parsed.root[0], Pairs):
        raise UnsafePickle("it holds no pair of hyperparameters and weights")
    builder = Builder(len(content) + SHARED_PARTS, resolve=resolve)
    data: dict[str, Any] = {}
    unrestored: dict[str, Exception] = {}
    for key, node in parsed.root[0]:
        if not isinstance(key, str):
            raise UnsafePickle("a hyperparameter has no name")
        if custom_objects and key in custom_objects:
            data[key] = custom_objects[key]
            continue
        try:
            data[key] = builder.build(node)
        except UnsafePickle as error:
            error.node = node
            unrestored[key] = error
    return data, _weights(builder.build(parsed.root[1])), unrestored


def _weights(found: object) -> Parameters:
    arrays = list(found.values()) if isinstance(found, dict) else found
    if not isinstance(arrays, list) or not all(isinstance(array, np.ndarray | np.number) for array in arrays):
        raise UnsafePickle("its weights are not arrays")
    arrays = [np.asarray(array) for array in arrays]
    if not isinstance(found, dict):
        return arrays
    if not all(isinstance(name, str) for name in found):
        raise UnsafePickle("its weights have no names")
    return OrderedDict(zip(found, arrays, strict=True))


def recognised_policy(
    data: Mapping[str, Any], parameters: Parameters, unrestored: Mapping[str, Exception]
) -> PolicyArchitecture | NotRecognised | None:
    """The built-in policy that stands for one that could not be restored, or why there is none; None if not needed."""
    node = getattr(unrestored.get("policy"), "node", None)
    if node is None:
        return None
    try:
        return recognise_policy(node, parameters, data, policy_family(data))
    except (NotRecognised, UnsafePickle) as error:
        return NotRecognised(str(error))


def complete(data: dict[str, Any], parameters: Parameters, unrestored: dict[str, Exception]) -> str | None:
    """Adds to the hyperparameters what versions or classes of users left out, in place.

    Returns:
        What is to be said about a policy that was not recognised; None otherwise.
    """
    for key in OBSOLETE & unrestored.keys():
        del unrestored[key]
    data.setdefault("policy_kwargs", {})
    if isinstance(data.get("expert_dataset"), Placeholder):  # of which the file has no data, only where they were
        data["expert_dataset"] = None
    node = getattr(unrestored.get("policy"), "node", None)
    if node is not None:
        with contextlib.suppress(NotRecognised, UnsafePickle):
            policy = loaded_class(*address_of_class(node))  # the program's own, not the file's
            if policy is not None:
                data["policy"] = policy
                del unrestored["policy"]
    found = recognised_policy(data, parameters, unrestored)
    if isinstance(found, NotRecognised):
        return str(found)
    if found is not None and isinstance(data["policy_kwargs"], dict):
        del unrestored["policy"]
        data["policy"], data["policy_kwargs"] = apply(found, data["policy_kwargs"])
        assumed = "" if "act_fun" in data["policy_kwargs"] else ", with its usual activation function"
        warnings.warn(
            f"the policy of the file is a class that is not available; its parameters are those of {found}, which is "
            f"used{assumed}. Pass custom_objects={{'policy': ...}} if that is not it, or "
            "custom_objects={'policy_kwargs': {'act_fun': ...}} for another activation function",
            stacklevel=4,
        )
    return None


def apply(found: PolicyArchitecture, policy_kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The class that was recognised, and its arguments together with those of the file."""
    import importlib

    kwargs = dict(found.kwargs)
    if "act_fun" in kwargs:
        kwargs["act_fun"] = getattr(importlib.import_module("tensorflow").nn, kwargs["act_fun"])
    kept = {key: value for key, value in policy_kwargs.items() if key not in _STRUCTURE}
    return getattr(importlib.import_module(found.module), found.name), {**kwargs, **kept}


def named_parameters(
    arrays: Sequence[np.ndarray], names: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> OrderedDict[str, np.ndarray]:
    """Weights of a file that has no names.

    Versions before 2.6 stored more than the parameters: DDPG other networks between its own and the statistics of
    observations, SAC everything twice.

    Args:
        arrays: the file's.
        names: the model's parameters, in order.
        shapes: of these.

    Raises:
        ValueError: they do not fit.
    """
    n_last = sum("_rms/" in name for name in names)  # the statistics
    n_first = len(names) - n_last
    given = [*arrays[:n_first], *(arrays[-n_last:] if n_last else ())] if len(arrays) >= len(names) else list(arrays)
    for name, array, shape in zip(names, given, shapes, strict=False):
        if array.shape != shape:
            raise ValueError(f"{name} has shape {shape}, and the weights in its place have shape {array.shape}")
    if len(given) != len(names):
        raise ValueError(f"it has {len(arrays)} arrays of weights, such a model has {len(names)}")
    return OrderedDict(zip(names, given, strict=True))


def check_sizes(data: Mapping[str, Any], parameters: Parameters) -> None:
    """Compares sizes that hyperparameters demand with the weights, before anything is made of such a size.

    Raises:
        ValueError: something is larger than any dimension of the weights, or than makes sense.
    """
    arrays = list(parameters.values()) if isinstance(parameters, dict) else parameters
    largest = max((size for array in arrays for size in array.shape), default=1)
    images = any(array.ndim == 4 for array in arrays)
    for name in ("observation_space", "action_space"):
        for size in _space_sizes(data.get(name), images):
            if size > largest:
                raise ValueError(f"its {name} has {size} entries, and no weights are that large")
    for size in _numbers(data.get("policy_kwargs")):
        if size > max(largest, 1024):
            raise ValueError(f"its policy_kwargs name the size {size}, and no weights are that large")
    n_envs = data.get("n_envs", 1)
    if isinstance(n_envs, bool) or not isinstance(n_envs, int | np.integer) or not 0 < n_envs <= 2**16:
        raise ValueError(f"its n_envs is {n_envs!r:.50}")


def _space_sizes(space: Any, images: bool) -> Iterable[int]:
    try:
        kind, size = kind_of(space), width(space)
    except TypeError:
        return
    if kind.one_hot or not images:
        yield size


def _numbers(value: object, depth: int = 8) -> Iterable[int]:
    if isinstance(value, int | np.integer):
        yield int(value)
    elif isinstance(value, dict | list | tuple) and depth:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part, depth - 1)
