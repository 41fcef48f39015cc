"""What callbacks find in ``self.locals``: the variables of the original's training loops, under its names.

Scripts read these names, so each has the type, shape and meaning that it had there, from the event on at which it first
appeared. They are computed when somebody looks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from stable_baselines_tf2.common.runners import episode_sums
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.interfaces import TrainedModel
from stable_baselines_tf2.core.lazy import LazyDict, Readers

GetStep = Callable[[], dict[str, Any]]


def _now(key: str) -> Callable[[Any], Any]:
    return lambda names: names.now[key]


class LoopNames:
    """The names of one call of `learn`; the base class has those that all loops share.

    Args:
        model: the model.
        given: what is known when training starts.
    """

    of_start: ClassVar[Readers] = {}
    of_step: ClassVar[Readers] = {}
    of_later_steps: ClassVar[Readers] = {}  # what the loop has set since the step before
    of_update: ClassVar[Readers] = {}

    def __init__(self, model: TrainedModel, given: Mapping[str, Any]) -> None:
        self.model: Any = model
        self.started = time.time()
        self.n_steps = 0  # of every environment, since the start
        self.locals = LazyDict(given)
        self.locals.offer(self.of_start, self)
        self.get_step: GetStep | None = None
        self.before: GetStep | None = None  # the step before
        self._now: dict[str, Any] | None = None
        self.statistics: Mapping[str, Any] = {}  # of the last update

    @property
    def now(self) -> dict[str, Any]:
        """What is known of the last step."""
        if self._now is None:
            assert self.get_step is not None  # there has been one
            self._now = self.get_step()
        return self._now

    def at_step(self, get_step: GetStep) -> None:
        """After a step of every environment, which the function describes."""
        self.before, self.get_step, self._now = self.get_step, get_step, None
        self.n_steps += 1
        self.locals.offer(self.of_step, self)
        if self.before is not None:
            self.locals.offer(self.of_later_steps, self)

    def at_rollout_end(self, update: int = 0, rollout: Rollout | None = None) -> None:
        """When experience was collected, before the update: the rollout, where that is what was collected."""

    def at_update(self, statistics: Mapping[str, Any]) -> None:
        """After an update."""
        self.statistics = statistics
        self.locals.offer(self.of_update, self)

    @property
    def last_info(self) -> dict[str, Any]:
        """The info of the last environment in the step before."""
        assert self.before is not None
        return self.before()["infos"][-1]


# ------------------------------------------------------------ rollouts
def _listed(key: str, ahead: int = 1) -> Callable[[Any], list[np.ndarray]]:
    """A list with the arrays [N, …] of each step so far, up to this one (``ahead=0``: without it)."""

    def read(names: LoopNames) -> list[np.ndarray]:
        array = getattr(names.now["recording"], key)
        return [array[:, t].copy() for t in range(names.now["step"] + ahead)]

    return read


def _flat(key: str) -> Callable[[Any], np.ndarray]:
    return lambda names: names.rollout.flat(getattr(names.rollout, key))


STEP = ("obs", "actions", "clipped_actions", "values", "neglogpacs", "states", "rewards", "dones", "infos", "step")


class RolloutNames(LoopNames):
    """Loops over rollouts; those of one's own algorithms have these names."""

    of_step: ClassVar[Readers] = {name: _now(name) for name in (*STEP, "ep_infos")}
    of_rollout: ClassVar[Readers] = {}
    at_end: ClassVar[Readers | None] = None  # what of it callbacks see at the end of a rollout, if not all
    returned: ClassVar[tuple[str, ...]] = ()  # what the runner returns, as names of ``of_rollout``

    def __init__(self, model: TrainedModel, given: Mapping[str, Any]) -> None:
        super().__init__(model, given)
        self.rollout: Any = None
        self.update = 0

    def at_rollout_end(self, update: int = 0, rollout: Rollout | None = None) -> None:
        self.rollout, self.update = rollout, update
        self.locals.update({"update": update, "rollout": rollout})
        if rollout is not None:
            self.locals.offer(self.of_rollout if self.at_end is None else self.at_end, self)

    def as_returned(self, rollout: Rollout | None) -> tuple[Any, ...]:
        """A rollout in the form in which the original's runners return it."""
        self.rollout = rollout
        return tuple(None if rollout is None else self.of_rollout[name](self) for name in self.returned)


