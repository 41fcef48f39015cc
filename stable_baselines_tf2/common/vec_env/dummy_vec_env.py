"""Environments stepped one after the other in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.common.vec_env.base_vec_env import Indices, NotSteppingError, StepResult, VecEnv, mark_end
from stable_baselines_tf2.common.vec_env.util import dict_to_obs, obs_space_info
from stable_baselines_tf2.core.checks import warn_caller
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, render_env, reset_result, set_attribute, step_result


class DummyVecEnv(VecEnv):
    """Steps its environments in turn: for those that are too fast for processes of their own, such as CartPole.

    Args:
        env_fns: functions that make an environment each.

    Raises:
        ValueError: there are none, or two of them made the same object.
        TypeError: one is not a function, or made something else.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gymnasium.Env]]):
        check_env_fns(env_fns)
        self.envs = [ensure_gymnasium(function()) for function in env_fns]
        if len({id(env.unwrapped) for env in self.envs}) < len(self.envs):
            warn_caller("env_fns made the same environment twice, whose steps mix: each function should make its own")
        super().__init__(len(self.envs), self.envs[0].observation_space, self.envs[0].action_space)
        self.metadata = self.envs[0].metadata
        self.keys, shapes, dtypes = obs_space_info(self.observation_space)
        self._buffers = [(key, (self.num_envs, *shapes[key]), dtypes[key]) for key in self.keys]
        self._plain = self._buffers[0][1:] if self.keys == [None] else None  # shape and dtype of the only array
        self._next_seeds: list[int | None] = [None] * self.num_envs
        self.actions: Any = None
        self._last: StepResult | None = None  # what the last step returned

    # Names of the original that scripts read.
    @property
    def buf_obs(self) -> OrderedDict[str | None, Any]:
        """The last observations by key, [N, …]; None is the key of those that are not dicts."""
        obs = None if self._last is None else self._last[0]
        plain = self.keys == [None]
        return OrderedDict((key, obs if plain or obs is None else obs[key]) for key in self.keys)

    @property
    def buf_rews(self) -> np.ndarray:
        """The rewards of the last step, [N]."""
        return np.zeros(self.num_envs, np.float32) if self._last is None else self._last[1]

    @property
    def buf_dones(self) -> np.ndarray:
        """Whether the last step ended episodes, [N]."""
        return np.zeros(self.num_envs, bool) if self._last is None else self._last[2]

    @property
    def buf_infos(self) -> list[dict[str, Any]]:
        """The infos of the last step, N of them."""
        return [{} for _ in range(self.num_envs)] if self._last is None else self._last[3]

    def step_async(self, actions: Any) -> None:
        if len(actions) < self.num_envs:
            raise ValueError(f"actions must be {self.num_envs}, one for each environment, got {len(actions)}")
        if len(actions) > self.num_envs:
            warn_caller(f"of {len(actions)} actions only the first {self.num_envs} are taken, one for each environment")
        self.actions = actions[: self.num_envs]

    def step_wait(self) -> StepResult:
        if self.actions is None:
            raise NotSteppingError
        # New arrays instead of copies of kept ones: one pass over the data, and nothing returned ever changes.
        observations, store = self._allocate()
        rewards = np.empty(self.num_envs, np.float32)
        dones = np.zeros(self.num_envs, np.bool_)
        infos = []
        for index, (env, action) in enumerate(zip(self.envs, self.actions, strict=True)):
            result = env.step(action)
            if len(result) != 5:
                result = step_result(result)
            obs, rewards[index], terminated, truncated, info = result
            info = dict(info)  # some environments return the same dict every time
            if terminated or truncated:
                dones[index] = True
                mark_end(info, deepcopy(obs), terminated, truncated)  # some write the next one into the same array
                obs = reset_result(env.reset())[0]
            infos.append(info)
            store(index, obs)
        self.actions = None
        self._last = observations, rewards, dones, infos
        return self._last

    def reset(self) -> Any:
        observations, store = self._allocate()
        for index, (env, seed) in enumerate(zip(self.envs, self._next_seeds, strict=True)):
            store(index, reset_result(env.reset() if seed is None else env.reset(seed=seed))[0])
        self._next_seeds = [None] * self.num_envs
        self.actions = None
        return observations

    def seed(self, seed: int | None = None) -> list[int | None]:
        self._next_seeds = self._seeds(seed)
        return list(self._next_seeds)

    def close(self) -> None:
        for env in self.envs:
            env.close()

    def get_images(self) -> Sequence[np.ndarray]:
        return [render_env(env, "rgb_array") for env in self.envs]

    def render(self, mode: str = "human") -> Any:
        """Renders all environments in one image; a single environment renders itself, in any mode that it has.

        Args:
            mode: ``"human"``, ``"rgb_array"``, or another one of a single environment.

        Returns:
            The image for ``"rgb_array"``, what the environment returns for another mode.
        """
        if self._own_windows(mode):
            return [render_env(env, mode) for env in self.envs][0]
        return super().render(mode)

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        return [env.get_wrapper_attr(attr_name) for env in self._targets(indices)]

    def set_attr(self, attr_name: str, value: object, indices: Indices = None) -> None:
        for env in self._targets(indices):
            set_attribute(env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: object, indices: Indices = None, **method_kwargs: object
    ) -> list[Any]:
        return [env.get_wrapper_attr(method_name)(*method_args, **method_kwargs) for env in self._targets(indices)]

    def _targets(self, indices: Indices) -> list[gymnasium.Env]:
        return [self.envs[index] for index in self._get_indices(indices)]

    def _allocate(self) -> tuple[Any, Callable[[int, Any], None]]:
        """New observations ``[num_envs, ...]``, and the function that stores those of one environment in them."""
        if self._plain:
            array = np.empty(*self._plain)
            return array, array.__setitem__
        arrays = OrderedDict((key, np.empty(shape, dtype)) for key, shape, dtype in self._buffers)

        def store(index: int, obs: Any) -> None:
            for key, array in arrays.items():
                array[index] = obs[key]

        return dict_to_obs(self.observation_space, arrays), store


def check_env_fns(env_fns: Sequence[Callable[[], gymnasium.Env]]) -> None:
    """Refuses what is not a list of functions.

    Args:
        env_fns: what was given.

    Raises:
        ValueError: the list is empty.
        TypeError: an item is not a function.
    """
    if not len(env_fns):
        raise ValueError("env_fns must hold at least one function that makes an environment, got none")
    for index, function in enumerate(env_fns):
        if not callable(function):
            raise TypeError(
                f"env_fns[{index}] must be a function that makes an environment, such as "
                f"lambda: gymnasium.make('CartPole-v1'), got {function!r}"
            )
