"""Collection of experience: the one on-policy collector and the one off-policy collector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from stable_baselines_tf2.core.returns import discounted_returns, generalized_advantage_estimation

OnStep = Callable[[Callable[[], dict[str, Any]]], bool]
Estimate = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class PolicyStep(NamedTuple):
    """What a policy returns for one step of N environments."""

    actions: np.ndarray  # [N, …]
    values: np.ndarray  # [N] of the observations
    states: np.ndarray | None  # [N, 2H] recurrent states after the step; None without memory
    neglogp: np.ndarray  # [N] negative log-probabilities of the sampled actions
    distributions: np.ndarray | None = None  # [N, n] parameters of the action distributions, where they are needed


@dataclasses.dataclass
class Rollout:
    """T steps of N environments. Arrays are [N, T, …], so that flattened rows are ordered by environment.

    `advantages`, `discounted_returns` or `set_returns` estimate the returns; nothing else has to know the order of
    axes.
    """

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
    distributions: np.ndarray | None = None  # [N, T, n] parameters of the action distributions, or none
    step_states: np.ndarray | None = None  # [N, T, 2H] recurrent states before every step, if asked for
    bootstraps: np.ndarray | float = 0.0  # [N, T] what `rewards` contain for truncated episodes
    _returns: np.ndarray | None = dataclasses.field(default=None, init=False, repr=False)

    @property
    def dones(self) -> np.ndarray:
        """Whether a step ended its episode, [N, T] bool."""
        return np.concatenate([self.starts[:, 1:], self.last_dones[:, np.newaxis]], axis=1)

    # ------------------------------------------------------------ returns
    @property
    def returns(self) -> np.ndarray:
        """Estimated returns, [N, T] float32.

        Raises:
            ValueError: they have not been estimated.
        """
        if self._returns is None:
            raise ValueError(
                "the returns of this rollout have not been estimated: call rollout.advantages(gamma, lam), "
                "rollout.discounted_returns(gamma) or rollout.set_returns(…) first"
            )
        return self._returns

    @returns.setter
    def returns(self, value: Any) -> None:
        shape = np.shape(value)
        raise AttributeError(
            f"returns cannot be assigned (an array of shape {shape} was): the order of its axes could not be checked. "
            "Use rollout.advantages(gamma, lam), rollout.discounted_returns(gamma), or rollout.set_returns(estimate) "
            "with a function of time-major arrays [T, N]"
        )

    def advantages(self, gamma: float, lam: float) -> np.ndarray:
        """Advantages by generalized advantage estimation, [N, T] float32; also sets the returns.

        Args:
            gamma: discount γ.
            lam: λ.
        """
        advantages, returns = generalized_advantage_estimation(
            self.rewards.T, self.values.T, self.starts.T, self.last_values, self.last_dones, gamma, lam
        )
        self._returns = np.ascontiguousarray(returns.T, np.float32)
        return np.ascontiguousarray(advantages.T)

    def discounted_returns(self, gamma: float) -> np.ndarray:
        """n-step returns, bootstrapped from the last values, [N, T] float32; also sets the returns."""
        returns = discounted_returns(self.rewards.T, self.dones.T, self.last_values, gamma)
        self._returns = np.ascontiguousarray(returns.T)
        return self._returns

    def set_returns(self, estimate: Estimate) -> np.ndarray:
        """Sets the returns by an estimator of one's own.

        Args:
            estimate: ``(rewards, values, dones, last_values) -> returns``: arrays [T, N], the last one [N], to an array
                [T, N].

        Returns:
            The returns, [N, T] float32.

        Raises:
            ValueError: the estimator gives an array of another shape or order of axes, or numbers that are not finite.
        """
        n_envs, n_steps = self.rewards.shape
        rewards, values, dones = (np.ascontiguousarray(array.T) for array in (self.rewards, self.values, self.dones))
        found = np.asarray(estimate(rewards, values, dones, self.last_values), np.float32)
        shape, expected = found.shape, (n_steps, n_envs)
        if shape == expected and n_steps == n_envs > 1:  # a square shape shows nothing: compare one step less
            shape = np.shape(estimate(rewards[:-1], values[:-1], dones[:-1], values[-1]))
            expected = (n_steps - 1, n_envs)
        if shape != expected:
            order = " (its axes are in the wrong order)" if shape == expected[::-1] else ""
            raise ValueError(
                f"estimate must return an array of shape [T, N] = {list(expected)}, not {list(shape)}{order}"
            )
        if not np.isfinite(found).all():
            raise ValueError("estimate returned numbers that are not finite")
        self._returns = np.ascontiguousarray(found.T)
        return self._returns

    # ------------------------------------------------------------ batches
    def flat(self, array: np.ndarray) -> np.ndarray:
        """[N, T, …] to [N·T, …], environment by environment."""
        return array.reshape(-1, *array.shape[2:])

    def batch(self, *names: str) -> dict[str, np.ndarray]:
        """The named arrays as rows, and what recurrent policies need: ``starts`` [N·T] and ``states`` [N, 2H].

        Raises:
            ValueError: ``returns`` are asked for and have not been estimated.
        """
        batch = {name: self.flat(getattr(self, name)) for name in names}
        if self.states is not None:
            batch |= {"starts": self.flat(self.starts).astype(np.float32), "states": self.states}
        return batch


class _Recording:
    """A rollout under way: arrays that are allocated at the first step, whose actions show their type."""

    def __init__(self, obs: np.ndarray, first: PolicyStep, n_steps: int, *, states: np.ndarray | None) -> None:
        shape = (len(obs), n_steps)
        self.obs = np.empty((*shape, *obs.shape[1:]), obs.dtype)
        self.actions = np.empty((*shape, *first.actions.shape[1:]), first.actions.dtype)
        self.rewards, self.values, self.neglogp = (np.empty(shape, np.float32) for _ in range(3))
        self.starts = np.empty(shape, bool)
        flat = first.distributions
        self.distributions = None if flat is None else np.empty((*shape, *flat.shape[1:]), np.float32)
        self.states = None if states is None else np.empty((*shape, *states.shape[1:]), states.dtype)

    def note(self, t: int, obs: np.ndarray, starts: np.ndarray, states: np.ndarray | None, step: PolicyStep) -> None:
        """Takes what was known before step ``t`` of the environments, and what the policy gave for it."""
        self.obs[:, t], self.starts[:, t], self.actions[:, t] = obs, starts, step.actions
        self.values[:, t], self.neglogp[:, t] = step.values, step.neglogp
        if self.states is not None:
            self.states[:, t] = states
        if self.distributions is not None:
            self.distributions[:, t] = step.distributions


def monitor_records(infos: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What `Monitor` reported of episodes; an entry ``"episode"`` of an environment's own is something else."""
    found = [info.get("episode") for info in infos]
    return [record for record in found if isinstance(record, dict) and {"r", "l"} <= record.keys()]


