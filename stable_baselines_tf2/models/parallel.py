"""What TRPO, PPO1 and GAIL share: on-policy training by several MPI workers.

Every worker plays environments of its own; gradients and losses are averaged over all of them, so that each holds the
same weights. Without MPI there is one worker.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stable_baselines_tf2 import logger
from stable_baselines_tf2.common.misc_util import flatten_lists
from stable_baselines_tf2.core import distributed
from stable_baselines_tf2.core.checks import check_usual, take_whole
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.parameters import Parameters
from stable_baselines_tf2.models.loop_names import SegmentNames
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.training import Training

SHORTEST_SEQUENCE, LONGEST_SEQUENCE = 16, 128  # steps; see `ParallelActorCriticRLModel.sequence_length`


@contextlib.contextmanager
def told(work: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    logger.log(f"{work} …")
    start = time.perf_counter()
    yield
    logger.log(f"done in {time.perf_counter() - start:.3f} seconds")


class Episode(NamedTuple):
    """An episode that ended."""

    length: int  # steps
    total_reward: float  # of the rewards that the algorithm learned from, or as a Monitor reported
    true_reward: float  # of the environment's rewards


class Minibatches(NamedTuple):
    """Which rows of a flattened rollout make each of K minibatches."""

    rows: np.ndarray  # [K, M]
    sequences: np.ndarray  # [K, 1] the chunk of a recurrent policy's rollout; [K, 0] for others


class ParallelActorCriticRLModel(ActorCriticRLModel):
    """Base of on-policy algorithms that MPI workers train together.

    A subclass names its number of steps for each update in ``horizon``.
    """

    uses_mpi = True
    keep_states = True
    explained_variance_key = "explained_variance_tdlam_before"
    lam: float
    _episodes: deque[Episode]

    # ------------------------------------------------------------ building
    loop_names = SegmentNames
    averaged_episodes: ClassVar[int] = 100  # that tables show the means of
    using_gail: bool = False  # whether a discriminator gives the rewards
    reward_giver: Any = None  # the discriminator
    carried_return = 0.0  # what it has given for the episode under way before this rollout

    @property
    def horizon(self) -> int:
        """Environment steps for one update, over all environments of this MPI worker."""
        raise NotImplementedError

    @property
    def horizon_name(self) -> str:
        """The constructor's name for it."""
        raise NotImplementedError

    # Names of the original that scripts read.
    @property
    def nworkers(self) -> int:
        """Number of MPI workers."""
        return self.n_workers

    @staticmethod
    def allmean(values: ArrayLike) -> np.ndarray:
        """The mean over the MPI workers."""
        return distributed.allreduce_mean(np.asarray(values))

    def get_flat(self) -> np.ndarray:
        """All weights of policy and value function, [n]."""
        return self.trainable.vector.numpy()

    def set_from_flat(self, theta: ArrayLike) -> None:
        """Sets them."""
        self.trainable.advance(tf.constant(np.asarray(theta, np.float32)))

    @staticmethod
    def timed(msg: str) -> contextlib.AbstractContextManager[None]:
        """Says what is being done in the block, and how long it took."""
        return told(msg)

    @property
    def policy_pi(self) -> Any:
        """The policy, under its older name."""
        return self.train_model

    def check_arguments(self, n_envs: int | None) -> None:
        super().check_arguments(n_envs)
        take_whole(self, self.horizon_name, 1)
        check_usual("lam", self.lam, 0.0, 1.0)
        if n_envs is not None and self.horizon % n_envs:
            raise ValueError(
                f"{self.horizon_name} must be a multiple of the number of environments ({n_envs}), not {self.horizon}"
            )

    def size_rollouts(self) -> None:
        self.n_steps = self.horizon // self.n_envs
        super().size_rollouts()

    # ------------------------------------------------------------ rollouts for updates
    def standardized_advantages(self, rollout: Rollout) -> np.ndarray:
        """Sets the rollout's returns; gives the standardized advantages, [N·T]."""
        return self.standardized(rollout.advantages(self.gamma, self.lam).ravel())

    @staticmethod
    def standardized(advantages: np.ndarray) -> np.ndarray:
        """Advantages with mean 0 and standard deviation 1, [N·T]."""
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    @property
    def sequence_length(self) -> int:
        """Steps of the sequences into which a recurrent policy's whole rollout is cut for training.

        Short ones are quick to go through, all at once; each begins with the recurrent state of its first step.
        """
        longest = max(length for length in range(1, LONGEST_SEQUENCE + 1) if self.n_steps % length == 0)
        return longest if longest >= SHORTEST_SEQUENCE else self.n_steps

    def training_batch(self, rollout: Rollout, advantages: np.ndarray, chunk: int) -> dict[str, np.ndarray]:
        """What the update takes, [B, …].

        With a recurrent policy also starts [B], and states before each sequence and before each chunk, [n, 2H].

        Args:
            rollout: with returns.
            advantages: standardized, [B].
            chunk: length of the sequences that a minibatch of a recurrent policy holds.
        """
        batch = {name: rollout.flat(getattr(rollout, name)) for name in ("obs", "actions", "returns")}
        batch["advantages"] = advantages
        if rollout.step_states is not None:
            batch["starts"] = rollout.flat(rollout.starts).astype(np.float32)
            whole = self.n_steps // chunk * chunk
            batch["states"] = rollout.flat(rollout.step_states[:, :: self.sequence_length])
            batch["chunk_states"] = rollout.flat(rollout.step_states[:, :whole:chunk])
        return batch

    def minibatches(self, n_epochs: int, size: int) -> Minibatches:
        """Full minibatches of ``size`` rows for some passes; rows that are left over in a pass are not used.

        Rows are shuffled in each pass. A minibatch of a recurrent policy is a chunk of consecutive steps; those keep
        their order.
        """
        if self.train_model.recurrent:
            whole = self.n_steps // size
            starts = np.arange(self.n_envs)[:, np.newaxis] * self.n_steps + np.arange(whole) * size
            rows = starts.reshape(-1, 1) + np.arange(size)
            chunks = np.arange(len(rows))[:, np.newaxis]
            return Minibatches(*(np.tile(a, (n_epochs, 1)).astype(np.int32) for a in (rows, chunks)))
        whole = self.n_batch // size
        order = np.tile(np.arange(self.n_batch, dtype=np.int32), (n_epochs, 1))
        rows = self.generator.permuted(order, axis=1)[:, : whole * size].reshape(n_epochs * whole, size)
        return Minibatches(rows, np.zeros((len(rows), 0), np.int32))

    # ------------------------------------------------------------ learning
    def start_training(self, training: Training) -> None:
        self._collector = self._runner = None  # as in the original, every training starts with new episodes
        self._episodes = deque(maxlen=self.averaged_episodes)
        self._n_episodes = 0
        self._ended: list[Episode] = []  # in the last rollout
        self.share_weights(self.trainable)

    def before_rollout(self, training: Training) -> None:
        if training.is_logging_worker:
            logger.log(f"********** Iteration {training.update - 1} ************")

    def share_weights(self, parameters: Parameters) -> None:
        """Gives all MPI workers the weights of the first."""
        if self.n_workers > 1:
            parameters.advance(tf.constant(distributed.broadcast(parameters.vector.numpy())))

    @property
    def timesteps_per_step(self) -> int:
        return self.n_envs * self.n_workers

    def count_updates(self, total_timesteps: int) -> int:
        return -(-total_timesteps // (self.n_batch * self.n_workers))  # rounded up

    def record_episodes(self, rollout: Rollout, learned: list[float] | None = None) -> None:
        """Adds the episodes that ended in a rollout, here and in other MPI workers, to the statistics.

        Args:
            rollout: the rollout.
            learned: their returns in rewards that took the place of the environment's.
        """
        reported = [info["r"] for info in rollout.episode_infos]  # of a Monitor, whose rewards are not normalized
        returns = reported if len(reported) == len(rollout.episodes) else [total for _, total in rollout.episodes]
        own = list(map(Episode, rollout.episode_lengths, returns if learned is None else learned, returns))
        self._ended = flatten_lists(distributed.allgather(own)) if self.n_workers > 1 else own
        self._episodes.extend(self._ended)
        self._n_episodes += len(self._ended)

    def table(self, rollout: Rollout, training: Training, statistics: Mapping[str, float]) -> dict[str, Any]:
        episodes = {}
        if self._episodes:
            episodes["EpLenMean"] = np.mean([episode.length for episode in self._episodes])
            episodes["EpRewMean"] = np.mean([episode.total_reward for episode in self._episodes])
        return {
            **statistics,
            self.explained_variance_key: self.explained_variance(rollout),
            **episodes,
            "EpThisIter": len(self._ended),
            "EpisodesSoFar": self._n_episodes,
            "TimestepsSoFar": self.num_timesteps,
            "TimeElapsed": time.perf_counter() - training.start_time,
        }
