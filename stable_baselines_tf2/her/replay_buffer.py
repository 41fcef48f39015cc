"""Hindsight experience replay (Andrychowicz et al. 2017, https://arxiv.org/abs/1707.01495): the replay buffer.

An episode is stored when it is over: each transition (s, a, r, s', g), and k copies of it in which the desired goal g
is a goal g' that was achieved, and the reward the one for that: r' = compute_reward(achieved goal in s', g').
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines_tf2.core.checks import check_number
from stable_baselines_tf2.her.utils import HERGoalEnvWrapper


class GoalSelectionStrategy(Enum):
    """Which achieved goals become desired ones in copies of a transition."""

    FUTURE = 0  # of this step or a later one of the episode
    FINAL = 1  # of the episode's last step
    EPISODE = 2  # of any step of the episode
    RANDOM = 3  # of any transition in the replay buffer


KEY_TO_GOAL_STRATEGY = {strategy.name.lower(): strategy for strategy in GoalSelectionStrategy}


class HindsightExperienceReplayWrapper:
    """A replay buffer to which every episode is added with copies that have other goals.

    The constructor's defaults reproduce the original, random numbers included; `HER` passes its own.

    Args:
        replay_buffer: the buffer that holds the transitions; attributes that are not defined here are read from it.
        n_sampled_goal: k, copies of each transition.
        goal_selection_strategy: where their goals come from.
        wrapped_env: the environment, which splits observations into parts and computes rewards.
        relabel_last: the goal achieved by a transition is the one in the observation after it. Without, it is the one
            before: an episode's last observation never gives a goal, and under `FUTURE`, where goals are then those of
            later transitions, the last transition gets no copies.
        generator: random generator; ``np.random`` if None.

    Raises:
        ValueError: ``n_sampled_goal`` or ``goal_selection_strategy`` is invalid, or the buffer is prioritized.
    """

    relabels_goals = True

    def __init__(
        self,
        replay_buffer: ReplayBuffer,
        n_sampled_goal: int,
        goal_selection_strategy: GoalSelectionStrategy,
        wrapped_env: HERGoalEnvWrapper,
        relabel_last: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        check_number("n_sampled_goal", n_sampled_goal, 0, integer=True)
        if not isinstance(goal_selection_strategy, GoalSelectionStrategy):
            raise ValueError(
                f"goal_selection_strategy must be one of {list(GoalSelectionStrategy)}, not {goal_selection_strategy!r}"
            )
        if isinstance(replay_buffer, PrioritizedReplayBuffer):
            raise ValueError("prioritized_replay: hindsight experience replay needs a buffer that samples uniformly")
        self.replay_buffer, self.n_sampled_goal = replay_buffer, n_sampled_goal
        self.goal_selection_strategy, self.relabel_last = goal_selection_strategy, relabel_last
        self.env = wrapped_env
        self._draw: Callable[..., np.ndarray] = np.random.randint if generator is None else generator.integers
        self._episodes: dict[int, list[tuple]] = defaultdict(list)  # transitions so far, by environment
        # Whether compute_reward takes batches; None until it is found out. It is not tried in other processes.
        self._takes_batches: bool | None = None if wrapped_env.is_local else False

    def __getattr__(self, name: str) -> Any:
        if name == "replay_buffer" or name.startswith("__"):  # during copying
            raise AttributeError(name)
        return getattr(self.replay_buffer, name)

    def __len__(self) -> int:
        return len(self.replay_buffer)

    def sample(self, *args: Any, **kwargs: Any) -> tuple[np.ndarray, ...]:
        """A batch of transitions: see `ReplayBuffer.sample`."""
        return self.replay_buffer.sample(*args, **kwargs)

    def can_sample(self, n_samples: int) -> bool:
        """Whether ``n_samples`` transitions are stored."""
        return self.replay_buffer.can_sample(n_samples)

    def add(
        self,
        obs_t: ArrayLike,
        action: ArrayLike,
        reward: float,
        obs_tp1: ArrayLike,
        done: bool,
        info: Mapping[str, Any],
    ) -> None:
        """Adds one transition; the episode is stored when it ends.

        Args:
            obs_t: flat observation before the step.
            action: action of the step.
            reward: its reward.
            obs_tp1: flat observation after the step.
            done: whether the episode ended.
            info: the ``info`` argument of ``compute_reward``.
        """
        obs, actions, rewards, next_obs, dones = (
            np.asarray(x)[np.newaxis] for x in (obs_t, action, reward, obs_tp1, done)
        )
        self.extend(obs, actions, rewards, next_obs, dones, [info])

    def extend(
        self,
        obs_t: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        obs_tp1: np.ndarray,
        done: np.ndarray,
        infos: Sequence[Mapping[str, Any]],
    ) -> None:
        """Adds one step of N environments, in order; for the arguments see `add`, each with an axis [N] first.

        An episode is also over where ``done`` is false but the info holds a ``terminal_observation``: a time limit that
        counts as no end (``bootstrap_timeouts``).
        """
        columns = (np.array(column) for column in (obs_t, action, reward, obs_tp1, done))
        for index, (*transition, info) in enumerate(zip(*columns, infos, strict=True)):
            episode = self._episodes[index]
            episode.append((*transition, info))
            if transition[-1] or "terminal_observation" in info:
                self._store_episode(index)
            elif len(episode) == self.replay_buffer.buffer_size:
                warnings.warn(
                    f"an episode has gone on for buffer_size={len(episode)} steps, and hindsight experience replay "
                    "learns from an episode only when it is over: the environment needs a time limit",
                    stacklevel=2,
                )

    def drop_episodes(self) -> None:
        """Forgets episodes that are not over: their environments were reset or replaced."""
        self._episodes.clear()

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """See `ReplayBuffer.get_state`; of episodes that are not over nothing is kept."""
        state, arrays = self.replay_buffer.get_state()
        return {**state, "takes_batches": self._takes_batches}, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """See `ReplayBuffer.set_state`."""
        own = dict(state)
        takes_batches = own.pop("takes_batches", None)
        self.replay_buffer.set_state(own, arrays)
        if takes_batches is not None:
            self._takes_batches = bool(takes_batches)
        self.drop_episodes()

    # ------------------------------------------------------------ relabelling
    def _store_episode(self, index: int) -> None:
        """Stores the episode of an environment, each transition followed by its copies."""
        *columns, infos = zip(*self._episodes.pop(index), strict=True)
        episode = [np.array(column) for column in columns]  # [T, …]
        n, k, strategy = len(infos), self.n_sampled_goal, self.goal_selection_strategy
        if strategy is GoalSelectionStrategy.RANDOM:  # the buffer to draw from grows with each transition
            for t in range(n):
                self.replay_buffer.extend(*(column[t : t + 1] for column in episode))
                drawn = self._draw(np.zeros(k, int), len(self.replay_buffer))
                goals = self._achieved(self.replay_buffer.gather(drawn))
                self.replay_buffer.extend(*self._relabelled(episode, infos, np.full(k, t), goals, index))
            return
        # A goal observed before a step is of the future from the step after on: the last one has none.
        delay = int(strategy is GoalSelectionStrategy.FUTURE and not self.relabel_last)
        steps = np.repeat(np.arange(n - delay), k)  # of the copies
        if strategy is GoalSelectionStrategy.FINAL:
            chosen = np.full_like(steps, n - 1)
        else:
            chosen = self._draw(steps + delay if strategy is GoalSelectionStrategy.FUTURE else 0 * steps, n)
        copies = self._relabelled(episode, infos, steps, self._achieved(episode)[chosen], index)
        order = np.argsort(np.concatenate([np.arange(n), steps]), kind="stable")
        self.replay_buffer.extend(*(np.concatenate(pair)[order] for pair in zip(episode, copies, strict=True)))

    def _achieved(self, transitions: Sequence[np.ndarray]) -> Any:
        """The goals that transitions achieved, [B, …]."""
        obs, _, _, next_obs, _ = transitions
        return self.env.convert_obs_to_dict(next_obs if self.relabel_last else obs)["achieved_goal"]

    def _relabelled(
        self, episode: Sequence[np.ndarray], infos: Sequence[Any], steps: np.ndarray, goals: np.ndarray, index: int
    ) -> list[np.ndarray]:
        """Copies of the transitions at ``steps`` [B] that have other goals [B, …]; none of them ends an episode."""
        obs, actions, rewards, next_obs, dones = (column[steps] for column in episode)
        before, after = (self.env.convert_obs_to_dict(part) for part in (obs, next_obs))
        before["desired_goal"] = after["desired_goal"] = goals
        new = self._rewards(after["achieved_goal"], goals, [infos[t] for t in steps], index)
        obs, next_obs = (self.env.convert_dict_to_obs(part) for part in (before, after))
        if rewards.dtype.kind == "f":  # integers could not hold the new rewards
            new = new.astype(rewards.dtype)
        return [obs, actions, new, next_obs, np.zeros_like(dones)]

    def _rewards(
        self, achieved: np.ndarray, desired: np.ndarray, infos: list[dict[str, Any]], index: int
    ) -> np.ndarray:
        """Rewards [B] of environment ``index``; in one call if its ``compute_reward`` takes batches.

        It does if single calls give the same rewards; this is settled once the compared rewards are not all equal.

        Raises:
            ValueError: a reward is not finite.
        """
        if not infos:
            return np.empty(0)
        compute: Callable[..., Any] = self.env.compute_reward
        if self._takes_batches:
            rewards = np.asarray(compute(achieved, desired, infos, index), np.float64)
        else:
            triples = zip(achieved, desired, infos, strict=True)
            rewards = np.array([compute(*triple, index) for triple in triples], np.float64).reshape(len(infos))
            if self._takes_batches is None:
                try:
                    batch = np.asarray(compute(achieved, desired, infos, index), np.float64)
                except Exception:  # an environment that expects a single goal may raise anything
                    batch = np.empty(())
                if batch.shape != rewards.shape or not np.allclose(batch, rewards):
                    self._takes_batches = False
                else:
                    self._takes_batches = True if np.ptp(rewards) > 0 else None
                    rewards = batch  # equal up to rounding
        if not np.isfinite(rewards).all():
            raise ValueError(f"rewards must be finite, compute_reward() of environment {index} returned {rewards}")
        return rewards
