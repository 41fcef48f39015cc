"""Vectorized environments and their wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import gymnasium

from stable_baselines_tf2.common.vec_env.base_vec_env import (
    AlreadySteppingError,
    CloudpickleWrapper,
    NotSteppingError,
    VecEnv,
    VecEnvWrapper,
)
from stable_baselines_tf2.common.vec_env.dummy_vec_env import DummyVecEnv
from stable_baselines_tf2.common.vec_env.gymnasium_vec_env import GymnasiumVecEnv
from stable_baselines_tf2.common.vec_env.subproc_vec_env import SubprocVecEnv
from stable_baselines_tf2.common.vec_env.unvec_wrapper import UnvecWrapper
from stable_baselines_tf2.common.vec_env.vec_check_nan import VecCheckNan
from stable_baselines_tf2.common.vec_env.vec_frame_stack import VecFrameStack
from stable_baselines_tf2.common.vec_env.vec_normalize import VecNormalize
from stable_baselines_tf2.common.vec_env.vec_video_recorder import VecVideoRecorder

__all__ = [
    "AlreadySteppingError",
    "CloudpickleWrapper",
    "DummyVecEnv",
    "GymnasiumVecEnv",
    "NotSteppingError",
    "SubprocVecEnv",
    "UnvecWrapper",
    "VecCheckNan",
    "VecEnv",
    "VecEnvWrapper",
    "VecFrameStack",
    "VecNormalize",
    "VecVideoRecorder",
    "sync_envs_normalization",
    "unwrap_vec_normalize",
]


def unwrap_vec_normalize(env: VecEnv | gymnasium.Env | None) -> VecNormalize | None:
    """Finds the outermost normalization of an environment.

    Args:
        env: any environment.

    Returns:
        The `VecNormalize` among its wrappers, or None.
    """
    return next(_normalizations(env), None)


def sync_envs_normalization(env: Any, eval_env: VecEnv) -> None:
    """Copies the running statistics of the training environment to the evaluation environment.

    Args:
        env: the training environment.
        eval_env: the evaluation environment.

    Raises:
        ValueError: the two are not normalized alike: one has more `VecNormalize` wrappers.
    """
    sources, targets = list(_normalizations(env)), list(_normalizations(eval_env))
    if len(sources) != len(targets):
        raise ValueError(
            f"env and eval_env must be normalized alike: env has {len(sources)} VecNormalize, eval_env {len(targets)}"
        )
    for source, target in zip(sources, targets, strict=True):
        target.obs_rms = deepcopy(source.obs_rms)
        target.ret_rms = deepcopy(source.ret_rms)


def _normalizations(env: VecEnv | gymnasium.Env | None) -> Iterator[VecNormalize]:
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            yield env
        env = env.venv
