"""Model files of this library and of Stable Baselines: any file to hyperparameters and parameters."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle
import numpy as np

from stable_baselines_tf2.core.archive import Archive, PathOrFile, atomic_write, file_name, read_archive
from stable_baselines_tf2.files import legacy_model
from stable_baselines_tf2.files.hyperparameters import (
    Unrestored,
    data_to_json,
    load_trusted,
    raise_unrestored,
    read_data,
)
from stable_baselines_tf2.files.registry import ALGORITHMS, PACKAGE

WeightValues = Mapping[str, np.ndarray] | list[np.ndarray] | tuple[np.ndarray, ...]
# Hyperparameters without which there is no model that predicts; others are missed by `learn` only.
_NEEDED = {"algorithm", "policy", "policy_kwargs", "observation_space", "action_space", "n_envs", "_vectorize_action"}
_NEEDED |= {"model_class", "her_obs_space", "n_sampled_goal", "goal_selection_strategy", "relabel_last"}
ALGORITHM = "algorithm"  # key under which files of this library name the class of their model


def full_name(cls: type) -> str:
    """Module and name of a class, as files hold them."""
    return f"{cls.__module__}.{cls.__qualname__}"


def check_algorithm(cls: type, data: Mapping[str, Any]) -> None:
    """Compares an algorithm with the one whose model a file holds.

    Files of Stable Baselines do not name it: there the hyperparameters decide.

    Raises:
        ValueError: it is another one.
    """
    named = data.get(ALGORITHM)
    if isinstance(named, str):
        if not _is_model_of(cls, named, data):
            raise ValueError(
                f"the file holds a model of {_shown(named)}, not of {_shown(full_name(cls))}: "
                f"use {named.rpartition('.')[2]}.load()"
            )
        return
    found, own = legacy_model.algorithm_of(data), {base.__name__ for base in cls.__mro__}
    wrapped = legacy_model.algorithm_of({key: value for key, value in data.items() if key != "model_class"})  # by HER
    fits = not {found, wrapped}.isdisjoint(own) or {found, cls.__name__} == {"GAIL", "TRPO"}
    if found is not None and not fits:
        raise ValueError(f"the file holds a model of {found}, not of {cls.__name__}: use {found}.load()")


def _shown(name: str) -> str:
    """The name of a class in messages: without its module where it is one of this library."""
    short = name.rpartition(".")[2]
    return short if short in ALGORITHMS and name.startswith(f"{PACKAGE}.") else name


def _is_model_of(cls: type, named: str, data: Mapping[str, Any]) -> bool:
    """Whether a class, by its name in a file, is one whose models ``cls`` loads: itself, a base or a subclass."""
    module, _, name = named.rpartition(".")
    own = {full_name(base) for base in cls.__mro__}
    if named in own:
        return True
    if "__main__" in (module, cls.__module__):  # a script's class has another module where the script is imported
        return name in {base.__qualname__ for base in cls.__mro__}
    found = getattr(sys.modules.get(module), name, None)
    wrapped = data.get("model_class")  # by HER
    return any(isinstance(other, type) and issubclass(other, cls) for other in (found, wrapped))


def check_policy_kwargs(data: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Compares the arguments of the policy, which decide about its weights, with those of the file.

    Raises:
        ValueError: ``changes`` gives others.
    """
    if "policy_kwargs" in changes and data_to_json(changes["policy_kwargs"]) != data_to_json(data["policy_kwargs"]):
        raise ValueError(
            f"policy_kwargs must equal those of the file, {data['policy_kwargs']}, not {changes['policy_kwargs']}"
        )


def read_parameters(load_path: PathOrFile) -> Any:
    """The parameters of a model file, by name or in order."""
    archive = read_archive(load_path)
    try:
        parameters = (
            archive.parameters
            if archive.pickled is None
            else legacy_model.read_pickle(archive.pickled, resolve=False)[1]
        )
    except legacy_model.UnsafePickle as error:
        raise ValueError(f"{file_name(load_path)} is not a model file or is damaged: {error}") from error
    if parameters is None:
        raise ValueError(f"{file_name(load_path)} holds no parameters")
    return parameters


