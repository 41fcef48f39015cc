"""An environment with goals and sparse rewards, to try HER on."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike


class BitFlippingEnv(gymnasium.Env):
    """Starts with random bits, which the agent flips one by one until all of them are 1.

    Observations are dicts with ``observation`` and ``achieved_goal`` (both the current bits) and ``desired_goal``.
    The reward is 0 when the goal is reached, which terminates the episode, and -1 at every other step. Episodes are
    truncated after ``max_steps`` steps. ``info["is_success"]``: whether the goal is reached.

    Args:
        n_bits: number of bits.
        continuous: the action is a vector, and every bit with a positive component is flipped; otherwise the action
            is the number of the bit to flip.
        max_steps: number of steps in an episode, by default ``n_bits``.
        discrete_obs_space: show bits as one number (the first bit counts 1) rather than as a binary vector.
        render_mode: ``"human"`` to print the bits, ``"rgb_array"`` to get them; None leaves it to the argument of
            `render`.
    """

    metadata = {"render_modes": ["human", "rgb_array"]}

    def __init__(
        self,
        n_bits: int = 10,
        continuous: bool = False,
        max_steps: int | None = None,
        discrete_obs_space: bool = False,
        render_mode: str | None = None,
    ):
        self.obs_space = spaces.MultiBinary(n_bits)
        self.observation_space = spaces.Dict(
            {
                key: spaces.Discrete(2**n_bits) if discrete_obs_space else spaces.MultiBinary(n_bits)
                for key in ("observation", "achieved_goal", "desired_goal")
            }
        )
        if continuous:
            self.action_space: spaces.Space = spaces.Box(-1, 1, shape=(n_bits,), dtype=np.float32)
        else:
            self.action_space = spaces.Discrete(n_bits)
        self.continuous = continuous
        self.discrete_obs_space = discrete_obs_space
        self.render_mode = render_mode
        self.max_steps = n_bits if max_steps is None else max_steps
        self.current_step = 0
        self.desired_goal = np.ones(n_bits, dtype=np.int8)
        self.state = self.obs_space.sample()

    def convert_if_needed(self, state: np.ndarray) -> np.ndarray | int:
        """The bits as they are observed: a copy of the vector, or a number with ``discrete_obs_space``."""
        if self.discrete_obs_space:
            return sum(int(bit) << place for place, bit in enumerate(state))
        return state.copy()

    def _get_obs(self) -> dict[str, Any]:
        return {
            "observation": self.convert_if_needed(self.state),
            "achieved_goal": self.convert_if_needed(self.state),
            "desired_goal": self.convert_if_needed(self.desired_goal),
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.obs_space.seed(seed)
        self.current_step = 0
        self.state = self.obs_space.sample()
        return self._get_obs(), {}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        flipped = np.asarray(action) > 0 if self.continuous else action
        self.state[flipped] = 1 - self.state[flipped]
        self.current_step += 1
        obs = self._get_obs()
        reward = self.compute_reward(obs["achieved_goal"], obs["desired_goal"], None)
        success = reward == 0
        return obs, reward, success, not success and self.current_step >= self.max_steps, {"is_success": success}

    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, _info: object) -> Any:
        """Reward of reaching one goal while another was wanted.

        Args:
            achieved_goal: goal as observed, or a batch of them.
            desired_goal: the same.
            _info: not used.

        Returns:
            0 where they are equal, otherwise -1: a float, or ``[B]`` for batches.
        """
        equal = np.equal(achieved_goal, desired_goal)
        if not self.discrete_obs_space:
            equal = equal.all(axis=-1)
        reward = np.where(equal, 0.0, -1.0)
        return reward if reward.ndim else float(reward)

    def render(self, mode: str = "human") -> np.ndarray | None:
        """Prints the bits, or returns a copy of them in the mode ``"rgb_array"``."""
        if (self.render_mode or mode) == "rgb_array":
            return self.state.copy()
        print(self.state)
        return None

    def close(self) -> None:
        """There is nothing to close."""
