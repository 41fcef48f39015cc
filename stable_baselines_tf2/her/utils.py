"""Goal environments with flat observations, for the algorithms."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.env_checker import GOAL_KEYS
from stable_baselines_tf2.common.vec_env import DummyVecEnv, UnvecWrapper, VecEnv, VecEnvWrapper
from stable_baselines_tf2.common.vec_env.base_vec_env import StepResult
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, render_env, reset_result
from stable_baselines_tf2.envs.spaces import as_gymnasium_space, space_kind

KEY_ORDER = list(GOAL_KEYS)  # of flat observations, independent of the order in the space


class GoalLayout:
    """The layout of observation, achieved goal and desired goal in a flat observation.

    Attributes:
        space: space of flat observations: MultiBinary, a float32 Box, or a MultiDiscrete for Discrete parts.
        obs_dim: length of the observation.
        goal_dim: length of each goal.

    Args:
        space: space of a goal environment's observations.

    Raises:
        ValueError: it is not a Dict space with the three keys, or their spaces differ in kind or are not vectors.
        NotImplementedError: they are of another kind than Box, MultiBinary and Discrete.
    """

    def __init__(self, space: Any) -> None:
        if space_kind(space) != "Dict" or not set(KEY_ORDER) <= set(space.spaces):
            raise ValueError(
                f"env must be a goal environment, its observation space a Dict with the keys {', '.join(KEY_ORDER)}, "
                f"not {space}"
            )
        parts: dict[str, Any] = {key: as_gymnasium_space(space.spaces[key]) for key in KEY_ORDER}
        kinds = {space_kind(part) for part in parts.values()}
        if len(kinds) != 1:
            raise ValueError(f"env: the spaces of observation and goals must be of one kind, not {space}")
        self.kind = kinds.pop()
        if self.kind not in ("Box", "MultiBinary", "Discrete"):
            raise NotImplementedError(
                f"env: observation and goals are {self.kind} spaces; Box, MultiBinary and Discrete are supported"
            )
        shapes = [part.shape if self.kind != "Discrete" else (1,) for part in parts.values()]
        if any(len(shape) != 1 for shape in shapes) or shapes[1] != shapes[2]:
            raise ValueError(f"env: observation and goals must be vectors, the goals of one length, not {space}")
        self.obs_dim, self.goal_dim = shapes[0][0], shapes[1][0]
        if self.kind == "MultiBinary":
            self.space: spaces.Space = spaces.MultiBinary(self.obs_dim + 2 * self.goal_dim)
        elif self.kind == "Discrete":
            ordered = [parts[key] for key in KEY_ORDER]
            self.space = spaces.MultiDiscrete([part.n for part in ordered], start=[part.start for part in ordered])
        else:
            # Bounds are in the order of the space's keys, not in that of flat observations, as in legacy files.
            ordered = [parts[key] for key in space.spaces if key in parts]
            low, high = (np.concatenate([getattr(part, name) for part in ordered]) for name in ("low", "high"))
            self.space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

    def flatten(self, obs: Mapping[str, Any]) -> np.ndarray:
        """The flat observation [D], or a batch of them [B, D]."""
        parts = [np.asarray(obs[key]) for key in KEY_ORDER]
        flat = np.stack(parts, axis=-1) if self.kind == "Discrete" else np.concatenate(parts, axis=-1)
        return flat.astype(self.space.dtype, copy=False)

    def split(self, flat: np.ndarray) -> OrderedDict[str, Any]:
        """Undoes `flatten`."""
        ends = (self.obs_dim, self.obs_dim + self.goal_dim)
        parts = np.split(np.asarray(flat), ends, axis=-1)
        return OrderedDict(
            (key, part[..., 0] if self.kind == "Discrete" else part) for key, part in zip(KEY_ORDER, parts, strict=True)
        )


class HERGoalEnvWrapper:
    """Flattens the observations of a goal environment: observation, achieved goal, desired goal.

    The interface of the environment is kept: a step returns four or five values, with or without the axis of
    environments. A vectorized environment becomes a `VecHERGoalEnvWrapper`, which is a ``VecEnv``.

    Attributes:
        env: the goal environment.
        observation_space: see `GoalLayout`.
        obs_dim, goal_dim: lengths of the parts.

    Args:
        env: an environment with Dict observations ``observation``, ``achieved_goal`` and ``desired_goal``, and a method
            ``compute_reward(achieved_goal, desired_goal, info)``; single or vectorized.

    Raises:
        ValueError: it is not a goal environment, or its observations cannot be flattened.
        NotImplementedError: its spaces are of a kind that is not supported.
    """

    def __new__(cls, env: EnvLike | None = None) -> HERGoalEnvWrapper:  # None: a copy is being made
        if cls is HERGoalEnvWrapper and isinstance(env, VecEnv) and not isinstance(env, UnvecWrapper):
            cls = VecHERGoalEnvWrapper
        return object.__new__(cls)

    def __init__(self, env: Any) -> None:
        self.env = env
        self.layout = GoalLayout(env.observation_space)
        self.obs_dim, self.goal_dim = self.layout.obs_dim, self.layout.goal_dim
        self.spaces = list(env.observation_space.spaces.values())
        self.observation_space, self.action_space = self.layout.space, env.action_space
        self.metadata = env.metadata
        self._next_seed: int | None = None
        self._single = None if isinstance(env, VecEnv) else ensure_gymnasium(env)
        if not self._call("has_wrapper_attr", "compute_reward"):
            raise ValueError(f"env must be a goal environment, but it has no method compute_reward: {env}")

    @property
    def is_local(self) -> bool:
        """Whether the environment is in this process."""
        return self._single is not None or isinstance(self.env.unwrapped, DummyVecEnv)

    def convert_dict_to_obs(self, obs_dict: Mapping[str, Any]) -> np.ndarray:
        """Flattens an observation.

        Args:
            obs_dict: the three parts, of one observation or of a batch.

        Returns:
            [D] or [B, D].
        """
        return self.layout.flatten(obs_dict)

    def convert_obs_to_dict(self, observations: np.ndarray) -> OrderedDict[str, Any]:
        """Splits a flat observation, [D] or [B, D], into its parts."""
        return self.layout.split(observations)

    def step(self, action: ArrayLike) -> tuple:
        """A step of the environment: what it returns, with flat observations."""
        obs, *rest, info = self.env.step(action)
        return self.convert_dict_to_obs(obs), *rest, self._flat_info(info)

    def seed(self, seed: int | None = None) -> Any:
        """Seeds the environment, gymnasium's at its next reset."""
        if hasattr(self.env, "seed"):
            return self.env.seed(seed)
        self._next_seed = seed
        return [seed]

    def reset(self, **kwargs: Any) -> Any:
        """Starts an episode.

        Args:
            kwargs: arguments of the environment's ``reset``.

        Returns:
            The flat observation, and the info if the environment returns one.
        """
        if self._next_seed is not None:
            kwargs.setdefault("seed", self._next_seed)
            self._next_seed = None
        result = self.env.reset(**kwargs)
        obs, info = reset_result(result)
        flat = self.convert_dict_to_obs(obs)
        return (flat, info) if isinstance(result, tuple) else flat

    def compute_reward(
        self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Mapping[str, Any], index: int = 0
    ) -> Any:
        """The environment's reward for an achieved goal, given a desired one.

        Args:
            achieved_goal: a goal, or a batch of them if the environment takes that.
            desired_goal: the same.
            info: what the environment returned at that step.
            index: index of the environment, if it is vectorized.
        """
        return self._call("compute_reward", achieved_goal, desired_goal, info, index=index)

    def render(self, mode: str = "human") -> Any:
        """Renders the environment."""
        return render_env(self.env, mode)

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()

    def _call(self, method: str, *arguments: object, index: int = 0) -> Any:
        if self._single is not None:
            return self._single.get_wrapper_attr(method)(*arguments)
        return self.env.env_method(method, *arguments, indices=index)[0]

    def _flat_info(self, info: dict[str, Any]) -> dict[str, Any]:
        last = info.get("terminal_observation")
        return info if last is None else {**info, "terminal_observation": self.convert_dict_to_obs(last)}


class VecHERGoalEnvWrapper(VecEnvWrapper, HERGoalEnvWrapper):
    """The `HERGoalEnvWrapper` of a vectorized environment: a ``VecEnv`` with flat observations, [N, D].

    Args:
        env: a vectorized goal environment.

    Raises:
        ValueError, NotImplementedError: as for `HERGoalEnvWrapper`.
    """

    def __init__(self, env: VecEnv) -> None:
        HERGoalEnvWrapper.__init__(self, env)
        VecEnvWrapper.__init__(self, env, observation_space=self.layout.space)

    def reset(self) -> np.ndarray:  # type: ignore[override] # a VecEnv's takes no arguments
        return self.convert_dict_to_obs(self.venv.reset())

    def step_wait(self) -> StepResult:
        obs, rewards, dones, infos = self.venv.step_wait()
        return self.convert_dict_to_obs(obs), rewards, dones, [self._flat_info(info) for info in infos]
