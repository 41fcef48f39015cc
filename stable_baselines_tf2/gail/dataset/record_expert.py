"""Recording expert trajectories."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.common.vec_env import UnvecWrapper, VecEnv
from stable_baselines_tf2.common.vec_env.conversion import as_vec_env
from stable_baselines_tf2.core.archive import atomic_write
from stable_baselines_tf2.core.optional import require
from stable_baselines_tf2.envs.spaces import is_box, is_discrete, is_image


def generate_expert_traj(
    model: Any,
    save_path: str | os.PathLike | None = None,
    env: VecEnv | gymnasium.Env | None = None,
    n_timesteps: int = 0,
    n_episodes: int = 100,
    image_folder: str = "recorded_images",
) -> dict[str, np.ndarray]:
    """Plays episodes with an expert and records them, for `ExpertDataset`.

    Observations that are images (``uint8`` with 1, 3 or 4 channels) go to image files next to the data, which then hold
    their paths; others go into the arrays.

    Args:
        model: a model, or a function from an observation to an action (of a vectorized environment: from observations
            to actions).
        save_path: file to write, without ``.npz``; None writes nothing.
        env: the environment; the model's own if None. Of several environments only the first is recorded. It is closed
            at the end.
        n_timesteps: environment steps for which the model is trained first.
        n_episodes: number of episodes to record.
        image_folder: folder of the images, in that of ``save_path``.

    Returns:
        ``obs``, ``actions``, ``rewards`` and ``episode_starts`` with one row for each step, and ``episode_returns``.

    Raises:
        ValueError: there is no environment, its spaces are neither Box nor Discrete, or an argument is invalid.
        ImportError: images are to be written and OpenCV is not installed.
        OSError: the file cannot be written.
    """
    is_model = hasattr(model, "predict")
    if not is_model and not callable(model):
        raise ValueError(f"model must be a model or a function from observations to actions, not {model!r}")
    if n_episodes < 1:
        raise ValueError(f"n_episodes must be at least 1, not {n_episodes!r}")
    env = model.get_env() if env is None and is_model else env
    if env is None:
        raise ValueError("env: the model has no environment, so one must be given")
    single = isinstance(env, UnvecWrapper) or not isinstance(env, VecEnv)
    venv = as_vec_env(env)
    if venv.num_envs > 1:
        warnings.warn(f"only the first of the {venv.num_envs} environments is recorded", stacklevel=2)
    for name, space in (("observation", venv.observation_space), ("action", venv.action_space)):
        if not (is_box(space) or is_discrete(space)):
            raise ValueError(f"env: its {name} space must be a Box or Discrete, not {space}")
    recorder = _image_recorder(venv.observation_space, save_path, image_folder)
    if n_timesteps > 0 and is_model:
        model.learn(n_timesteps)

    observations: list[Any] = []
    actions: list[np.ndarray] = []
    rewards: list[float] = []
    starts: list[bool] = []
    returns: list[float] = []
    obs, state = venv.reset(), None
    start, episode_return = True, 0.0
    while len(returns) < n_episodes:
        if is_model:
            taken, state = model.predict(obs, state=state, mask=np.full(venv.num_envs, start))
        else:
            taken = [model(obs[0])] if single else model(obs)
        # Some environments reuse the array of an observation: keep a copy.
        observations.append(np.array(obs[0]) if recorder is None else recorder(obs[0], len(observations)))
        obs, reward, dones, _ = venv.step(taken)
        actions.append(np.array(taken[0]))
        rewards.append(float(reward[0]))
        starts.append(start)
        start = bool(dones[0])
        episode_return += rewards[-1]
        if start:
            returns.append(episode_return)
            episode_return = 0.0

    data = {
        "actions": _rows(actions, venv.action_space),
        "obs": np.array(observations) if recorder is not None else _rows(observations, venv.observation_space),
        "rewards": np.array(rewards) if single else np.array(rewards, np.float32)[:, np.newaxis],
        "episode_returns": np.array(returns),
        "episode_starts": np.array(starts),
    }
    if save_path is not None:
        path = os.fspath(save_path)
        with atomic_write(path if path.endswith(".npz") else f"{path}.npz") as file:
            np.savez(file, **data)  # type: ignore[arg-type]
    env.close()
    return data


def _rows(values: list[np.ndarray], space: gymnasium.Space) -> np.ndarray:
    """[N, …], of a Discrete space [N, 1]."""
    return np.array(values).reshape(-1, *((space.shape or ()) if is_box(space) else (1,)))


def _image_recorder(
    space: gymnasium.Space, save_path: str | os.PathLike | None, image_folder: str
) -> Callable[[np.ndarray, int], str] | None:
    """A function that writes a numbered observation to an image file and returns its path; None if not images."""
    if not is_image(space) or space.dtype != np.uint8 or not space.shape:
        return None
    n_channels = space.shape[-1]
    if save_path is None or n_channels not in (1, 3, 4):
        reason = "save_path is None" if save_path is None else f"they have {n_channels} channels"
        warnings.warn(f"images are kept in memory and not in files, because {reason}", stacklevel=3)
        return None
    cv2: Any = require("cv2", "atari")
    folder = os.path.join(os.path.dirname(os.fspath(save_path)), image_folder)
    os.makedirs(folder, exist_ok=True)

    def record(image: np.ndarray, number: int) -> str:
        # Four channels are stacked frames instead of colours, and JPEG has only three.
        path = os.path.join(folder, f"{number}.{'png' if n_channels == 4 else 'jpg'}")
        if not cv2.imwrite(path, cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if n_channels == 3 else image):
            raise OSError(f"the image {path} cannot be written")
        return path

    return record