class _RunnerNames(RolloutNames):
    """The variables of `Runner`'s loop, which callbacks see after steps."""

    of_step: ClassVar[Readers] = RolloutNames.of_step | {
        "self": lambda names: names.model.runner,
        "mb_obs": _listed("obs"),
        "mb_actions": _listed("actions"),
        "mb_values": _listed("values"),
        "mb_dones": _listed("starts"),
        "mb_rewards": _listed("rewards", ahead=0),
        "mb_states": lambda names: names.now["first_states"],
    }
    of_later_steps: ClassVar[Readers] = {
        "info": lambda names: names.last_info,
        "maybe_ep_info": lambda names: names.last_info.get("episode"),
    }
    of_rollout: ClassVar[Readers] = {
        "self": lambda names: names.locals_self,
        "obs": _flat("obs"),
        "actions": _flat("actions"),
        "values": _flat("values"),
        "neglogpacs": _flat("neglogp"),
        "masks": _flat("starts"),
        "states": lambda names: names.rollout.states,
        "ep_infos": lambda names: names.rollout.episode_infos,
        "true_reward": lambda names: names.rollout.flat(names.rollout.rewards - names.rollout.bootstraps),
        "mb_rewards": _listed("rewards"),
    }

    def __init__(self, model: TrainedModel, given: Mapping[str, Any]) -> None:
        super().__init__(model, given)
        self.locals_self = given.get("self")


class A2CNames(_RunnerNames):
    """A2C's loop."""

    of_start: ClassVar[Readers] = {"t_start": lambda names: names.started}
    of_rollout: ClassVar[Readers] = _RunnerNames.of_rollout | {
        "rewards": lambda names: names.rollout.flat(names.model.estimated_returns(names.rollout)),
        "rollout": lambda names: names.as_returned(names.rollout),
        "mb_dones": lambda names: [*_listed("starts")(names), names.rollout.last_dones],
    }
    of_update: ClassVar[Readers] = {
        "value_loss": lambda names: np.float32(names.statistics["value_loss"]),
        "policy_entropy": lambda names: np.float32(names.statistics["policy_entropy"]),
        "n_seconds": lambda names: names.n_seconds,
        "fps": lambda names: int(names.update * names.model.n_batch / names.n_seconds),
    }
    returned = ("obs", "states", "rewards", "masks", "actions", "values", "ep_infos", "true_reward")
    n_seconds = 0.0  # from the start to the last update

    def at_update(self, statistics: Mapping[str, Any]) -> None:
        self.n_seconds = time.time() - self.started
        super().at_update(statistics)


class ACKTRNames(A2CNames):
    """ACKTR's loop: its returns have another name."""

    of_start: ClassVar[Readers] = A2CNames.of_start | {
        "coord": lambda names: _coordinator(),
        "enqueue_threads": lambda names: [],
        "tf_vars": lambda names: names.model.params,
        "is_uninitialized": lambda names: [np.bool_(False) for _ in names.model.params],
        "old_uninitialized_vars": lambda names: [],
        "new_uninitialized_vars": lambda names: names.model.params,
    }
    of_rollout: ClassVar[Readers] = {
        **{name: read for name, read in A2CNames.of_rollout.items() if name != "rewards"},
        "returns": A2CNames.of_rollout["rewards"],
    }
    of_update: ClassVar[Readers] = A2CNames.of_update | {
        "policy_loss": lambda names: np.float32(names.statistics["policy_loss"])
    }
    returned = ("obs", "states", "returns", "masks", "actions", "values", "ep_infos", "true_reward")


def _coordinator() -> Any:
    import tensorflow as tf

    return tf.train.Coordinator()


