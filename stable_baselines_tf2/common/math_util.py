"""Discounting, explained variance, and rescaling of actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from stable_baselines_tf2.core.returns import discounted_sum


def safe_mean(arr: Sequence[float]) -> float:
    """Mean of the values, nan (and no warning) when there are none."""
    return float(np.mean(arr)) if len(arr) else float("nan")


def discount(vector: np.ndarray, gamma: float) -> np.ndarray:
    """Discounted sums along the first axis: ``y_t = x_t + gamma * y_tp1``.

    Args:
        vector: ``x``, an array of one dimension or more.
        gamma: discount factor.

    Returns:
        ``y``, float64 of the same shape.

    Raises:
        ValueError: ``vector`` has no dimension.
    """
    if np.ndim(vector) < 1:
        raise ValueError(f"vector must have at least one dimension, got the number {vector!r}")
    return discounted_sum(vector, gamma)


def discount_with_boundaries(rewards: np.ndarray, episode_starts: np.ndarray, gamma: float) -> np.ndarray:
    """Discounted sums along the first axis that do not reach into the next episode.

    Args:
        rewards: ``[T, ...]``.
        episode_starts: whether step ``t`` is the first of its episode, ``[T, ...]``.
        gamma: discount factor.

    Returns:
        Sums of the shape of ``rewards``, and of their dtype if that is a floating one.
    """
    sums = np.array(rewards, dtype=np.result_type(rewards, np.float32))
    for step in reversed(range(len(sums) - 1)):  # in the dtype of the rewards: float32 rounds at every step
        sums[step] += float(gamma) * sums[step + 1] * (1 - np.asarray(episode_starts[step + 1], dtype=np.float64))
    return sums


def explained_variance(y_pred: np.ndarray, y_true: np.ndarray) -> float:
    """Share of the variance of the targets that the predictions explain: ``1 - Var[y_true - y_pred] / Var[y_true]``.

    Args:
        y_pred: predictions, ``[B]``.
        y_true: targets, ``[B]``.

    Returns:
        1 for perfect predictions, 0 or less for ones that are no better than a constant, nan for constant targets.

    Raises:
        ValueError: an array does not have one dimension.
    """
    _check_dimensions(1, y_pred=y_pred, y_true=y_true)
    variance = np.var(y_true)
    return float("nan") if variance == 0 else float(1 - np.var(y_true - y_pred) / variance)


def explained_variance_2d(y_pred: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """Explained variance of each column.

    As in Stable Baselines, the variance of the residuals is that over *all* columns, while each column has its own
    denominator.

    Args:
        y_pred: predictions, ``[B, D]``.
        y_true: targets, ``[B, D]``.

    Returns:
        ``[D]``, with 0 for columns whose variance is below 1e-10.

    Raises:
        ValueError: an array does not have two dimensions.
    """
    _check_dimensions(2, y_pred=y_pred, y_true=y_true)
    variance = np.var(y_true, axis=0)
    constant = variance < 1e-10
    return np.where(constant, 0.0, 1 - np.var(y_true - y_pred) / np.where(constant, 1.0, variance))


def _check_dimensions(expected: int, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        if np.ndim(array) != expected:
            raise ValueError(f"{name} must have {expected} dimension(s), got the shape {np.shape(array)}")


def flatten_arrays(arrs: Iterable[np.ndarray]) -> np.ndarray:
    """All entries of the arrays, one array after the other, in one vector."""
    return np.concatenate([np.ravel(array) for array in arrs])


def unflatten_vector(vec: np.ndarray, shapes: Iterable[Sequence[int]]) -> list[np.ndarray]:
    """Cuts a vector into arrays of the given shapes, the inverse of `flatten_arrays`.

    Raises:
        ValueError: the vector does not have as many entries as the shapes.
    """
    shapes = [tuple(shape) for shape in shapes]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(vec) != (ends[-1] if shapes else 0):
        raise ValueError(f"vec has {len(vec)} entries, the shapes {shapes} need {ends[-1] if shapes else 0}")
    return [part.reshape(shape) for part, shape in zip(np.split(vec, ends[:-1]), shapes, strict=True)]


def scale_action(action_space: spaces.Box, action: np.ndarray) -> np.ndarray:
    """Maps actions linearly from ``[low, high]`` of the space to ``[-1, 1]``."""
    low, high = action_space.low, action_space.high
    return 2.0 * ((action - low) / (high - low)) - 1.0


def unscale_action(action_space: spaces.Box, scaled_action: ArrayLike) -> np.ndarray:
    """Maps actions linearly from ``[-1, 1]`` to ``[low, high]`` of the space, the inverse of `scale_action`."""
    low, high = action_space.low, action_space.high
    return low + 0.5 * (np.asarray(scaled_action) + 1.0) * (high - low)
