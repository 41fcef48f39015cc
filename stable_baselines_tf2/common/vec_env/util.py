"""Observations of several environments in arrays, whatever their space."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.envs.spaces import space_kind


def copy_obs_dict(obs: Mapping[Any, np.ndarray]) -> OrderedDict[Any, np.ndarray]:
    """Copies a dict and the arrays in it.

    Args:
        obs: arrays by key.

    Returns:
        The copy.

    Raises:
        TypeError: it is not a dict.
    """
    if not isinstance(obs, Mapping):
        raise TypeError(f"obs must be a dict of arrays, got {type(obs).__name__}")
    return OrderedDict((key, np.copy(value)) for key, value in obs.items())


def dict_to_obs(space: gymnasium.Space, obs_dict: Mapping[Any, np.ndarray]) -> Any:
    """Brings arrays by key, with the keys of `obs_space_info`, to the form of a space.

    Args:
        space: the observation space.
        obs_dict: arrays by key.

    Returns:
        The dict for a Dict space, a tuple for a Tuple space, otherwise the one array.

    Raises:
        ValueError: the keys are not those of the space.
    """
    kind = _structure(space)
    expected = obs_space_info(space)[0]
    if set(obs_dict) != set(expected):
        raise ValueError(f"obs_dict must have the keys {expected}, got {list(obs_dict)}")
    if kind == "Dict":
        return obs_dict
    return tuple(obs_dict[key] for key in expected) if kind == "Tuple" else obs_dict[None]


def obs_space_info(obs_space: gymnasium.Space) -> tuple[list[Any], dict[Any, tuple[int, ...]], dict[Any, np.dtype]]:
    """Lists the arrays that an observation consists of.

    Args:
        obs_space: the observation space.

    Returns:
        Keys, shapes by key and dtypes by key. The keys are those of a Dict space, the positions in a Tuple space, and
        otherwise None alone.

    Raises:
        ValueError: the parts of a Dict or Tuple space are themselves Dict or Tuple spaces.
    """
    parts: dict[Any, gymnasium.Space] = {None: obs_space}
    if _structure(obs_space) is not None:
        inner = obs_space.spaces  # type: ignore[attr-defined]
        parts = dict(inner.items() if hasattr(inner, "items") else enumerate(inner))
    shapes, dtypes = {}, {}
    for key, part in parts.items():
        if part.shape is None or part.dtype is None:
            raise ValueError(f"observation spaces may not be nested more than once, but part {key!r} is {part}")
        shapes[key], dtypes[key] = part.shape, part.dtype
    return list(parts), shapes, dtypes


def stack_obs(observations: Sequence[Any], space: gymnasium.Space) -> Any:
    """Stacks the observations of several environments.

    Args:
        observations: one observation for each environment.
        space: the observation space of one environment.

    Returns:
        An array ``[num_envs, ...]``, or an OrderedDict or tuple of such for Dict and Tuple spaces.
    """
    kind = _structure(space)
    if kind == "Dict":
        return OrderedDict((key, np.stack([obs[key] for obs in observations])) for key in obs_space_info(space)[0])
    if kind == "Tuple":
        return tuple(np.stack(parts) for parts in zip(*observations, strict=True))
    return np.stack(observations)


def _structure(space: gymnasium.Space) -> str | None:
    """``"Dict"``, ``"Tuple"``, or None where an observation is one array."""
    try:
        kind = space_kind(space)
    except TypeError:  # a user's own type of space is as good as any other, if it has a shape
        kind = ""
    if kind not in ("Dict", "Tuple") and hasattr(space, "spaces"):
        raise ValueError(f"observation spaces with parts must be Dict or Tuple, got {type(space).__name__}")
    return kind if kind in ("Dict", "Tuple") else None
