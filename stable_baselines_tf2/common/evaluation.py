"""Evaluation of a policy by the returns of whole episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.vec_env import GymnasiumVecEnv, VecEnv
from stable_baselines_tf2.core.checks import warn_caller
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, render_env, reset_result, step_result

if TYPE_CHECKING:
    from stable_baselines_tf2.core.interfaces import Predictor


def evaluate_policy(
    model: Predictor,
    env: gymnasium.Env | gymnasium.vector.VectorEnv | VecEnv,
    n_eval_episodes: int = 10,
    deterministic: bool = True,
    render: bool = False,
    callback: Callable[[dict[str, Any], dict[str, Any]], Any] | None = None,
    reward_threshold: float | None = None,
    return_episode_rewards: bool = False,
) -> tuple[float, float] | tuple[list[float], list[int]]:
    """Plays episodes with a policy and sums up their rewards.

    The rewards are those that ``env`` gives: wrappers that change them (``VecNormalize``, ``ClipRewardEnv``) change the
    result. With several environments each plays a share of the episodes that is fixed beforehand, as taking whichever
    finish first would favour short ones.

    Args:
        model: anything with ``predict(observation, state=..., deterministic=...)`` that returns actions and state. A
            model that returns a state also gets ``mask``, the flags of the episodes that just ended.
        env: one environment or a vectorized one with any number of environments.
        n_eval_episodes: number of episodes, over all environments.
        deterministic: whether the policy acts deterministically.
        render: whether to show every step.
        callback: called after each step with the local and global variables of this function.
        reward_threshold: the mean return must be above this.
        return_episode_rewards: whether to return every episode instead of the mean.

    Returns:
        Mean and standard deviation of the returns; or the returns and the lengths (in steps) of all episodes, in the
        order in which they ended.

    Raises:
        RuntimeError: the mean return is not above ``reward_threshold``.
    """
    if n_eval_episodes < 1:
        warn_caller(f"n_eval_episodes={n_eval_episodes!r}: the mean of no episodes is NaN; give at least 1")
    if isinstance(env, gymnasium.vector.VectorEnv):
        env = GymnasiumVecEnv(env)
    world = env if isinstance(env, VecEnv) else _Single(env)
    n_envs = world.num_envs
    remaining = np.array([(n_eval_episodes + i) // n_envs for i in range(n_envs)])  # episodes, sums to n_eval_episodes
    episode_rewards: list[float] = []
    episode_lengths: list[int] = []
    episode_reward, episode_length = np.zeros(n_envs), np.zeros(n_envs, int)
    obs = world.reset()
    state, dones = None, np.zeros(n_envs, bool)
    while remaining.any():
        mask: dict[str, Any] = {} if state is None else {"mask": dones}
        action, state = model.predict(obs, state=state, deterministic=deterministic, **mask)
        obs, reward, done, _info = world.step(action)
        dones = np.atleast_1d(done)
        episode_reward += reward
        if callback is not None:
            callback(locals(), globals())
        episode_length += 1
        if render:
            world.render()
        for i in np.flatnonzero(dones):
            if remaining[i]:
                episode_rewards.append(float(episode_reward[i]))
                episode_lengths.append(int(episode_length[i]))
                remaining[i] -= 1
            episode_reward[i], episode_length[i] = 0.0, 0
        if isinstance(world, _Single) and done and remaining.any():  # a vectorized environment resets itself
            obs, state = world.reset(), None
    mean_reward, std_reward = float(np.mean(episode_rewards)), float(np.std(episode_rewards))
    if reward_threshold is not None and not mean_reward > reward_threshold:
        raise RuntimeError(f"the mean return {mean_reward:.2f} is not above reward_threshold={reward_threshold}")
    if return_episode_rewards:
        return episode_rewards, episode_lengths
    return mean_reward, std_reward


class _Single:
    """One environment, unbatched, with the results of a `VecEnv`; it does not reset itself."""

    num_envs = 1

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = ensure_gymnasium(env)

    def reset(self) -> Any:
        return reset_result(self.env.reset())[0]

    def step(self, action: ArrayLike) -> tuple[Any, Any, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = step_result(self.env.step(action))
        return obs, reward, bool(terminated or truncated), info

    def render(self) -> None:
        render_env(self.env, "human")
