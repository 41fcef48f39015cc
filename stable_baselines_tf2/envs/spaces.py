"""Spaces: one table of what there is to know of each kind; comparison and JSON.

Spaces of old ``gym`` are recognised by the names of their classes, so ``gym`` need not be installed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from stable_baselines_tf2.core.sampling import (
    BernoulliSampler,
    CategoricalSampler,
    GaussianSampler,
    MultiCategoricalSampler,
    Sampler,
)

MAX_ENTRIES = 2**25  # of a Box in a file: more than any image has


class SpaceKind(NamedTuple):
    """A kind of space: one row of the table.

    Functions of a space take one of gymnasium or of old gym. None stands for what networks do not do with the kind.
    """

    name: str
    to_json: Callable[[Any], dict[str, Any]]  # a space described by values that JSON can hold, without its kind
    from_json: Callable[[Mapping[str, Any]], gymnasium.Space]  # the space for such a description
    from_attributes: Callable[
        [Mapping[str, Any]], dict[str, Any]
    ]  # such a description from a pickled space's attributes
    width: Callable[[Any], int] | None = None  # numbers that go into a network, or come out of it
    one_hot: bool = False  # whether observations enter a network as one-hot vectors
    distribution: str | None = None  # of actions, see `common.distributions.make_proba_dist_type`
    sampler: Callable[[Any], Sampler] | None = None  # of actions
    draw: Callable[[Any, int, np.random.Generator], np.ndarray] | None = None  # n uniformly random actions


# ---------------------------------------------------------------- the entries of the table
def _size(space: Any) -> int:
    return math.prod(space.shape or ())


def _box_to_json(space: Any) -> dict[str, Any]:
    return {
        "shape": list(space.shape),
        "low": _bound_to_json(space.low),
        "high": _bound_to_json(space.high),
        "dtype": np.dtype(space.dtype).name,
    }


def _box_from_json(description: Mapping[str, Any]) -> spaces.Box:
    shape, dtype = tuple(description["shape"]), np.dtype(description.get("dtype", "float32"))
    if math.prod(shape) > MAX_ENTRIES or dtype.kind not in "biuf":
        raise ValueError(f"a Box of shape {shape} and type {dtype} is not valid")
    low, high = (_bound_from_json(description[name], shape, dtype) for name in ("low", "high"))
    return spaces.Box(low, high, shape, dtype.type)


def _box_from_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    low, high = np.asarray(attributes["low"]), np.asarray(attributes["high"])
    dtype = np.dtype(attributes.get("dtype", np.float32))
    shape = tuple(attributes.get("shape", attributes.get("_shape", low.shape)))
    if low.shape != shape or high.shape != low.shape or dtype.kind not in "biuf":
        raise ValueError(f"a Box has shape {shape!r:.100}, type {dtype} and bounds of other shapes or types")
    return {"shape": low.shape, "low": low.tolist(), "high": high.tolist(), "dtype": dtype.name}


def _draw_box(space: Any, n: int, generator: np.random.Generator) -> np.ndarray:
    if not space.is_bounded():
        raise ValueError(f"there are no uniformly random actions in a Box without bounds, {space}")
    return generator.uniform(space.low, space.high, (n, *space.shape)).astype(space.dtype)


def _start_to_json(space: Any) -> dict[str, Any]:
    """The smallest values of a discrete space, if they are not 0 as in old gym."""
    start = np.asarray(getattr(space, "start", 0))
    return {"start": start.tolist()} if start.any() else {}


def _plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: attributes[key] for key in ("n", "nvec", "start") if key in attributes}


def _parts_to_json(space: Any) -> dict[str, Any]:
    if isinstance(space.spaces, Mapping):
        return {"spaces": {key: space_to_dict(part) for key, part in space.spaces.items()}}
    return {"spaces": [space_to_dict(part) for part in space.spaces]}


def _dict_from_json(description: Mapping[str, Any]) -> spaces.Dict:
    # An OrderedDict keeps its order, gymnasium sorts the keys of other mappings.
    return spaces.Dict(OrderedDict((key, space_from_dict(part)) for key, part in description["spaces"].items()))


def _parts_from_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The same description: the parts of a pickled space are spaces already."""
    parts = attributes["spaces"]
    if isinstance(parts, Mapping):
        return {"spaces": OrderedDict((key, space_to_dict(part)) for key, part in parts.items())}
    return {"spaces": [space_to_dict(part) for part in parts]}


