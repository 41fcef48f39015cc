"""Returns and advantages of rollouts, in NumPy.

Every array is time major: ``[T]`` or ``[T, N]`` for ``T`` steps of ``N`` environments. All sums here are one
recurrence, ``y_t = x_t + d_t * y_tp1``. It is computed in float64, as the rounding of thousands of terms would show
in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def discounted_sum(x: ArrayLike, decay: ArrayLike) -> np.ndarray:
    """Solves ``y_t = x_t + decay_t * y_tp1`` backwards in time, with ``y_T = 0``.

    Works by doubling: after ``k`` passes each entry holds the sum of its next ``2 ** k`` terms, so that ``T`` steps
    cost ``log2(T)`` array operations.

    Args:
        x: terms of the sum, ``[T, ...]``.
        decay: factor between a step and the next, a number or anything that broadcasts to ``[T, ...]``.

    Returns:
        ``y``, float64 of the shape of ``x``.
    """
    total = np.array(x, dtype=np.float64)
    factor = np.empty_like(total)
    factor[...] = decay
    n_steps, reach = len(total), 1
    while reach < n_steps:
        total[:-reach] += factor[: n_steps - reach] * total[reach:]
        left = max(n_steps - 2 * reach, 0)  # steps that reach far enough for another pass
        factor = factor[:left] * factor[reach : reach + left]
        reach *= 2
    return total


def discount_with_dones(rewards: Sequence[float], dones: Sequence[float], gamma: float) -> list[float]:
    """Discounted returns of one environment, ``R_t = r_t + gamma * (1 - done_t) * R_tp1``.

    Args:
        rewards: reward of each step.
        dones: 1 (or True) where the step ended the episode.
        gamma: discount factor.

    Returns:
        The return of each step.
    """
    return discounted_sum(rewards, gamma * (1.0 - np.asarray(dones, dtype=np.float64))).tolist()


def discounted_returns(rewards: np.ndarray, dones: np.ndarray, last_values: ArrayLike, gamma: float) -> np.ndarray:
    """n-step returns, bootstrapped with the value of the observation after the last step.

    ``R_t = r_t + gamma * (1 - done_t) * R_tp1`` with ``R_T = last_values``.

    Args:
        rewards: ``[T, ...]``.
        dones: whether step ``t`` ended the episode, ``[T, ...]``.
        last_values: estimated value after the last step, ``[...]``; without effect where that step ended the episode.
        gamma: discount factor.

    Returns:
        Returns, float32 ``[T, ...]``.
    """
    decay = gamma * (1.0 - np.asarray(dones, dtype=np.float64))
    x = np.array(rewards, dtype=np.float64)
    x[-1] += decay[-1] * last_values
    return discounted_sum(x, decay).astype(np.float32)


def generalized_advantage_estimation(
    rewards: np.ndarray,
    values: np.ndarray,
    episode_starts: np.ndarray,
    last_values: ArrayLike,
    last_dones: ArrayLike,
    gamma: float,
    lam: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Generalized advantage estimation (Schulman et al., https://arxiv.org/abs/1506.02438).

    ``delta_t = r_t + gamma * (1 - done_t) * v_tp1 - v_t`` and
    ``A_t = delta_t + gamma * lam * (1 - done_t) * A_tp1``,
    where ``done_t`` is 1 if the next step starts an episode.

    Args:
        rewards: ``[T, ...]``.
        values: estimated value of the observation that step ``t`` acted on, ``[T, ...]``.
        episode_starts: whether step ``t`` is the first of its episode, ``[T, ...]``.
        last_values: estimated value of the observation after the last step, ``[...]``.
        last_dones: whether the last step ended its episode, ``[...]``.
        gamma: discount factor.
        lam: 0 gives one-step advantages, 1 gives full returns minus values.

    Returns:
        Advantages and returns (advantages plus values), both float32 ``[T, ...]``.
    """
    decay = np.empty(np.shape(rewards), dtype=np.float64)  # gamma * (1 - done_t)
    decay[:-1] = episode_starts[1:]
    decay[-1] = last_dones
    np.subtract(1.0, decay, out=decay)
    decay *= gamma
    delta = np.empty_like(decay)
    delta[:-1] = values[1:]
    delta[-1] = last_values
    delta *= decay
    delta += rewards
    delta -= values
    advantages = discounted_sum(delta, lam * decay).astype(np.float32)
    return advantages, advantages + np.asarray(values, dtype=np.float32)