class PPO2Names(_RunnerNames):
    """PPO2's loop, of which callbacks see only the runner's variables."""

    of_start: ClassVar[Readers] = {
        "t_first_start": lambda names: names.started,
        "n_updates": lambda names: names.locals["total_timesteps"] // names.model.n_batch,
        "cliprange_vf": lambda names: lambda progress: names.model.value_clip_schedule()(progress),
    }
    of_step: ClassVar[Readers] = _RunnerNames.of_step | {"mb_neglogpacs": _listed("neglogp")}
    of_rollout: ClassVar[Readers] = _RunnerNames.of_rollout | {
        "returns": lambda names: names.rollout.flat(names.model.estimated_returns(names.rollout))
    }
    returned = ("obs", "returns", "masks", "actions", "values", "neglogpacs", "states", "ep_infos", "true_reward")
    at_end: ClassVar[Readers | None] = {"mb_rewards": _listed("rewards")}


class ACERNames(_RunnerNames):
    """ACER's loop, whose arrays keep the axis of environments first."""

    of_start: ClassVar[Readers] = {
        "t_start": lambda names: names.started,
        "buffer": lambda names: names.model.replay_buffer,
        "episode_stats": lambda names: names.model.episode_stats,
    }
    of_step: ClassVar[Readers] = {
        **{name: read for name, read in _RunnerNames.of_step.items() if name not in ("mb_values", "mb_states")},
        "mus": lambda names: names.mus()[-1],
        "mb_mus": lambda names: names.mus(),
        "enc_obs": _listed("obs"),
    }
    of_later_steps: ClassVar[Readers] = {}
    of_rollout: ClassVar[Readers] = {
        "self": _RunnerNames.of_rollout["self"],
        "enc_obs": lambda names: names.sequences[0],
        "obs": lambda names: names.sequences[0],
        "actions": lambda names: names.sequences[1],
        "rewards": lambda names: names.sequences[2],
        "mus": lambda names: names.sequences[3],
        "dones": lambda names: names.sequences[4],
        "masks": lambda names: names.sequences[5],
        "mb_rewards": _listed("rewards"),
        "mb_obs": lambda names: [*_listed("obs")(names), names.rollout.last_obs],
        "mb_dones": lambda names: [*_listed("starts")(names), names.rollout.last_dones],
        "steps": lambda names: (names.update - 1) * names.model.n_batch,
    }
    of_update: ClassVar[Readers] = {
        "names_ops": lambda names: list(names.shown),
        "values_ops": lambda names: [np.float32(value) for value in names.shown.values()],
        "samples_number": lambda names: names.model.n_replayed,
    }
    returned = ("enc_obs", "obs", "actions", "rewards", "mus", "dones", "masks")

    def mus(self) -> list[np.ndarray]:
        """Probabilities of all actions at each step so far, [N, n]."""
        logits = self.now["recording"].distributions
        probabilities = self.model.train_model.sampler.probabilities
        return [probabilities(logits[:, t]) for t in range(self.now["step"] + 1)]

    @property
    def sequences(self) -> tuple[np.ndarray, ...]:
        """The rollout as the replay buffer takes it."""
        return self.model.sequences(self.rollout)

    @property
    def shown(self) -> dict[str, float]:
        """The statistics of the update that tables show."""
        return {name: value for name, value in self.statistics.items() if name != "learning_rate"}


# ------------------------------------------------------------ segments
def _segment(key: str, ahead: int = 1) -> Callable[[Any], np.ndarray]:
    """An array [T, …] that the loop fills step by step; further on it holds the segment before, or zeros."""

    def read(names: SegmentNames) -> np.ndarray:
        rows = getattr(names.now["recording"], key)[0]
        filled = names.now["step"] + ahead
        result = np.zeros_like(rows) if names.last is None else getattr(names.last, key)[0].copy()
        result[:filled] = rows[:filled]
        return result

    return read


