"""Collection of experience: the one on-policy collector and the one off-policy collector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

OnStep = Callable[[Callable[[], dict[str, Any]]], bool]
PolicyStep = Callable[..., tuple[Any, ...]]


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
    last_obs: np.ndarray  # [N, …] observations after the last step
    last_values: np.ndarray  # [N] of those
    last_dones: np.ndarray  # [N] bool: the last step ended an episode
    episode_infos: list[dict[str, Any]]  # what Monitor reported
    episodes: list[tuple[int, float]]  # (environment steps since the rollout's start, return) of episodes that ended
    episode_lengths: list[int]  # steps of those
    distributions: np.ndarray | None = None  # [N, T, n] parameters of the action distributions, if the policy tells
    step_states: np.ndarray | None = None  # [N, T, 2H] recurrent states before every step, if asked for
    bootstraps: np.ndarray | float = 0.0  # [N, T] what is in `rewards` for episodes that a time limit cut off
    returns: np.ndarray = dataclasses.field(init=False, repr=False)  # [N, T] float32, set by whoever estimates them

    @property
    def dones(self) -> np.ndarray:
        """Whether a step ended its episode, [N, T] bool."""
        return np.concatenate([self.starts[:, 1:], self.last_dones[:, np.newaxis]], axis=1)

    def flat(self, array: np.ndarray) -> np.ndarray:
        """[N, T, …] to [N·T, …], environment by environment."""
        return array.reshape(-1, *array.shape[2:])

    def batch(self, *names: str) -> dict[str, np.ndarray]:
        """The named arrays as rows, and what recurrent policies need: ``starts`` [N·T] and ``states`` [N, 2H]."""
        batch = {name: self.flat(getattr(self, name)) for name in names}
        if self.states is not None:
            batch |= {"starts": self.flat(self.starts).astype(np.float32), "states": self.states}
        return batch


class OnPolicyCollector:
    """Plays T steps at a time in a vectorized environment, which goes on where it stopped.

    Args:
        env: a vectorized environment.
        step: ``(obs, states, dones) -> (actions, values, states, neglogp)``, and as a fifth, where it is wanted, the
            parameters of the action distributions.
        value: ``(obs, states, dones) -> values``.
        n_steps: T, steps of each environment in a rollout.
        initial_state: recurrent states at the start, or None.
        action_bounds: lowest and highest action that the environment takes; None where actions need no clipping.
        timeout_discount: the discount γ if an episode cut off by a time limit counts as unfinished: the discounted
            value of its last observation is then added to its last reward. None treats it as ended.
        prepare_last: brings such last observations into the form of the others, where the environment does not.
        keep_states: note the recurrent states before every step, rather than only before the first.
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
        keep_states: bool = False,
    ) -> None:
        self.env, self.n_steps = env, n_steps
        self._step, self._value, self._bounds, self._timeout_discount = step, value, action_bounds, timeout_discount
        self._prepare_last, self._keep_states = prepare_last, keep_states
        self.obs = env.reset()
        self.states = initial_state
        self.dones = np.zeros(env.num_envs, bool)
        self._returns, self._lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, int)
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
        distributions: np.ndarray | None = None
        first_states = self.states
        step_states = None
        if self._keep_states and first_states is not None:
            step_states = np.empty((*shape, *first_states.shape[1:]), first_states.dtype)
        bootstraps = np.zeros(shape, np.float32) if self._timeout_discount is not None else 0.0
        episode_infos: list[dict[str, Any]] = []
        episodes: list[tuple[int, float]] = []
        episode_lengths: list[int] = []
        for t in range(self.n_steps):
            if step_states is not None:
                step_states[:, t] = self.states
            actions, values, states, neglogp, *told = self._step(self.obs, self.states, self.dones)
            if t == 0:
                actions_ = np.empty((*shape, *actions.shape[1:]), actions.dtype)
                distributions = np.empty((*shape, *told[0].shape[1:]), np.float32) if told else None
            if distributions is not None:
                distributions[:, t] = told[0]
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
            self._lengths += 1
            for info in infos:
                if "episode" in info:
                    episode_infos.append(info["episode"])
            if self.dones.any():
                for i in np.flatnonzero(self.dones):
                    episodes.append(((t + 1) * n_envs, float(self._returns[i])))
                    episode_lengths.append(int(self._lengths[i]))
                    self._returns[i], self._lengths[i] = 0.0, 0
                if isinstance(bootstraps, np.ndarray):
                    self._bootstrap_timeouts(bootstraps[:, t], infos, states)
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
            rewards_ + bootstraps,
            values_,
            neglogp_,
            starts,
            first_states,
            self.obs,
            last_values,
            self.dones,
            episode_infos,
            episodes,
            episode_lengths,
            distributions,
            step_states,
            bootstraps,
        )

    def _bootstrap_timeouts(self, bonus: np.ndarray, infos: list[dict[str, Any]], states: np.ndarray | None) -> None:
        cut = [i for i, info in enumerate(infos) if self.dones[i] and info.get("TimeLimit.truncated")]
        if cut:
            last_obs = np.stack([infos[i]["terminal_observation"] for i in cut])
            if self._prepare_last is not None:
                last_obs = self._prepare_last(last_obs)
            values = self._value(last_obs, None if states is None else states[cut], np.zeros(len(cut), bool))
            bonus[cut] = self._timeout_discount * values


