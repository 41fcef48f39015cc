"""Ready-made environments for training scripts, and their command line arguments."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium

from stable_baselines_tf2.common.atari_wrappers import make_atari, wrap_deepmind
from stable_baselines_tf2.common.misc_util import mpi_rank_or_zero, set_global_seeds
from stable_baselines_tf2.envs import env_ids
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium

if TYPE_CHECKING:
    from stable_baselines_tf2.common.vec_env import VecEnv


def _seed(env: gymnasium.Env, seed: int | None) -> None:
    """Seeds an environment and its action space. Later resets without a seed go on with the same generator."""
    if seed is not None:
        env.reset(seed=seed)
        env.action_space.seed(seed)


def _monitored(env: gymnasium.Env, rank: int, **kwargs: Any) -> gymnasium.Env:
    """Puts an environment into a `Monitor` that writes to the logger's folder, if there is one."""
    from stable_baselines_tf2 import logger
    from stable_baselines_tf2.bench import Monitor

    folder = logger.get_dir()
    return Monitor(env, os.path.join(folder, str(rank)) if folder else None, **kwargs)


def make_vec_env(
    env_id: str | Callable[..., gymnasium.Env],
    n_envs: int = 1,
    seed: int | None = None,
    start_index: int = 0,
    monitor_dir: str | None = None,
    wrapper_class: Callable[[gymnasium.Env], gymnasium.Env] | None = None,
    env_kwargs: dict[str, Any] | None = None,
    vec_env_cls: Callable[..., VecEnv] | None = None,
    vec_env_kwargs: dict[str, Any] | None = None,
) -> VecEnv:
    """Makes several environments of one kind, each in a `Monitor`.

    Args:
        env_id: id of an environment, in any version, or a class or function that makes one.
        n_envs: number of environments.
        seed: environment ``i`` is seeded with ``seed + start_index + i``; None leaves them unseeded.
        start_index: number of the first environment, for seeds and file names.
        monitor_dir: folder for the monitors' files, made if it does not exist; None writes no files.
        wrapper_class: wraps each environment, outside of its monitor.
        env_kwargs: arguments for making each environment, e.g. ``{"render_mode": "rgb_array"}``.
        vec_env_cls: makes the vectorized environment from a list of functions; by default `DummyVecEnv`.
        vec_env_kwargs: further arguments of ``vec_env_cls``.

    Returns:
        The vectorized environment.

    Raises:
        ValueError: ``n_envs`` is below 1.
    """
    from stable_baselines_tf2.bench import Monitor
    from stable_baselines_tf2.common.vec_env import DummyVecEnv

    if n_envs < 1:
        raise ValueError(f"n_envs must be at least 1, got {n_envs}")
    if monitor_dir is not None:
        os.makedirs(monitor_dir, exist_ok=True)

    def maker(rank: int) -> Callable[[], gymnasium.Env]:
        def make() -> gymnasium.Env:
            kwargs = env_kwargs or {}
            env = env_ids.make(env_id, **kwargs) if isinstance(env_id, str) else ensure_gymnasium(env_id(**kwargs))
            _seed(env, None if seed is None else seed + rank)
            env = Monitor(env, None if monitor_dir is None else os.path.join(monitor_dir, str(rank)))
            return env if wrapper_class is None else wrapper_class(env)

        return make

    makers = [maker(start_index + i) for i in range(n_envs)]
    return (vec_env_cls or DummyVecEnv)(makers, **(vec_env_kwargs or {}))


