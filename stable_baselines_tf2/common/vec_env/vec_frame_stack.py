"""The last observations of each environment, side by side."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from gymnasium import spaces

from stable_baselines_tf2.common.vec_env.base_vec_env import StepResult, VecEnv, VecEnvWrapper
from stable_baselines_tf2.envs.spaces import is_box


class VecFrameStack(VecEnvWrapper):
    """Stacks the last observations along the last axis: the newest at the end, zeros before the start of an episode.

    Args:
        venv: the environments, with a Box observation space ``[..., channels]``.
        n_stack: number of observations in a stack; the new space is ``[..., n_stack * channels]``.

    Raises:
        TypeError: the observation space is not a Box.
        ValueError: ``n_stack`` is below 1, or an observation has no axis.
    """

    def __init__(self, venv: VecEnv, n_stack: int):
        space: Any = venv.observation_space
        if not is_box(space):
            raise TypeError(f"VecFrameStack needs a Box observation space, got {space}")
        if n_stack < 1 or not space.shape:
            raise ValueError(f"n_stack must be at least 1 and observations need an axis, got {n_stack} and {space}")
        self.n_stack = n_stack
        low, high = (np.repeat(bound, n_stack, axis=-1) for bound in (space.low, space.high))
        super().__init__(venv, observation_space=spaces.Box(low, high, dtype=space.dtype.type))
        self.stackedobs = np.zeros((venv.num_envs, *low.shape), low.dtype)

    def step_wait(self) -> StepResult:
        observations, rewards, dones, infos = self.venv.step_wait()
        newest = observations.shape[-1]
        stacked = np.empty_like(self.stackedobs)  # a new array each time: what was returned before stays as it was
        stacked[..., :-newest] = self.stackedobs[..., newest:]
        for index in np.flatnonzero(dones):
            if "terminal_observation" in infos[index]:
                last = infos[index]["terminal_observation"]
                infos[index]["terminal_observation"] = np.concatenate((stacked[index, ..., :-newest], last), axis=-1)
            else:
                warnings.warn(
                    f"no terminal_observation in the info of environment {index}, which has just finished", stacklevel=2
                )
            stacked[index, ..., :-newest] = 0
        stacked[..., -newest:] = observations
        self.stackedobs = stacked
        return stacked, rewards, dones, infos

    def reset(self) -> np.ndarray:
        observations = self.venv.reset()
        self.stackedobs = np.zeros_like(self.stackedobs)
        self.stackedobs[..., -observations.shape[-1] :] = observations
        return self.stackedobs
