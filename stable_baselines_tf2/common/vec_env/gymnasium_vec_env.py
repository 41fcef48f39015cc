"""Vectorized environments of gymnasium, and those made after its model, as a `VecEnv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.vec_env.base_vec_env import Indices, NotSteppingError, StepResult, VecEnv, mark_end


class GymnasiumVecEnv(VecEnv):
    """Makes a gymnasium ``VectorEnv``, such as ``ale_py.vector_env.AtariVectorEnv``, usable by the algorithms.

    What happens at the end of an episode depends on its autoreset mode:

    * ``SAME_STEP`` is what a `VecEnv` does; only the last observation (``final_obs``) and info (``final_info``) move.
    * ``NEXT_STEP`` would spend a step, with an action that is ignored and a reward of 0, on leaving the old episode. A
      learner would take that for a transition. So the finished environments are reset at once, through
      ``reset(options={"reset_mask": dones})``, and such a step never happens. An environment that ignores the mask, and
      so resets all others too, is refused as soon as that shows.
    * ``DISABLED`` is refused.

    Args:
        vector_env: the environment.

    Raises:
        TypeError: it is not a ``VectorEnv``.
        ValueError: its autoreset mode is ``DISABLED``, or it returns results of some of its environments only.
    """

    def __init__(self, vector_env: VectorEnv):
        if not isinstance(vector_env, VectorEnv):
            raise TypeError(f"vector_env must be a gymnasium.vector.VectorEnv, got {type(vector_env).__name__}")
        metadata = vector_env.metadata or {}
        self.autoreset_mode = AutoresetMode(metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ValueError(
                "vector_env must reset its environments by itself: make it with autoreset_mode AutoresetMode.SAME_STEP "
                "or AutoresetMode.NEXT_STEP, not AutoresetMode.DISABLED"
            )
        core: Any = vector_env.unwrapped
        batch_size = getattr(core, "batch_size", vector_env.num_envs)
        if batch_size != vector_env.num_envs:
            raise ValueError(
                f"vector_env must step all its {vector_env.num_envs} environments at once, but its batch_size is "
                f"{batch_size}"
            )
        super().__init__(vector_env.num_envs, vector_env.single_observation_space, vector_env.single_action_space)
        self.vector_env = vector_env
        self.metadata = metadata
        # These two honour a mask by contract; wrappers with running statistics may still change other observations.
        self._trust_mask = isinstance(core, (SyncVectorEnv, AsyncVectorEnv)) and "autoreset_mode" in metadata
        self._next_seed: int | None = None
        self._actions: Any = None

    def step_async(self, actions: ArrayLike) -> None:
        self._actions = np.asarray(actions, dtype=self.vector_env.action_space.dtype)

    def step_wait(self) -> StepResult:
        if self._actions is None:
            raise NotSteppingError
        obs, rewards, terminations, truncations, vector_info = self.vector_env.step(self._actions)
        self._actions = None
        dones = np.logical_or(terminations, truncations)
        obs = _copy(obs)
        final_obs, final_info = vector_info.get("final_obs"), vector_info.get("final_info")
        infos = self._split({key: vector_info[key] for key in vector_info if key not in ("final_obs", "final_info")})
        if dones.any():
            if self.autoreset_mode is AutoresetMode.NEXT_STEP:
                final_obs = _copy(obs)
                self._reset_finished(obs, dones)
            elif final_obs is None:
                raise RuntimeError(f"{self.vector_env} resets in the same step but gives no final_obs in its info")
            elif final_info is not None:
                # What the reset said yields to what the last step said; wrappers add to either.
                infos = [{**info, **final} for info, final in zip(infos, self._split(final_info), strict=True)]
            for index in np.flatnonzero(dones).tolist():
                mark_end(infos[index], _row(final_obs, index), terminations[index], truncations[index])
        return obs, np.array(rewards, np.float32), dones, infos

    def reset(self) -> Any:
        seed, self._next_seed = self._next_seed, None
        self._actions = None
        return _copy(self.vector_env.reset(seed=seed)[0])

    def seed(self, seed: int | None = None) -> list[int | None]:
        """See `VecEnv.seed`. An environment of one piece may draw all its random numbers from the first seed."""
        seeds = self._seeds(seed)
        self._next_seed = seeds[0]
        return seeds

    def close(self) -> None:
        self.vector_env.close()

    def get_images(self) -> Sequence[np.ndarray]:
        images: Any = self.vector_env.render()
        if images is None:
            raise NotImplementedError
        return images

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        core: Any = self.vector_env.unwrapped
        if isinstance(core, SyncVectorEnv):
            values: Sequence[Any] = [env.get_wrapper_attr(attr_name) for env in core.envs]
        elif isinstance(core, AsyncVectorEnv):
            values = core.get_attr(attr_name)
        else:  # the environments are not objects of their own and share their attributes
            values = [getattr(self.vector_env, attr_name)] * self.num_envs
        return [values[index] for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: object, indices: Indices = None) -> None:
        core: Any = self.vector_env.unwrapped
        if not isinstance(core, (SyncVectorEnv, AsyncVectorEnv)):
            if indices is not None:
                raise NotImplementedError(f"the environments of {core} share their attributes: leave out indices")
            setattr(core, attr_name, value)
            return
        values = [value] * self.num_envs
        if indices is not None:
            values = list(core.get_attr(attr_name))
            for index in self._get_indices(indices):
                values[index] = value
        core.set_attr(attr_name, values)

    def env_method(
        self, method_name: str, *method_args: object, indices: Indices = None, **method_kwargs: object
    ) -> list[Any]:
        core: Any = self.vector_env.unwrapped
        if isinstance(core, SyncVectorEnv):
            targets = [core.envs[index] for index in self._get_indices(indices)]
            return [env.get_wrapper_attr(method_name)(*method_args, **method_kwargs) for env in targets]
        if not hasattr(core, "call"):
            raise NotImplementedError(f"the environments of {core} have no methods of their own")
        if indices is not None:
            raise NotImplementedError(f"{core} calls methods of all environments together: leave out indices")
        return list(core.call(method_name, *method_args, **method_kwargs))

    def _reset_finished(self, obs: ArrayLike, dones: np.ndarray) -> None:
        """Puts first observations of new episodes where episodes are finished."""
        first = self.vector_env.reset(options=_Options(reset_mask=dones.copy()))[0]
        going_on = ~dones
        for kept, new in zip(_arrays(obs), _arrays(first), strict=True):
            if not self._trust_mask and kept[going_on].tobytes() != np.asarray(new)[going_on].tobytes():
                raise RuntimeError(
                    f"{self.vector_env} ignores options['reset_mask'] in reset(), so its environments cannot be reset "
                    "one by one: make it with autoreset_mode AutoresetMode.SAME_STEP, for example by gymnasium.make_vec"
                    "(..., vectorization_mode='sync', vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP})"
                )
            kept[dones] = new[dones]

    def _split(self, vector_info: dict[str, Any]) -> list[dict[str, Any]]:
        """One info for each environment out of arrays over all; ``_key`` is the mask of those that have ``key``."""
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for key, value in vector_info.items():
            if key.startswith("_") and key[1:] in vector_info:
                continue
            values = self._split(value) if isinstance(value, dict) else value
            mask = vector_info.get(f"_{key}")
            for index in range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist():
                infos[index][key] = values[index]
        return infos


class _Options(dict):
    """Reset options that keep the mask when it is taken out.

    gymnasium's vector environments pop it, so that `RecordEpisodeStatistics` around them would see none and forget the
    episodes that go on.
    """

    def pop(self, *arguments: object) -> Any:
        return self.get(*arguments)


def _arrays(obs: Any) -> list[np.ndarray]:
    """The arrays of an observation, in a fixed order."""
    if isinstance(obs, (dict, tuple)):
        parts = obs.values() if isinstance(obs, dict) else obs
        return [array for part in parts for array in _arrays(part)]
    return [obs]


def _copy(obs: ArrayLike) -> Any:
    """A copy that no later step can change."""
    if isinstance(obs, dict):
        return {key: _copy(part) for key, part in obs.items()}
    return tuple(_copy(part) for part in obs) if isinstance(obs, tuple) else np.array(obs)


def _row(obs: Any, index: int) -> Any:
    """The observation of one environment, in arrays of its own."""
    if isinstance(obs, dict):
        return {key: _row(part, index) for key, part in obs.items()}
    return tuple(_row(part, index) for part in obs) if isinstance(obs, tuple) else _copy(obs[index])
