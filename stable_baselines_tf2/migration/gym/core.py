"""Environments and wrappers with the interface of old gym."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from stable_baselines_tf2.envs.gym_compat import render_env, speaks_old_gym
from stable_baselines_tf2.migration.gym.utils import seeding

OldStep = tuple[Any, Any, bool, dict[str, Any]]


class _OrModern(ABCMeta):
    """``isinstance`` is also true for objects of the class in gymnasium that took a class's place."""

    def __instancecheck__(cls, instance: object) -> bool:
        modern = vars(cls).get("_modern")
        return super().__instancecheck__(instance) or (modern is not None and isinstance(instance, modern))


class Env(metaclass=_OrModern):
    """Base class of environments: ``reset()`` gives an observation, ``step(action)`` four values."""

    _modern: ClassVar[type] = gymnasium.Env
    metadata: dict[str, Any] = {"render.modes": []}
    reward_range: tuple[float, float] = (-float("inf"), float("inf"))
    spec: Any = None
    action_space: Any = None
    observation_space: Any = None
    _np_random: Any = None

    @property
    def np_random(self) -> Any:
        """Random generator, drawn from by environments that do not make their own."""
        if self._np_random is None:
            self._np_random, _ = seeding.np_random()
        return self._np_random

    @np_random.setter
    def np_random(self, generator: np.random.Generator) -> None:
        self._np_random = generator

    def step(self, action: ArrayLike) -> OldStep:
        """Takes a step; to be overridden.

        Args:
            action: an element of ``action_space``.

        Returns:
            Observation, reward, whether the episode is over, and info.
        """
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, **kwargs: object) -> Any:
        """Starts an episode and returns its first observation; to be overridden.

        What is here only sets `np_random` by ``seed``, for environments in the manner of gym 0.22 to 0.25.
        """
        if type(self).reset is Env.reset:
            raise NotImplementedError(f"{type(self).__name__} must override reset()")
        if seed is not None:
            self._np_random, _ = seeding.np_random(seed)

    def render(self, mode: str = "human") -> Any:
        """Shows the environment; to be overridden."""
        raise NotImplementedError

    def close(self) -> None:
        """Frees what the environment holds."""

    def seed(self, seed: int | None = None) -> list[int]:
        """Sets `np_random`.

        Returns:
            The seed that was used.
        """
        self._np_random, used = seeding.np_random(seed)
        return [used]

    @property
    def unwrapped(self) -> Any:
        """The innermost environment."""
        return self

    def __str__(self) -> str:
        return f"<{type(self).__name__} instance>" if self.spec is None else f"<{type(self).__name__}<{self.spec.id}>>"

    def __enter__(self) -> Env:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class GoalEnv(Env):
    """An environment whose observations are dictionaries of ``observation``, ``achieved_goal`` and ``desired_goal``."""

    def reset(self, **kwargs: Any) -> Any:
        """Checks the observation space; to be extended.

        Raises:
            gymnasium.error.Error: it is not a Dict space with the three keys.
        """
        space = self.observation_space
        missing = {"observation", "achieved_goal", "desired_goal"} - set(getattr(space, "spaces", ()))
        if not isinstance(space, spaces.Dict) or missing:
            raise gymnasium.error.Error(
                f"observation_space of a GoalEnv must be a Dict with {sorted(missing)}: {space}"
            )
        if kwargs.get("seed") is not None:
            self.seed(kwargs["seed"])

    @abstractmethod
    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Mapping[str, Any]) -> Any:
        """The reward for reaching one goal while another was wanted."""


def _theirs(name: str) -> Any:
    return property(lambda self: getattr(self._env, name))


class ModernEnv(Env):
    """A gymnasium environment with the interface of old gym: what ``gym.make`` returns.

    Attributes are those of the environment, read and written through.

    Args:
        env: the environment.
    """

    _env: gymnasium.Env

    def __init__(self, env: gymnasium.Env) -> None:
        vars(self)["_env"] = env

    def __gymnasium__(self) -> gymnasium.Env:
        """For `stable_baselines_tf2.envs.gym_compat.ensure_gymnasium`."""
        return self._env

    def step(self, action: ArrayLike) -> OldStep:
        """See `Env.step`; ``info["TimeLimit.truncated"]`` is true where a time limit truncated the episode."""
        obs, reward, terminated, truncated, info = self._env.step(action)
        if truncated:
            info = {**info, "TimeLimit.truncated": not terminated}
        return obs, reward, bool(terminated or truncated), info

    def reset(self, **kwargs: Any) -> Any:
        """The first observation of an episode; the arguments go to the environment."""
        return self._env.reset(**kwargs)[0]

    def seed(self, seed: int | None = None) -> list[int]:
        """Seeds the environment at once, which starts an episode."""
        used = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self._env.reset(seed=used)
        return [used]

    def render(self, mode: str = "human", **kwargs: object) -> Any:
        """Renders in any of the environment's modes."""
        return render_env(self._env, mode)

    def close(self) -> None:
        """See `Env.close`."""
        self._env.close()

    @property
    def unwrapped(self) -> Any:
        """The innermost environment, with the interface of old gym too."""
        inner, known = self._env.unwrapped, vars(self)
        if inner is self._env:
            return self
        if "_unwrapped" not in known:  # scripts compare environments with `is`
            known["_unwrapped"] = as_old(inner)
        return known["_unwrapped"]

    observation_space, action_space = _theirs("observation_space"), _theirs("action_space")
    spec, np_random = _theirs("spec"), _theirs("np_random")
    env = unwrapped  # the only wrapper that gym.make put around an environment was the time limit

    @property
    def metadata(self) -> dict[str, Any]:  # type: ignore[override]
        """The environment's, with the modes also under the name that they had."""
        return {**self._env.metadata, "render.modes": self._env.metadata.get("render_modes", [])}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_env" not in vars(self):
            raise AttributeError(name)
        return self._env.get_wrapper_attr(name)

    def __setattr__(self, name: str, value: object) -> None:
        self._env.set_wrapper_attr(name, value)

    def __str__(self) -> str:
        return str(self._env)


