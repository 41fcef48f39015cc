"""Collection of experience: the one on-policy collector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

OnStep = Callable[[Callable[[], dict[str, Any]]], bool]
PolicyStep = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]]


@dataclasses.dataclass
class Rollout:
    """T steps of N environments. Arrays are [N, T, …], so that flattened rows are ordered by environment."""

    obs: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray  # float32
    values: np.ndarray  # float32, of `obs`
    neglogp: np.ndarray  # float32, of `actions`
    starts: np.ndarray  # bool: an episode starts with this observation
    states: np.ndarray | None  # [N, 2H] recurrent states before the first step
    last_values: np.ndarray  # [N] of the observations after the last step
    last_dones: np.ndarray  # [N] bool: the last step ended an episode
    episode_infos: list[dict[str, Any]]  # what Monitor reported
    episodes: list[tuple[int, float]]  # (environment steps since the rollout's start, return) of episodes that ended
    returns: np.ndarray = dataclasses.field(init=False, repr=False)  # [N, T] float32, set by whoever estimates them

    @property
    def dones(self) -> np.ndarray:
        """Whether a step ended its episode, [N, T] bool."""
        return np.concatenate([self.starts[:, 1:], self.last_dones[:, np.newaxis]], axis=1)

    def flat(self, array: np.ndarray) -> np.ndarray:
        """[N, T, …] to [N·T, …], environment by environment."""
        return array.reshape(-1, *array.shape[2:])


class OnPolicyCollector:
    """Plays T steps at a time in a vectorized environment, which goes on where it stopped.

    Args:
        env: a vectorized environment.
        step: ``(obs, states, dones) -> (actions, values, states, neglogp)``.
        value: ``(obs, states, dones) -> values``.
        n_steps: T, steps of each environment in a rollout.
        initial_state: recurrent states at the start, or None.
        action_bounds: lowest and highest action that the environment takes; None where actions need no clipping.
        timeout_discount: the discount γ if an episode cut off by a time limit counts as unfinished: the discounted
            value of its last observation is then added to its last reward. None treats it as ended.
        prepare_last: brings such last observations into the form of the others, where the environment does not.
    """

    def __init__(
        self,
        env: Any,
        step: PolicyStep,
        value: Callable[..., np.ndarray],
        n_steps: int,
        initial_state: np.ndarray | None = None,
        action_bounds: tuple[np.ndarray, np.ndarray] | None = None,
        timeout_discount: float | None = None,
        prepare_last: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.env, self.n_steps = env, n_steps
        self._step, self._value, self._bounds, self._timeout_discount = step, value, action_bounds, timeout_discount
        self._prepare_last = prepare_last
        self.obs = env.reset()
        self.states = initial_state
        self.dones = np.zeros(env.num_envs, bool)
        self._returns = np.zeros(env.num_envs)
        self.continue_training = True

    def run(self, on_step: OnStep | None = None) -> Rollout | None:
        """Collects one rollout.

        Args:
            on_step: called after every step with a function that gives what callbacks may look at; False stops.

        Returns:
            The rollout, or None when ``on_step`` stopped it.
        """
        env, n_envs = self.env, self.env.num_envs
        shape = (n_envs, self.n_steps)
        rewards_ = np.empty(shape, np.float32)
        values_, neglogp_ = np.empty(shape, np.float32), np.empty(shape, np.float32)
        starts = np.empty(shape, bool)
        obs_ = np.empty((*shape, *self.obs.shape[1:]), self.obs.dtype)
        actions_: np.ndarray  # made at the first step, whose actions show the type
        first_states = self.states
        episode_infos: list[dict[str, Any]] = []
        episodes: list[tuple[int, float]] = []
        for t in range(self.n_steps):
            actions, values, states, neglogp = self._step(self.obs, self.states, self.dones)
            if t == 0:
                actions_ = np.empty((*shape, *actions.shape[1:]), actions.dtype)
            obs_[:, t], actions_[:, t], values_[:, t], neglogp_[:, t], starts[:, t] = (
                self.obs,
                actions,
                values,
                neglogp,
                self.dones,
            )
            taken = actions if self._bounds is None else np.clip(actions, *self._bounds)
            self.obs, rewards, dones, infos = env.step(taken)
            self.states, self.dones = states, np.asarray(dones, bool)
            rewards_[:, t] = rewards
            self._returns += rewards
            for info in infos:
                if "episode" in info:
                    episode_infos.append(info["episode"])
            if self.dones.any():
                for i in np.flatnonzero(self.dones):
                    episodes.append(((t + 1) * n_envs, float(self._returns[i])))
                    self._returns[i] = 0.0
                if self._timeout_discount is not None:
                    self._bootstrap_timeouts(rewards_[:, t], infos, states)
            if on_step is not None and not on_step(
                partial(
                    dict,
                    obs=self.obs,
                    actions=actions,
                    clipped_actions=taken,
                    values=values,
                    neglogpacs=neglogp,
                    states=states,
                    rewards=rewards,
                    dones=self.dones,
                    infos=infos,
                    step=t,
                    ep_infos=episode_infos,
                )
            ):
                self.continue_training = False
                return None
        last_values = self._value(self.obs, self.states, self.dones)
        return Rollout(
            obs_,
            actions_,
            rewards_,
            values_,
            neglogp_,
            starts,
            first_states,
            last_values,
            self.dones,
            episode_infos,
            episodes,
        )

    def _bootstrap_timeouts(self, rewards: np.ndarray, infos: list[dict[str, Any]], states: np.ndarray | None) -> None:
        cut = [i for i, info in enumerate(infos) if self.dones[i] and info.get("TimeLimit.truncated")]
        if cut:
            last_obs = np.stack([infos[i]["terminal_observation"] for i in cut])
            if self._prepare_last is not None:
                last_obs = self._prepare_last(last_obs)
            values = self._value(last_obs, None if states is None else states[cut], np.zeros(len(cut), bool))
            rewards[cut] += self._timeout_discount * values