class SegmentNames(RolloutNames):
    """The loop of TRPO, PPO1 and GAIL, of one environment."""

    of_step: ClassVar[Readers] = {
        **{name: _now(name) for name in (*STEP, "ep_infos")},
        "action": _now("actions"),
        "clipped_action": _now("clipped_actions"),
        "vpred": _now("values"),
        "observation": lambda names: names.now["obs"][0],
        "reward": lambda names: names.reward(),
        "true_reward": lambda names: float(names.now["rewards"][0]),
        "done": lambda names: bool(names.now["dones"][0]),
        "info": lambda names: names.now["infos"][0],
        "i": _now("step"),
        "step": lambda names: names.n_steps - 1,
        "current_it_len": _now("step"),
        "current_ep_len": lambda names: names.length - 1,
        "episode_start": lambda names: bool(names.starts()[names.now["step"]]),
        "cur_ep_ret": lambda names: names.return_so_far(),
        "cur_ep_true_ret": lambda names: names.true_return,
        "ep_rets": lambda names: names.returns(),
        "ep_true_rets": lambda names: [total for total, _ in names.episodes],
        "ep_lens": lambda names: [length for _, length in names.episodes],
        "observations": _segment("obs"),
        "vpreds": _segment("values"),
        "actions": _segment("actions"),
        "episode_starts": lambda names: names.starts(),
        "rewards": lambda names: names.rewards(),
        "true_rewards": _segment("rewards", ahead=0),
        "dones": lambda names: names.dones(),
        "horizon": lambda names: names.model.horizon,
        "env": lambda names: names.model.env,
        "policy": lambda names: names.model.policy_pi,
        "gail": lambda names: names.model.using_gail,
        "reward_giver": lambda names: names.model.reward_giver,
    }
    of_later_steps: ClassVar[Readers] = {"maybe_ep_info": lambda names: names.last_info.get("episode")}
    of_rollout: ClassVar[Readers] = {
        "rewards": lambda names: names.rewards(1),
        "true_rewards": _segment("rewards"),
        "dones": lambda names: names.dones(1),
    }

    def __init__(self, model: TrainedModel, given: Mapping[str, Any]) -> None:
        super().__init__(model, given)
        self.last: Rollout | None = None  # the segment before
        self.true_return, self.length = 0.0, 0  # of the episode under way, before the last step
        self.episodes: list[tuple[float, int]] = []  # returns and lengths of those that ended in this segment
        self._ends = False

    def at_step(self, get_step: GetStep) -> None:
        if self.before is not None or self.get_step is not None:
            self._count(self.now)
        if self.rollout is not None:  # a new segment
            self.last, self.rollout, self.episodes = self.rollout, None, []
        super().at_step(get_step)
        self.length += 1

    def _count(self, step: dict[str, Any]) -> None:
        """Adds the step before to the episodes."""
        self.true_return += float(step["rewards"][0])
        if step["dones"][0]:
            reported = step["infos"][0].get("episode")
            self.episodes.append((self.true_return if reported is None else float(reported["r"]), self.length))
            self.true_return, self.length = 0.0, 0

    def starts(self) -> np.ndarray:
        """Whether each step of the segment so far started an episode, as the first of all did, [T]."""
        result = _segment("starts")(self)
        result[0] |= self.last is None
        return result

    def dones(self, ahead: int = 0) -> np.ndarray:
        """Whether each step of the segment so far ended its episode, [T]."""
        starts, t = self.now["recording"].starts[0], self.now["step"]
        result = np.zeros(len(starts), bool) if self.last is None else self.last.dones[0].copy()
        result[:t] = starts[1 : t + 1]
        if ahead:
            result[t] = self.now["dones"][0]
        return result

    # Rewards that a discriminator gives take the place of the environment's.
    def _learned(self, n: int) -> np.ndarray:
        """Rewards of the first ``n`` steps of the segment, [n]."""
        recording, model = self.now["recording"], self.model
        if not model.using_gail:
            return recording.rewards[0, :n]
        if not n:
            return np.zeros(0, np.float32)
        return model.discriminator_rewards(recording.obs[0, :n], recording.actions[0, :n])

    def reward(self) -> Any:
        learned = self._learned(self.now["step"] + 1)[-1]
        return learned.reshape(1, 1) if self.model.using_gail else float(learned)

    def rewards(self, ahead: int = 0) -> np.ndarray:
        n = self.now["step"] + ahead
        result = _segment("rewards", ahead=0)(self)
        result[:n] = self._learned(n)
        return result

    def _sums(self) -> tuple[list[float], float]:
        """Returns of the episodes that ended in the segment before this step, and of the one under way."""
        n = self.now["step"]
        return episode_sums(self._learned(n), self.dones()[:n], float(self.model.carried_return))

    def return_so_far(self) -> Any:
        return np.float32(self._sums()[1]).reshape(1, 1) if self.model.using_gail else self.true_return

    def returns(self) -> list[Any]:
        if self.model.using_gail:
            return [np.float32(total).reshape(1, 1) for total in self._sums()[0]]
        return [total for total, _ in self.episodes]


