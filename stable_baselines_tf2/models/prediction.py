"""What `predict` and `action_probability` of all models share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.core.checks import warn_caller
from stable_baselines_tf2.envs.spaces import is_box


def as_batch(
    policy: Any, observation: ArrayLike, state: np.ndarray | None, mask: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray | None, ArrayLike | None, bool]:
    """Observation as a batch, with state and mask; and whether it was one already.

    Raises:
        ValueError: shapes do not fit.
    """
    observation = np.asarray(observation)
    is_batch = policy.preprocessor.is_batch(observation)
    if not is_batch:
        observation = observation[np.newaxis]
    if policy.recurrent:
        rows = (len(observation),)
        shapes = {"state": (*rows, *policy.initial_state.shape[1:]), "mask": rows}
        for (name, shape), value in zip(shapes.items(), (state, mask), strict=True):
            if value is not None and np.shape(value) != shape:
                raise ValueError(f"{name} must have shape {shape}, not {np.shape(value)}")
    return observation, state, mask, is_batch


def log_probabilities(
    policy: Any,
    space: Any,
    actions: ArrayLike,
    observation: np.ndarray,
    state: np.ndarray | None,
    mask: ArrayLike | None,
) -> np.ndarray:
    """Log-probabilities of actions of a space, one for each of a batch of observations, [B, 1].

    Raises:
        ValueError: there are more or fewer actions, or they are not of the space.
    """
    actions = np.asarray(actions).reshape(-1, *space.shape)
    if len(actions) == 1 < len(observation):
        warn_caller(f"actions: the only one is taken for all {len(observation)} observations")
        actions = np.repeat(actions, len(observation), axis=0)
    if len(actions) != len(observation):
        raise ValueError(f"actions: {len(actions)} were given for {len(observation)} observations")
    if not is_box(space):
        given, actions = actions, actions.astype(np.int64)
        if (given != actions).any() or not all(map(space.contains, actions)):
            raise ValueError(f"actions must be of the space {space}, not {given.tolist()}")
    flat = policy.distribution_parameters(observation, state, mask)
    return -policy.sampler.neglogp(flat, actions)[:, np.newaxis]