class OffPolicyCollector:
    """Plays a vectorized environment step by step and hands every transition on.

    Args:
        env: a vectorized environment; it is reset.
        act: ``(obs, starts) -> (actions, taken)``: what to store and what the environment takes, for observations
            [N, …] and flags [N] of the episodes that start with them.
        store: takes a step's transitions: observations, actions, rewards, next observations, dones [N, …] and infos.
            The observation after the last step of an episode is that of the episode, not of the next one.
        normalizer: the ``VecNormalize`` around the environment, or None. What it normalizes is stored as it was before.
        bootstrap_timeouts: an episode that a time limit cut off is stored as one that goes on.
    """

    def __init__(
        self,
        env: Any,
        act: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
        store: Callable[..., None],
        normalizer: Any = None,
        bootstrap_timeouts: bool = False,
    ) -> None:
        self._env, self._act, self._store, self._normalizer = env, act, store, normalizer
        self._bootstrap_timeouts = bootstrap_timeouts
        self.obs = env.reset()
        self._raw_obs = self.obs if normalizer is None else normalizer.get_original_obs()
        self.starts = np.ones(env.num_envs, bool)
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, int)

    def step(self, on_step: OnStep | None = None) -> list[dict[str, Any]] | None:
        """Takes one step in every environment.

        Args:
            on_step: called after the step with a function that gives what callbacks may look at; False stops.

        Returns:
            Of each episode that ended, its ``return``, its ``length`` and the last ``info``; None when ``on_step``
            stopped, and then the step is not stored.
        """
        obs, starts = self.obs, self.starts
        actions, taken = self._act(obs, starts)
        new_obs, rewards, dones, infos = self._env.step(taken)
        if on_step is not None and not on_step(
            partial(
                dict,
                obs=obs,
                new_obs=new_obs,
                actions=actions,
                taken=taken,
                rewards=rewards,
                dones=dones,
                infos=infos,
                starts=starts,
                returns=self._returns,
            )
        ):
            return None
        raw_new_obs = new_obs
        if self._normalizer is not None:
            raw_new_obs, rewards = self._normalizer.get_original_obs(), self._normalizer.get_original_reward()
        self._returns += rewards
        self._lengths += 1
        next_obs, ended, episodes = raw_new_obs, dones, []
        if dones.any():
            next_obs, ended = raw_new_obs.copy(), dones.copy()
            for i in np.flatnonzero(dones):
                info = infos[i]
                next_obs[i] = info["terminal_observation"]
                ended[i] = not (self._bootstrap_timeouts and info.get("TimeLimit.truncated"))
                episodes.append({"return": float(self._returns[i]), "length": int(self._lengths[i]), "info": info})
                self._returns[i], self._lengths[i] = 0.0, 0
        self._store(self._raw_obs, actions, rewards, next_obs, ended, infos)
        self.obs, self._raw_obs, self.starts = new_obs, raw_new_obs, dones
        return episodes