# ------------------------------------------------------------ transitions
def _one(key: str) -> Callable[[Any], Any]:
    """Of the step, without the axis of a single environment."""
    return lambda names: names.alone(names.now[key])


def _previous(key: str) -> Callable[[Any], Any]:
    """The same of the step before."""
    return lambda names: names.alone(names.before()[key])


class TransitionNames(LoopNames):
    """Loops that step and train; those of one's own algorithms have these names, and those of ``step_locals``."""

    of_start: ClassVar[Readers] = {
        "replay_wrapper": lambda names: names.wrapper_of_buffer(),
        "episode_rewards": lambda names: names.episode_rewards(),
        "episode_successes": lambda names: names.history.successes,
    }
    of_step: ClassVar[Readers] = {
        **{name: _one(name) for name in ("obs", "new_obs")},
        **{"action": _one("actions"), "env_action": _one("taken"), "unscaled_action": _one("taken")},
        **{"rew": _one("rewards"), "reward": _one("rewards"), "done": _one("dones"), "info": _one("infos")},
        "reset": _one("starts"),
        **{name: _now(name) for name in ("actions", "rewards", "dones", "infos")},
        "step": lambda names: names.n_steps - 1,
        "start_time": lambda names: names.started,
        "episode_rewards": lambda names: names.episode_rewards(),
    }
    of_later_steps: ClassVar[Readers] = {
        "obs_": lambda names: names.raw(_previous("obs")(names)),
        "new_obs_": lambda names: names.raw(_previous("new_obs")(names)),
        "reward_": lambda names: names.raw_reward,
        "maybe_is_success": lambda names: names.history.last_success,
        "num_episodes": lambda names: len(names.history.lengths),
    }

    def __init__(self, model: TrainedModel, given: Mapping[str, Any]) -> None:
        super().__init__(model, given)
        self.history: Any = None
        self.replay_wrapper: Any = None
        self.collector: Any = None
        self.raw_reward: Any = None  # of the step before, not normalized

    def at_step(self, get_step: GetStep) -> None:
        if self.get_step is not None:
            self.raw_reward = self.alone(self.collector.last_rewards)
        super().at_step(get_step)
        self.locals.update(self.model.step_locals(get_step, self.history))

    def raw(self, obs: np.ndarray) -> np.ndarray:
        """An observation as it was before normalization."""
        if self.model.get_vec_normalize_env() is None:
            return obs
        return self.alone(self.collector.raw_obs)

    def alone(self, values: Any) -> Any:
        """Of a single environment without the axis of environments; numbers and flags are Python's then."""
        if self.model.n_envs > 1:
            return values
        only = values[0]
        return only.item() if isinstance(only, np.floating | np.bool_) else only

    def wrapper_of_buffer(self) -> Any:
        outer = self.model.wrapper
        return self.replay_wrapper if outer is None else outer.replay_wrapper

    def episode_rewards(self) -> list[float]:
        """Returns of the episodes, and that of the one under way."""
        if self.get_step is not None:
            self.history.rewards[-1] = float(self.now["returns"][0])
        return self.history.rewards


