"""Spaces: the one place that distinguishes their types, compares them and serializes them.

Spaces of old ``gym`` are recognised by the names of their classes, so ``gym`` need not be installed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

MAX_ENTRIES = 2**25  # of a Box in a file: more than any image has
KINDS = ("Box", "Discrete", "MultiDiscrete", "MultiBinary", "Dict", "Tuple")


def space_kind(space: gymnasium.Space) -> str:
    """Says what kind of space this is.

    Args:
        space: a space of gymnasium or of old gym.

    Returns:
        One of ``KINDS``; a subclass counts as what it derives from.

    Raises:
        TypeError: it is none of these.
    """
    for cls in type(space).__mro__:
        if cls.__name__ in KINDS:
            return cls.__name__
    raise TypeError(f"expected a space of one of the kinds {', '.join(KINDS)}, got {space!r} ({type(space).__name__})")


def as_gymnasium_space(space: gymnasium.Space) -> gymnasium.Space:
    """Converts a space of old gym; gymnasium's own pass through unchanged.

    Args:
        space: a space of gymnasium (any type) or of old gym (one of ``KINDS``).

    Returns:
        The equivalent gymnasium space.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(space, gymnasium.Space):
        return space
    return space_from_dict(space_to_dict(space))


def space_to_dict(space: Any) -> dict[str, Any]:
    """Describes a space by values that JSON can hold.

    Args:
        space: a space of one of ``KINDS``.

    Returns:
        ``{"type": kind, ...}``. Bounds of a Box are one number where all entries agree, otherwise nested lists;
        infinities are ``"inf"`` and ``"-inf"``.

    Raises:
        TypeError: the space is of another kind.
    """
    kind = space_kind(space)
    if kind == "Box":
        return {
            "type": kind,
            "shape": list(space.shape),
            "low": _bound_to_json(space.low),
            "high": _bound_to_json(space.high),
            "dtype": np.dtype(space.dtype).name,
        }
    if kind == "Discrete":
        return {"type": kind, "n": int(space.n), **_start_to_json(space)}
    if kind == "MultiDiscrete":
        return {"type": kind, "nvec": np.asarray(space.nvec).tolist(), **_start_to_json(space)}
    if kind == "MultiBinary":
        return {"type": kind, "n": np.asarray(space.n).tolist()}
    if kind == "Dict":
        return {"type": kind, "spaces": {key: space_to_dict(part) for key, part in space.spaces.items()}}
    return {"type": kind, "spaces": [space_to_dict(part) for part in space.spaces]}


def space_from_dict(description: dict[str, Any]) -> gymnasium.Space:
    """Builds the space that `space_to_dict` described.

    Args:
        description: as `space_to_dict` returns it; ``dtype`` of a Box defaults to ``float32``.

    Returns:
        A gymnasium space.

    Raises:
        ValueError: the description is incomplete or of an unknown type.
    """
    try:
        kind = description["type"]
        if kind == "Box":
            shape, dtype = tuple(description["shape"]), np.dtype(description.get("dtype", "float32"))
            if math.prod(shape) > MAX_ENTRIES or dtype.kind not in "biuf":
                raise ValueError(f"a Box of shape {shape} and type {dtype} is not valid")
            low, high = (_bound_from_json(description[name], shape, dtype) for name in ("low", "high"))
            return spaces.Box(low, high, shape, dtype.type)
        if kind == "Discrete":
            return spaces.Discrete(int(description["n"]), start=int(description.get("start", 0)))
        if kind == "MultiDiscrete":
            return spaces.MultiDiscrete(description["nvec"], start=description.get("start"))
        if kind == "MultiBinary":
            return spaces.MultiBinary(description["n"])
        if kind == "Dict":  # an OrderedDict keeps its order, gymnasium sorts the keys of other mappings
            return spaces.Dict(OrderedDict((key, space_from_dict(part)) for key, part in description["spaces"].items()))
        if kind == "Tuple":
            return spaces.Tuple([space_from_dict(part) for part in description["spaces"]])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot build a space from {description!r}: {error!r}") from error
    raise ValueError(f"unknown type of space {kind!r}; known are {', '.join(KINDS)}")


def spaces_equal(first: Any, second: Any, bounds: bool = True) -> bool:
    """Compares two spaces, whichever library each comes from.

    Old environments wrote the largest finite number of the dtype where new ones write infinity: both mean unbounded.

    Args:
        first: a space.
        second: another.
        bounds: False compares kind, shape and dtype of Box spaces only.

    Returns:
        True where an agent that fits one fits the other.
    """
    kind = space_kind(first)
    if kind != space_kind(second):
        return False
    if kind == "Box":
        if tuple(first.shape) != tuple(second.shape) or np.dtype(first.dtype) != np.dtype(second.dtype):
            return False
        return not bounds or all(
            np.allclose(_unbounded(getattr(first, name)), _unbounded(getattr(second, name))) for name in ("low", "high")
        )
    if kind == "Dict":
        return list(first.spaces) == list(second.spaces) and all(
            spaces_equal(first.spaces[key], second.spaces[key], bounds) for key in first.spaces
        )
    if kind == "Tuple":
        return len(first.spaces) == len(second.spaces) and all(
            spaces_equal(a, b, bounds) for a, b in zip(first.spaces, second.spaces, strict=True)
        )
    return space_to_dict(first) == space_to_dict(second)


def random_actions(space: gymnasium.Space, n: int, generator: np.random.Generator) -> np.ndarray:
    """Uniformly random actions, [n, …], from a generator whose state the caller keeps.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary or a bounded Box.
        n: number of actions.
        generator: source of random numbers.

    Raises:
        TypeError: the space is of another kind.
        ValueError: a Box without bounds.
    """
    if isinstance(space, spaces.Discrete):
        return space.start + generator.integers(space.n, size=n)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start + generator.integers(space.nvec, size=(n, *space.nvec.shape))
    if isinstance(space, spaces.MultiBinary):
        return generator.integers(2, size=(n, *space.shape)).astype(np.int8)
    if isinstance(space, spaces.Box):
        if not space.is_bounded():
            raise ValueError(f"there are no uniformly random actions in a Box without bounds, {space}")
        return generator.uniform(space.low, space.high, (n, *space.shape)).astype(space.dtype)
    raise TypeError(f"actions of {space} cannot be drawn")


def _unbounded(bound: np.ndarray) -> np.ndarray:
    """Infinity where the bound is as large as its dtype allows."""
    bound = np.asarray(bound)
    if bound.dtype.kind != "f":
        return bound
    return np.where(np.abs(bound) >= np.finfo(bound.dtype).max, np.copysign(np.inf, bound), bound)


def _start_to_json(space: gymnasium.Space) -> dict[str, Any]:
    """The smallest values of a discrete space, if they are not 0 as in old gym."""
    start = np.asarray(getattr(space, "start", 0))
    return {"start": start.tolist()} if start.any() else {}


def _bound_to_json(bound: np.ndarray) -> Any:
    bound = np.asarray(bound)
    if bound.size and (bound == bound.flat[0]).all():
        return _number_to_json(bound.flat[0].item())
    return _map_nested(_number_to_json, bound.tolist())


def _bound_from_json(bound: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.broadcast_to(np.asarray(_map_nested(_number_from_json, bound)), shape).astype(dtype)


def _number_to_json(number: float) -> float | str:
    return str(number) if number in (float("inf"), float("-inf")) else number


def _number_from_json(number: float | str) -> float:
    return float(number) if isinstance(number, str) else number


def _map_nested(function: Any, value: object) -> Any:
    return [_map_nested(function, part) for part in value] if isinstance(value, list) else function(value)
