"""A vectorized environment with one environment, used like a single one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines_tf2.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper
from stable_baselines_tf2.envs.gym_compat import has_own


class UnvecWrapper(VecEnvWrapper):
    """Takes and gives what belongs to one environment, without the axis of environments.

    Attributes that neither this nor the vectorized environment has are looked up in the environment itself.

    Args:
        venv: a vectorized environment.

    Raises:
        ValueError: it holds several environments.
    """

    def __init__(self, venv: VecEnv) -> None:
        if venv.num_envs != 1:
            raise ValueError(f"venv must hold one environment, not {venv.num_envs}")
        super().__init__(venv)
        self._is_made = True

    def reset(self) -> Any:
        """The first observation of an episode."""
        return _first(self.venv.reset())

    def step_async(self, actions: Any) -> None:
        self.venv.step_async([actions])

    def step_wait(self) -> Any:
        """Observation, reward, done and info; after the end of an episode, the first observation of the next one."""
        obs, rewards, dones, infos = self.venv.step_wait()
        return _first(obs), float(rewards[0]), bool(dones[0]), infos[0]

    def __setattr__(self, name: str, value: object) -> None:
        """Attributes that are not of the wrapper itself go to the layer that has them, else to the environment."""
        if "_is_made" not in vars(self) or has_own(self, name):
            super().__setattr__(name, value)
            return
        layer: VecEnv = self.venv
        while isinstance(layer, VecEnvWrapper) and not has_own(layer, name):
            layer = layer.venv
        if has_own(layer, name):
            setattr(layer, name, value)
        else:
            self.venv.set_attr(name, value)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "venv" or name.startswith("__"):
                raise
            return self.venv.get_attr(name, 0)[0]


def _first(obs: Any) -> Any:
    return {key: array[0] for key, array in obs.items()} if isinstance(obs, Mapping) else obs[0]