class DQNNames(TransitionNames):
    """DQN's loop."""

    of_step: ClassVar[Readers] = TransitionNames.of_step | {
        "kwargs": lambda names: names.noise_arguments(),
        "update_eps": lambda names: 0.0 if names.model.param_noise else names.eps(),
        "update_param_noise_threshold": lambda names: names.threshold(),
    }
    of_later_steps: ClassVar[Readers] = TransitionNames.of_later_steps | {
        "can_sample": lambda names: bool(names.model.replay_buffer.can_sample(names.model.batch_size)),
        "mean_100ep_reward": lambda names: float(names.history.mean_return),
        "num_episodes": lambda names: len(names.history.rewards),
    }
    of_update: ClassVar[Readers] = {
        "obses_t": lambda names: names.sampled("obs"),
        "actions": lambda names: names.sampled("actions"),
        "rewards": lambda names: names.sampled("rewards").astype(np.float64),
        "obses_tp1": lambda names: names.sampled("next_obs"),
        "dones": lambda names: names.sampled("dones").astype(np.float64),
        "weights": lambda names: names.sampled("weights").astype(np.float64),
        "batch_idxes": lambda names: names.rows(),
        "td_errors": lambda names: names.sampled("td_errors"),
    }
    of_prioritized_update: ClassVar[Readers] = {
        "new_priorities": lambda names: np.abs(names.sampled("td_errors")) + names.model.prioritized_replay_eps,
        "experience": lambda names: tuple(
            names.locals[name]
            for name in ("obses_t", "actions", "rewards", "obses_tp1", "dones", "weights", "batch_idxes")
        ),
    }
    of_prioritized: ClassVar[Readers] = {"prioritized_replay_beta_iters": lambda names: names.beta_iterations()}

    def __init__(self, model: TrainedModel, given: Mapping[str, Any]) -> None:
        super().__init__(model, given)
        if self.model.prioritized_replay:
            self.locals.offer(self.of_prioritized, self)

    def at_step(self, get_step: GetStep) -> None:
        super().at_step(get_step)
        self.at_update({})  # the batch keeps its names between updates

    def at_update(self, statistics: Mapping[str, Any]) -> None:
        if self.model.last_batch is not None:
            self.locals.offer(self.of_update, self)
            if self.model.prioritized_replay:
                self.locals.offer(self.of_prioritized_update, self)

    def sampled(self, name: str) -> np.ndarray:
        """Of the last batch, [B, …]."""
        return np.array(self.model.last_batch[0][name][-1])

    def rows(self) -> np.ndarray | None:
        return self.model.last_batch[1][-1] if self.model.prioritized_replay else None

    def eps(self) -> float:
        return float(self.model.exploration.value(self.model.num_timesteps - self.model.n_envs))

    def threshold(self) -> float:
        if not self.model.param_noise:
            return 0.0
        return float(-np.log(1.0 - self.eps() + self.eps() / self.model.action_space.n))

    def noise_arguments(self) -> dict[str, Any]:
        if not self.model.param_noise:
            return {}
        started = bool(self.now["starts"][0])
        return {
            "reset": started,
            "update_param_noise_threshold": self.threshold(),
            "update_param_noise_scale": True,
        }

    def beta_iterations(self) -> int:
        given = self.model.prioritized_replay_beta_iters
        return self.locals["total_timesteps"] if given is None else given


class ContinuousNames(TransitionNames):
    """The loop of SAC and TD3."""

    of_start: ClassVar[Readers] = TransitionNames.of_start | {
        "current_lr": lambda names: float(names.model.current_learning_rate),
        "infos_values": lambda names: names.infos_values(),
        "n_updates": lambda names: names.model.n_updates,
        "start_time": lambda names: names.started,
        "obs": lambda names: names.alone(names.collector.obs),
    }
    of_step: ClassVar[Readers] = {
        **TransitionNames.of_step,
        **{name: read for name, read in of_start.items() if name in ("current_lr", "infos_values", "n_updates")},
    }
    of_later_steps: ClassVar[Readers] = TransitionNames.of_later_steps | {
        "mean_reward": lambda names: float(names.history.mean_return),
        "maybe_ep_info": lambda names: names.last_info.get("episode"),
    }
    of_update: ClassVar[Readers] = {
        "mb_infos_vals": lambda names: names.infos(),
        "grad_step": lambda names: names.model.gradient_steps - 1,
        "frac": lambda names: 1.0 - (names.n_steps - 1) / names.locals["total_timesteps"],
    }

    def infos(self) -> list[tuple[np.float32, ...]]:
        """The statistics of each gradient step of the last training phase."""
        chunks, _ = self.model.last_phase
        columns = [np.concatenate([chunk[name] for chunk in chunks]) for name in self.model.infos_names]
        return [tuple(np.float32(value) for value in row) for row in zip(*columns, strict=True)]

    def infos_values(self) -> Any:
        shown = self.model.shown_phase is self.model.last_phase
        found = {} if shown else self.model.last_statistics
        return np.array([found[name] for name in self.model.infos_names], np.float32) if found else []


