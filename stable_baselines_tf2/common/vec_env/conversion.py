"""A vectorized environment, from whatever a user gives as ``env``."""

from __future__ import annotations

import gymnasium

from stable_baselines_tf2.common.vec_env.base_vec_env import VecEnv
from stable_baselines_tf2.common.vec_env.dummy_vec_env import DummyVecEnv
from stable_baselines_tf2.common.vec_env.unvec_wrapper import UnvecWrapper
from stable_baselines_tf2.envs import env_ids
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium

EnvLike = VecEnv | gymnasium.Env | str  # what users give as ``env``; environments of old gym pass for gymnasium's


def as_vec_env(env: EnvLike, verbose: int = 0, *, announce: bool = False) -> VecEnv:
    """A vectorized environment, from whatever a user gives as ``env``.

    Args:
        env: an environment, a vectorized one, one that ``get_env`` gave, or the id of one.
        verbose: 0 prints nothing.
        announce: print a line where a single environment is wrapped.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(env, str):
        if verbose >= 1:
            print(f"Making environment {env}")
        env = env_ids.make(env)
    if isinstance(env, UnvecWrapper):
        return env.venv
    if isinstance(env, VecEnv):
        return env
    if not hasattr(env, "step") or not hasattr(env, "observation_space"):
        raise TypeError(f"env must be an environment, a VecEnv or the id of an environment, not {env!r}")
    if verbose >= 1 and announce:
        print("Wrapping the environment in a DummyVecEnv")
    single = ensure_gymnasium(env)
    return DummyVecEnv([lambda: single])