class OnPolicyCollector:
    """Plays T steps at a time in a vectorized environment, which goes on where it stopped.

    Args:
        env: a vectorized environment.
        step: ``(obs, states, dones) -> PolicyStep`` (or a tuple of its fields).
        value: ``(obs, states, dones) -> values``.
        n_steps: T, steps of each environment in a rollout.
        initial_state: recurrent states at the start, or None.
        action_bounds: lowest and highest action that the environment takes; None where actions need no clipping.
        timeout_discount: the discount γ to bootstrap from the last observation of a truncated episode: its discounted
            value is then added to the episode's last reward. None treats it as terminated.
        prepare_last: brings such last observations into the form of the others, where the environment does not.
        keep_states: record the recurrent states before every step, rather than only before the first.
    """

    def __init__(
        self,
        env: Any,
        step: Callable[..., tuple[Any, ...]],
        value: Callable[..., np.ndarray],
        n_steps: int,
        initial_state: np.ndarray | None = None,
        action_bounds: tuple[np.ndarray, np.ndarray] | None = None,
        timeout_discount: float | None = None,
        prepare_last: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
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
        n_envs, first_states = self.env.num_envs, self.states
        bootstraps = np.zeros((n_envs, self.n_steps), np.float32) if self._timeout_discount is not None else 0.0
        episode_infos: list[dict[str, Any]] = []
        episodes: list[tuple[int, float]] = []
        episode_lengths: list[int] = []
        recording: _Recording | None = None
        for t in range(self.n_steps):
            step = PolicyStep(*self._step(self.obs, self.states, self.dones))
            if recording is None:
                kept = self.states if self._keep_states else None
                recording = _Recording(self.obs, step, self.n_steps, states=kept)
            recording.note(t, self.obs, self.dones, self.states, step)
            taken = step.actions if self._bounds is None else np.clip(step.actions, *self._bounds)
            self.obs, rewards, dones, infos = self.env.step(taken)
            self.states, self.dones = step.states, np.asarray(dones, bool)
            recording.rewards[:, t] = rewards
            self._returns += rewards
            self._lengths += 1
            episode_infos += monitor_records(infos)
            if self.dones.any():
                for i in np.flatnonzero(self.dones):
                    episodes.append(((t + 1) * n_envs, float(self._returns[i])))
                    episode_lengths.append(int(self._lengths[i]))
                    self._returns[i], self._lengths[i] = 0.0, 0
                if isinstance(bootstraps, np.ndarray):
                    self._bootstrap_timeouts(bootstraps[:, t], infos, step.states)
            if on_step is not None and not on_step(
                self._seen(
                    step,
                    clipped_actions=taken,
                    rewards=rewards,
                    infos=infos,
                    step=t,
                    ep_infos=episode_infos,
                    recording=recording,
                    first_states=first_states,
                )
            ):
                self.continue_training = False
                return None
        assert recording is not None  # there is a step at least
        return Rollout(
            recording.obs,
            recording.actions,
            recording.rewards + bootstraps,
            recording.values,
            recording.neglogp,
            recording.starts,
            first_states,
            self.obs,
            self._value(self.obs, self.states, self.dones),
            self.dones,
            episode_infos,
            episodes,
            episode_lengths,
            recording.distributions,
            recording.states,
            bootstraps,
        )

    def _seen(self, policy_step: PolicyStep, **others: object) -> Callable[[], dict[str, Any]]:
        """What callbacks may look at after a step."""
        return partial(
            dict,
            obs=self.obs,
            actions=policy_step.actions,
            values=policy_step.values,
            neglogpacs=policy_step.neglogp,
            states=policy_step.states,
            dones=self.dones,
            **others,
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
        bootstrap_timeouts: store a truncated episode as one that goes on.
    """

    def __init__(
        self,
        env: Any,
        act: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
        store: Callable[..., None],
        normalizer: Any = None,
        *,
        bootstrap_timeouts: bool = False,
    ) -> None:
        self._env, self._act, self._store, self._normalizer = env, act, store, normalizer
        self._bootstrap_timeouts = bootstrap_timeouts
        self.obs = env.reset()
        self.raw_obs = self.obs if normalizer is None else normalizer.get_original_obs()
        self.starts = np.ones(env.num_envs, bool)
        self.last_rewards = np.zeros(env.num_envs, np.float32)  # of the last step that was stored, not normalized
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
                lengths=self._lengths,
            )
        ):
            return None
        raw_new_obs = new_obs
        if self._normalizer is not None:
            raw_new_obs, rewards = self._normalizer.get_original_obs(), self._normalizer.get_original_reward()
        self.last_rewards = rewards
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
        self._store(self.raw_obs, actions, rewards, next_obs, ended, infos)
        self.obs, self.raw_obs, self.starts = new_obs, raw_new_obs, dones
        return episodes