class Wrapper(Env):
    """Base class of wrappers. Public attributes that it lacks are those of the environment.

    Args:
        env: an environment of old gym or of gymnasium; the latter is given the old interface.
    """

    _modern: ClassVar[type] = gymnasium.Wrapper

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = as_old(env)
        self.action_space = self.env.action_space
        self.observation_space = self.env.observation_space
        self.reward_range = getattr(self.env, "reward_range", Env.reward_range)
        self.metadata = self.env.metadata

    def __getattr__(self, name: str) -> Any:
        if name == "env" or (name.startswith("_") and name != "_max_episode_steps"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)

    @property
    def spec(self) -> Any:
        """What the environment was registered with."""
        return self.env.spec

    @property
    def np_random(self) -> Any:
        """The environment's random generator."""
        return self.env.np_random

    @np_random.setter
    def np_random(self, generator: np.random.Generator) -> None:
        self.env.np_random = generator

    @classmethod
    def class_name(cls) -> str:
        """The name of the class."""
        return cls.__name__

    def step(self, action: ArrayLike) -> OldStep:
        """See `Env.step`."""
        return self.env.step(action)

    def reset(self, **kwargs: object) -> Any:
        """See `Env.reset`."""
        return self.env.reset(**kwargs)

    def render(self, mode: str = "human", **kwargs: object) -> Any:
        """See `Env.render`."""
        return self.env.render(mode, **kwargs)

    def close(self) -> None:
        """See `Env.close`."""
        return self.env.close()

    def seed(self, seed: int | None = None) -> Any:
        """See `Env.seed`."""
        return self.env.seed(seed)

    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Mapping[str, Any]) -> Any:
        """See `GoalEnv.compute_reward`."""
        return self.env.compute_reward(achieved_goal, desired_goal, info)

    @property
    def unwrapped(self) -> Any:
        """The innermost environment."""
        return self.env.unwrapped

    def __str__(self) -> str:
        return f"<{type(self).__name__}{self.env}>"

    __repr__ = __str__


class ObservationWrapper(Wrapper):
    """Changes observations by the method ``observation(observation)``."""

    _modern = gymnasium.ObservationWrapper

    def reset(self, **kwargs: object) -> Any:
        """See `Env.reset`."""
        return self.observation(self.env.reset(**kwargs))

    def step(self, action: ArrayLike) -> OldStep:
        """See `Env.step`."""
        obs, reward, done, info = self.env.step(action)
        return self.observation(obs), reward, done, info

    def observation(self, observation: ArrayLike) -> Any:
        """What the observation becomes; to be overridden."""
        raise NotImplementedError


class RewardWrapper(Wrapper):
    """Changes rewards by the method ``reward(reward)``."""

    _modern = gymnasium.RewardWrapper

    def step(self, action: ArrayLike) -> OldStep:
        """See `Env.step`."""
        obs, reward, done, info = self.env.step(action)
        return obs, self.reward(reward), done, info

    def reward(self, reward: float) -> Any:
        """What the reward becomes; to be overridden."""
        raise NotImplementedError


class ActionWrapper(Wrapper):
    """Changes actions by the method ``action(action)``."""

    _modern = gymnasium.ActionWrapper

    def step(self, action: ArrayLike) -> OldStep:
        """See `Env.step`."""
        return self.env.step(self.action(action))

    def action(self, action: ArrayLike) -> Any:
        """What the action becomes; to be overridden."""
        raise NotImplementedError

    def reverse_action(self, action: ArrayLike) -> Any:
        """Undoes ``action``; to be overridden."""
        raise NotImplementedError


def as_old(env: gymnasium.Env) -> Any:
    """Gives an environment the interface of old gym.

    Args:
        env: an environment of old gym, returned as it is, or of gymnasium.

    Returns:
        The environment.
    """
    if speaks_old_gym(env):
        return env
    return ModernEnv(env)