_TABLE = (
    SpaceKind(
        "Box",
        _box_to_json,
        _box_from_json,
        _box_from_attributes,
        width=_size,
        distribution="gaussian",
        sampler=lambda space: GaussianSampler(),
        draw=_draw_box,
    ),
    SpaceKind(
        "Discrete",
        lambda space: {"n": int(space.n), **_start_to_json(space)},
        lambda description: spaces.Discrete(int(description["n"]), start=int(description.get("start", 0))),
        _plain_attributes,
        width=lambda space: int(space.n),
        one_hot=True,
        distribution="categorical",
        sampler=lambda space: CategoricalSampler(),
        draw=lambda space, n, generator: space.start + generator.integers(space.n, size=n),
    ),
    SpaceKind(
        "MultiDiscrete",
        lambda space: {"nvec": np.asarray(space.nvec).tolist(), **_start_to_json(space)},
        lambda description: spaces.MultiDiscrete(description["nvec"], start=description.get("start")),
        _plain_attributes,
        width=lambda space: int(np.sum(space.nvec)),
        one_hot=True,
        distribution="multi-categorical",
        sampler=lambda space: MultiCategoricalSampler([int(n) for n in space.nvec]),
        draw=lambda space, n, generator: space.start + generator.integers(space.nvec, size=(n, *space.nvec.shape)),
    ),
    SpaceKind(
        "MultiBinary",
        lambda space: {"n": np.asarray(space.n).tolist()},
        lambda description: spaces.MultiBinary(description["n"]),
        _plain_attributes,
        width=_size,
        distribution="bernoulli",
        sampler=lambda space: BernoulliSampler(),
        draw=lambda space, n, generator: generator.integers(2, size=(n, *space.shape)).astype(np.int8),
    ),
    SpaceKind("Dict", _parts_to_json, _dict_from_json, _parts_from_attributes),
    SpaceKind(
        "Tuple",
        _parts_to_json,
        lambda description: spaces.Tuple([space_from_dict(part) for part in description["spaces"]]),
        _parts_from_attributes,
    ),
)
KINDS: dict[str, SpaceKind] = {kind.name: kind for kind in _TABLE}


# ---------------------------------------------------------------- asking the table
def kind_of(space: object) -> SpaceKind:
    """The row of the table for a space; a subclass counts as what it derives from.

    Raises:
        TypeError: it is of none of these kinds.
    """
    for cls in type(space).__mro__:
        if cls.__name__ in KINDS:
            return KINDS[cls.__name__]
    raise TypeError(f"expected a space of one of the kinds {', '.join(KINDS)}, got {space!r} ({type(space).__name__})")


def space_kind(space: object) -> str:
    """Name of the kind of a space, one of ``KINDS``; for errors see `kind_of`."""
    return kind_of(space).name


def is_box(space: object) -> bool:
    """Whether this is a Box: numbers or images."""
    return space_kind(space) == "Box"


def is_discrete(space: object) -> bool:
    """Whether this is a Discrete space: one choice."""
    return space_kind(space) == "Discrete"


def is_image(space: object) -> bool:
    """Whether this is a Box with height, width and channels."""
    return is_box(space) and len(getattr(space, "shape", ())) == 3


def action_bounds(space: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Lowest and highest action of a Box; None where there is nothing to clip."""
    return (space.low, space.high) if is_box(space) else None


def clip_to_bounds(actions: np.ndarray, space: object) -> np.ndarray:
    """Actions within the bounds of a Box; those of other spaces as they are."""
    bounds = action_bounds(space)
    return actions if bounds is None else np.clip(actions, *bounds)


def width(space: object) -> int:
    """Number of a network's inputs or outputs that a space needs.

    Raises:
        TypeError: a Dict or Tuple, or of no known kind.
    """
    kind = kind_of(space)
    if kind.width is None:
        raise TypeError(f"networks do not take a {kind.name} space, {space}")
    return kind.width(space)


def random_actions(space: gymnasium.Space, n: int, generator: np.random.Generator) -> np.ndarray:
    """Uniformly random actions, [n, …], from a generator whose state the caller keeps.

    Raises:
        TypeError: the space is a Dict or Tuple, or of no known kind.
        ValueError: a Box without bounds.
    """
    kind = kind_of(space)
    if kind.draw is None:
        raise TypeError(f"actions of a {kind.name} space cannot be drawn, {space}")
    return kind.draw(space, n, generator)


# ---------------------------------------------------------------- conversion, JSON
def as_gymnasium_space(space: object) -> gymnasium.Space:
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


def space_to_dict(space: object) -> dict[str, Any]:
    """Describes a space by values that JSON can hold.

    Args:
        space: a space of one of ``KINDS``.

    Returns:
        ``{"type": kind, ...}``. Bounds of a Box are one number where all entries agree, otherwise nested lists;
        infinities are ``"inf"`` and ``"-inf"``.

    Raises:
        TypeError: the space is of another kind.
    """
    kind = kind_of(space)
    return {"type": kind.name, **kind.to_json(space)}


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
        if kind in KINDS:
            return KINDS[kind].from_json(description)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot build a space from {description!r}: {error!r}") from error
    raise ValueError(f"unknown type of space {kind!r}; known are {', '.join(KINDS)}")


def spaces_equal(first: Any, second: Any, *, bounds: bool = True) -> bool:
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
            spaces_equal(first.spaces[key], second.spaces[key], bounds=bounds) for key in first.spaces
        )
    if kind == "Tuple":
        return len(first.spaces) == len(second.spaces) and all(
            spaces_equal(a, b, bounds=bounds) for a, b in zip(first.spaces, second.spaces, strict=True)
        )
    return space_to_dict(first) == space_to_dict(second)


def _unbounded(bound: np.ndarray) -> np.ndarray:
    """Infinity where the bound is as large as its dtype allows."""
    bound = np.asarray(bound)
    if bound.dtype.kind != "f":
        return bound
    return np.where(np.abs(bound) >= np.finfo(bound.dtype).max, np.copysign(np.inf, bound), bound)


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


def _map_nested(function: Callable[[Any], Any], value: Any) -> Any:
    return [_map_nested(function, part) for part in value] if isinstance(value, list) else function(value)