def with_names(
    load_path: PathOrFile,
    parameters: Mapping[str, np.ndarray] | Sequence[np.ndarray] | None,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
) -> Mapping[str, np.ndarray]:
    """The parameters of a file by name; the oldest files hold them in order only.

    Args:
        load_path: the file, for messages.
        parameters: what it holds.
        names: names of the model's parameters, in order.
        shapes: their shapes.

    Raises:
        ValueError: they do not fit.
    """
    if isinstance(parameters, Mapping):
        return parameters
    try:
        return legacy_model.named_parameters(parameters or [], names, shapes)
    except ValueError as error:
        raise ValueError(f"{file_name(load_path)} does not fit: {error}") from error


def named_weights(
    source: PathOrFile | WeightValues, names: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Weights by name, for the arguments of `BaseRLModel.load_parameters`.

    Args:
        source: weights by name, a list of all of them in order, or a model file.
        names: names of the model's parameters, in order.
        shapes: their shapes.

    Raises:
        ValueError: a list of another length, or a file that is damaged or does not fit.
        FileNotFoundError: there is no such file.
    """
    if isinstance(source, Mapping):
        return dict(source)
    if isinstance(source, list | tuple):
        warnings.warn("parameters as a list are deprecated; use a dictionary by name", DeprecationWarning, stacklevel=3)
        if len(source) != len(names):
            raise ValueError(f"load_path_or_dict: a list of {len(source)} weights, but the model has {len(names)}")
        return dict(zip(names, source, strict=True))
    return dict(with_names(source, read_parameters(source), names, shapes))


def with_policy(custom_objects: dict[str, Any] | None, changes: dict[str, Any]) -> dict[str, Any] | None:
    """``custom_objects`` with the policy that ``load(path, policy=MyPolicy)`` gives; taken out of ``changes``."""
    if "policy" not in changes or not isinstance(custom_objects, Mapping | None):
        return custom_objects
    return {**(custom_objects or {}), "policy": changes.pop("policy")}


def read_model(
    load_path: PathOrFile,
    custom_objects: dict[str, Any] | None,
    algorithm: type | None = None,
    *,
    allow_pickle: bool = False,
) -> tuple[Archive, dict[str, Any]]:
    """A model file and the hyperparameters in it; for arguments and errors see `BaseRLModel.load`.

    ``algorithm`` is the class whose file it should be; None for any.
    """
    archive = read_archive(load_path)
    parameters: Any = archive.parameters
    unrestored: dict[str, Exception]
    if archive.pickled is not None:
        try:
            data, parameters, unrestored = legacy_model.read_pickle(archive.pickled, custom_objects)
        except legacy_model.UnsafePickle as error:
            raise ValueError(f"{file_name(load_path)} is not a model file or is damaged: {error}") from error
        if allow_pickle and unrestored:
            trusted = load_trusted(archive.pickled)[0]
            data |= {key: trusted[key] for key in unrestored}
            unrestored = {}
    else:
        if archive.data is None:
            raise ValueError(f"{file_name(load_path)} holds parameters only; make a model and use load_parameters()")
        data, unrestored = read_data(archive.data, custom_objects, allow_pickle=allow_pickle)
    if not parameters:
        raise ValueError(f"{file_name(load_path)} is damaged: it holds no parameters")
    if algorithm is not None:
        check_algorithm(algorithm, data)
    hint = legacy_model.complete(data, parameters, unrestored)
    raise_unrestored({key: error for key, error in unrestored.items() if key in _NEEDED}, hint)
    data |= {
        key: Unrestored(key, error, getattr(error, "encoded", None))
        for key, error in unrestored.items()
        if key not in _NEEDED
    }
    for name in ("policy", "observation_space", "action_space", "policy_kwargs"):
        if name not in data:
            raise ValueError(f"{file_name(load_path)} is not a model file or is damaged: {name} is missing")
    try:
        legacy_model.check_sizes(data, parameters)
    except ValueError as error:
        raise ValueError(f"{file_name(load_path)} is damaged: {error}") from error
    archive.parameters = parameters
    return archive, data


def write_pickle(target: PathOrFile, data: dict[str, Any], parameters: OrderedDict[str, np.ndarray]) -> None:
    """Writes the pickle of versions before 2.8; for the arguments see `BaseRLModel.save`."""
    content = cloudpickle.dumps((data, parameters), protocol=pickle.DEFAULT_PROTOCOL)
    if isinstance(target, str | os.PathLike):
        path = os.fspath(target)
        with atomic_write(path if os.path.splitext(path)[1] else f"{path}.pkl") as file:
            file.write(content)
    else:
        target.write(content)