class DDPGNames(TransitionNames):
    """DDPG's loop."""

    of_start: ClassVar[Readers] = {
        "replay_wrapper": lambda names: names.wrapper_of_buffer(),
        "episode_successes": lambda names: names.history.successes,
        "start_time": lambda names: names.started,
        "rank": lambda names: names.model.rank,
        "obs": lambda names: names.alone(names.collector.obs),
        "epoch": lambda names: 0,
        "eval_obs": lambda names: names.evaluation("obs", None),
        "eval_qs": lambda names: [],
        "eval_episode_rewards": lambda names: names.evaluation("returns", []),
        "eval_episode_rewards_history": lambda names: deque(names.evaluation("returns", []), maxlen=100),
        "episode_reward": lambda names: float(names.now["returns"][0]) if names.get_step else 0.0,
        "episode_step": lambda names: int(names.now["lengths"][0]) if names.get_step else 0,
        "episodes": lambda names: len(names.history.lengths),
        "epoch_episodes": lambda names: len(names.history.lengths),
        "epoch_episode_rewards": lambda names: list(names.history.returns),
        "episode_rewards_history": lambda names: deque(names.history.returns, maxlen=100),
        "epoch_episode_steps": lambda names: list(names.history.lengths),
        "step": lambda names: max(names.n_steps - 1, 0),
        "total_steps": lambda names: max(names.n_steps - 1, 0),
        "epoch_actions": lambda names: list(names.experience()[1]),
        "epoch_qs": lambda names: [names.q_value(obs) for obs in names.experience()[0]],
        "epoch_actor_losses": lambda names: names.losses("actor_loss"),
        "epoch_critic_losses": lambda names: names.losses("critic_loss"),
        "epoch_adaptive_distances": lambda names: names.distances(),
    }
    of_step: ClassVar[Readers] = {
        **TransitionNames.of_step,
        **{name: read for name, read in of_start.items() if name not in ("replay_wrapper", "obs", "epoch", "rank")},
        "q_value": lambda names: names.q_value(names.now["obs"][0]),
    }
    of_update: ClassVar[Readers] = {
        "actor_loss": lambda names: names.losses("actor_loss")[-1],
        "critic_loss": lambda names: names.losses("critic_loss")[-1],
        "distance": lambda names: names.distances()[-1],
        "t_train": lambda names: names.model.nb_train_steps - 1,
    }

    def q_value(self, obs: np.ndarray) -> np.ndarray:
        """Q(s, π(s)) of one observation, with the weights of now, [1, 1]."""
        return np.asarray(self.model.critic_values(obs[np.newaxis]), np.float32).reshape(1, 1)

    def losses(self, name: str) -> list[np.float32]:
        """Of each gradient step of the last training phase."""
        if self.model.last_phase is None:
            return []
        return [np.float32(value) for chunk in self.model.last_phase[0] for value in chunk[name]]

    def distances(self) -> list[float]:
        """Effects of the parameter noise in the last training phase; without noise it has none."""
        if self.model.last_phase is None:
            return []
        return [float(distance) for distance in self.model.last_distances] or [0.0]

    def experience(self) -> tuple[np.ndarray, np.ndarray]:
        """Observations and actions of this training, as far as the replay buffer has them."""
        buffer = getattr(self.model.replay_buffer, "replay_buffer", self.model.replay_buffer)
        n = min(len(buffer), max(self.n_steps - 1, 0) * self.model.n_envs)
        if not n:
            return np.zeros(0), np.zeros(0)
        return buffer.gather((buffer.next_row - n + np.arange(n)) % buffer.buffer_size)[:2]

    def evaluation(self, name: str, default: object) -> Any:
        found = self.model.last_evaluation
        return default if found is None else getattr(found, name)