def make_atari_env(
    env_id: str,
    num_env: int,
    seed: int | None,
    wrapper_kwargs: dict[str, Any] | None = None,
    start_index: int = 0,
    allow_early_resets: bool = True,
    start_method: str | None = None,
    use_subprocess: bool = False,
) -> VecEnv:
    """Makes several Atari games with the usual preprocessing; monitors record the unclipped rewards of whole games.

    Also calls `set_global_seeds`.

    Args:
        env_id: id of a NoFrameskip version, e.g. ``"PongNoFrameskip-v4"``.
        num_env: number of games.
        seed: game ``i`` is seeded with ``seed + start_index + i``; None leaves them unseeded.
        wrapper_kwargs: arguments of `wrap_deepmind`.
        start_index: number of the first game, for seeds and file names.
        allow_early_resets: whether a game may be reset before it is over.
        start_method: how to start subprocesses, see `SubprocVecEnv`.
        use_subprocess: run each game in a process of its own, if there are several.

    Returns:
        A `DummyVecEnv` or `SubprocVecEnv`.

    Raises:
        ValueError: the id is of another version, or ``num_env`` is below 1.
        ImportError: ale-py or OpenCV is not installed.
    """
    from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv

    if num_env < 1:
        raise ValueError(f"num_env must be at least 1, got {num_env}")

    def maker(rank: int) -> Callable[[], gymnasium.Env]:
        def make() -> gymnasium.Env:
            env = make_atari(env_id)
            _seed(env, None if seed is None else seed + rank)
            return wrap_deepmind(_monitored(env, rank, allow_early_resets=allow_early_resets), **(wrapper_kwargs or {}))

        return make

    set_global_seeds(seed)
    makers = [maker(start_index + i) for i in range(num_env)]
    if use_subprocess and num_env > 1:
        return SubprocVecEnv(makers, start_method=start_method)
    return DummyVecEnv(makers)


def make_mujoco_env(env_id: str, seed: int, allow_early_resets: bool = True) -> gymnasium.Env:
    """Makes a monitored MuJoCo environment, after seeding the global generators differently in each MPI process.

    Args:
        env_id: id of a registered environment.
        seed: seed of the environment.
        allow_early_resets: whether it may be reset before the episode ends.

    Returns:
        The environment.
    """
    set_global_seeds(seed + 10000 * mpi_rank_or_zero())
    env = env_ids.make(env_id)
    _seed(env, seed)
    return _monitored(env, 0, allow_early_resets=allow_early_resets)


def make_robotics_env(env_id: str, seed: int, rank: int = 0, allow_early_resets: bool = True) -> gymnasium.Env:
    """Makes a monitored environment with goals whose observations are flat: the desired goal, then the observation.

    Args:
        env_id: id of a registered environment with the observations ``observation`` and ``desired_goal``.
        seed: seed of the environment and of the global generators.
        rank: number of the environment, for the monitor's file name.
        allow_early_resets: whether it may be reset before the episode ends.

    Returns:
        The environment.
    """
    set_global_seeds(seed)
    env = env_ids.make(env_id)
    _seed(env, seed)
    env = gymnasium.wrappers.FilterObservation(env, ["desired_goal", "observation"])
    env = gymnasium.wrappers.FlattenObservation(env)
    return _monitored(env, rank, info_keywords=("is_success",), allow_early_resets=allow_early_resets)


def arg_parser() -> argparse.ArgumentParser:
    """A parser without arguments, whose help shows default values."""
    return argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def _env_arg_parser(env_id: str, num_timesteps: int) -> argparse.ArgumentParser:
    parser = arg_parser()
    parser.add_argument("--env", default=env_id, help="id of the environment")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random generators")
    parser.add_argument("--num-timesteps", type=int, default=num_timesteps, help="number of steps to train for")
    return parser


def atari_arg_parser() -> argparse.ArgumentParser:
    """A parser with ``--env`` (BreakoutNoFrameskip-v4), ``--seed`` (0) and ``--num-timesteps`` (10 million)."""
    return _env_arg_parser("BreakoutNoFrameskip-v4", 10_000_000)


def mujoco_arg_parser() -> argparse.ArgumentParser:
    """A parser with ``--env`` (Reacher-v2), ``--seed`` (0), ``--num-timesteps`` (1 million) and ``--play``."""
    parser = _env_arg_parser("Reacher-v2", 1_000_000)
    parser.add_argument("--play", action="store_true", help="show the trained agent")
    return parser


def robotics_arg_parser() -> argparse.ArgumentParser:
    """A parser with ``--env`` (FetchReach-v0), ``--seed`` (0) and ``--num-timesteps`` (1 million)."""
    return _env_arg_parser("FetchReach-v0", 1_000_000)
