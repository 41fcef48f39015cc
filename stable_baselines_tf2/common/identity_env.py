"""Environments whose best action is to repeat the observation: small tests for learning."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike


class IdentityEnv(gymnasium.Env):
    """Observations are random; the reward is 1 for an action equal to the observation, otherwise 0.

    Episodes are truncated after ``ep_length`` steps and never terminate.

    Args:
        dim: number of actions (and observations) of a `Discrete` space; 1 if neither this nor ``space`` is given.
        space: space of actions and observations, instead of ``dim``.
        ep_length: number of steps in an episode.

    Raises:
        ValueError: both ``dim`` and ``space`` are given.
    """

    def __init__(self, dim: int | None = None, space: spaces.Space | None = None, ep_length: int = 100):
        if dim is not None and space is not None:
            raise ValueError(f"give dim or space, not both; got dim={dim!r} and space={space!r}")
        self.observation_space = spaces.Discrete(1 if dim is None else dim) if space is None else space
        self.action_space = copy.deepcopy(self.observation_space)  # sampling actions must not change what comes next
        self.ep_length = ep_length
        self.current_step = 0
        self.num_resets = -1  # the reset below makes it 0
        self.reset()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.current_step = 0
        self.num_resets += 1
        self._choose_next_state()
        return self.state, {}

    def step(self, action: ArrayLike) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = self._get_reward(action)
        self._choose_next_state()
        self.current_step += 1
        return self.state, reward, False, self.current_step >= self.ep_length, {}

    def _choose_next_state(self) -> None:
        self.state = self.observation_space.sample()

    def _get_reward(self, action: ArrayLike) -> float:
        return float(np.all(self.state == action))

    def render(self, mode: str = "human") -> None:
        """Shows nothing."""


class IdentityEnvBox(IdentityEnv):
    """The identity environment with one continuous action, which must be close to the observation.

    Args:
        low: lower bound of the space.
        high: upper bound of the space.
        eps: largest distance that is rewarded.
        ep_length: number of steps in an episode.
    """

    def __init__(self, low: float = -1, high: float = 1, eps: float = 0.05, ep_length: int = 100):
        self.eps = eps
        super().__init__(space=spaces.Box(low, high, shape=(1,), dtype=np.float32), ep_length=ep_length)

    def _get_reward(self, action: ArrayLike) -> float:
        return float(np.all(np.abs(self.state - action) <= self.eps))


class IdentityEnvMultiDiscrete(IdentityEnv):
    """The identity environment with two discrete actions.

    Args:
        dim: number of choices for each of them.
        ep_length: number of steps in an episode.
    """

    def __init__(self, dim: int = 1, ep_length: int = 100):
        super().__init__(space=spaces.MultiDiscrete([dim, dim]), ep_length=ep_length)


class IdentityEnvMultiBinary(IdentityEnv):
    """The identity environment with binary actions.

    Args:
        dim: how many of them.
        ep_length: number of steps in an episode.
    """

    def __init__(self, dim: int = 1, ep_length: int = 100):
        super().__init__(space=spaces.MultiBinary(dim), ep_length=ep_length)
