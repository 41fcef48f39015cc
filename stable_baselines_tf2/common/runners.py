"""Segments of experience, for programs that collect their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from stable_baselines_tf2.common.callbacks import BaseCallback
from stable_baselines_tf2.common.policies import ActorCriticPolicy
from stable_baselines_tf2.common.vec_env import VecEnv
from stable_baselines_tf2.common.vec_env.conversion import EnvLike, as_vec_env
from stable_baselines_tf2.core.collect import OnPolicyCollector, Rollout
from stable_baselines_tf2.envs.spaces import action_bounds


class AbstractEnvRunner(ABC):
    """Collects experience of an algorithm with a session of its own; a subclass overrides ``_run``.

    Args:
        env: a vectorized environment.
        model: has ``initial_state``, and what ``_run`` uses.
        n_steps: steps of each environment.
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int) -> None:
        self.env, self.model, self.n_steps = env, model, n_steps
        self.n_envs = n_env = env.num_envs
        shape = env.observation_space.shape or ()
        self.batch_ob_shape = (n_env * n_steps, *shape)
        self.obs = np.zeros((n_env, *shape), env.observation_space.dtype)
        self.obs[:] = env.reset()
        self.states = model.initial_state
        self.dones: Any = [False] * n_env
        self.callback: BaseCallback | None = None
        self.continue_training = True

    def run(self, callback: BaseCallback | None = None) -> Any:
        """Collects experience; ``continue_training`` tells whether the callback has stopped that."""
        self.callback, self.continue_training = callback, True
        return self._run()

    @abstractmethod
    def _run(self) -> Any:
        """Collects experience."""


def traj_segment_generator(
    policy: ActorCriticPolicy,
    env: EnvLike,
    horizon: int,
    reward_giver: Any = None,
    gail: bool = False,
    callback: BaseCallback | None = None,
) -> Iterator[dict[str, Any]]:
    """Plays an environment for ever, ``horizon`` steps at a time.

    Args:
        policy: an actor-critic policy.
        env: an environment, or a vectorized one that holds a single environment.
        horizon: T, steps of a segment.
        reward_giver: gives rewards for observations and actions (``get_reward``), if ``gail`` is true.
        gail: learn from the rewards that ``reward_giver`` gives.
        callback: a callback object, called at steps and segments.

    Yields:
        ``observations``, ``actions``, ``rewards``, ``true_rewards`` (of the environment), ``vpred`` (values),
        ``episode_starts``, ``dones`` [T, …]; ``nextvpred``, the value after the last step, 0 if that ended an episode;
        ``ep_rets``, ``ep_true_rets``, ``ep_lens`` of the episodes that ended; ``total_timestep`` and
        ``continue_training``, which is False in a last segment without steps where the callback stopped.

    Raises:
        ValueError: ``gail`` without ``reward_giver``, or several environments.
    """
    if gail and reward_giver is None:
        raise ValueError("reward_giver: with gail=True it must give the rewards, not be None")
    env = as_vec_env(env)
    if env.num_envs != 1:
        raise ValueError(f"env must hold one environment, not {env.num_envs}")
    space = env.action_space
    bounds = action_bounds(space)
    runner = OnPolicyCollector(env, policy.step, policy.value, horizon, policy.initial_state, bounds)
    runner.dones[:] = True  # the first step starts an episode

    def on_step(get_locals: Callable[[], dict[str, Any]]) -> bool:
        if callback is None:
            return True
        callback.update_locals(get_locals())
        return callback.on_step() is not False

    learned_return = 0.0  # of the episode that goes on
    while True:
        if callback is not None:
            callback.on_rollout_start()
        rollout = runner.run(on_step)
        if rollout is None:
            yield {**_EMPTY, "continue_training": False}
            return
        if callback is not None:
            callback.on_rollout_end()
        segment = _segment(rollout)
        if gail:
            actions = segment["actions"] if bounds is None else np.clip(segment["actions"], *bounds)
            segment["rewards"] = np.ravel(reward_giver.get_reward(segment["observations"], actions))
            segment["ep_rets"], learned_return = episode_sums(segment["rewards"], segment["dones"], learned_return)
        yield segment


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("observations", "actions", "rewards", "true_rewards", "vpred"), np.zeros(0, np.float32)),
    **dict.fromkeys(("episode_starts", "dones"), np.zeros(0, bool)),
    "nextvpred": 0.0,
    "ep_rets": [],
    "ep_true_rets": [],
    "ep_lens": [],
    "total_timestep": 0,
}


def _segment(rollout: Rollout) -> dict[str, Any]:
    returns = [total for _, total in rollout.episodes]
    if len(rollout.episode_infos) == len(returns):  # a Monitor knows rewards before normalization
        returns = [info["r"] for info in rollout.episode_infos]
    return {
        "observations": rollout.obs[0],
        "actions": rollout.actions[0],
        "rewards": rollout.rewards[0],
        "true_rewards": rollout.rewards[0],
        "vpred": rollout.values[0],
        "nextvpred": float(rollout.last_values[0] * (1.0 - rollout.last_dones[0])),
        "episode_starts": rollout.starts[0],
        "dones": rollout.dones[0],
        "ep_rets": returns,
        "ep_true_rets": returns,
        "ep_lens": rollout.episode_lengths,
        "total_timestep": rollout.rewards.shape[1],
        "continue_training": True,
    }


def episode_sums(rewards: np.ndarray, dones: np.ndarray, running: float = 0.0) -> tuple[list[float], float]:
    """Returns of the episodes that end in a segment of one environment.

    Args:
        rewards: [T].
        dones: whether a step ended its episode, [T].
        running: sum of the first episode's rewards before the segment.

    Returns:
        The returns, and the sum so far of the episode that goes on.
    """
    parts = np.split(np.asarray(rewards, np.float64), np.flatnonzero(dones) + 1)
    sums = [float(part.sum()) for part in parts]
    sums[0] += running
    return sums[:-1], sums[-1]
