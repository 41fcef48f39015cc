"""Replay buffers: rings of transitions from which batches are drawn, evenly or by priority."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.segment_tree import MinSegmentTree, SumSegmentTree
from stable_baselines_tf2.common.vec_env import VecNormalize
from stable_baselines_tf2.core.replay import (
    SHARED_BYTES,
    Observations,
    SeparateObservations,
    SharedObservations,
    check_memory,
    checked_array,
    is_ring_state,
    ring_rows,
)

Transition = tuple[Any, Any, Any, Any, Any]  # observation, action, reward, next observation, done
_COLUMNS = ("actions", "rewards", "dones")  # what is kept besides observations


class ReplayBuffer:
    """Keeps the newest transitions and draws among them with equal chances, with repetition.

    Everything lies in arrays that are allocated once, with the dtypes of what is added (a wider one if what is added
    later needs it). Large observations, such as images, are kept once although they end one transition and begin
    the next, see `SharedObservations`.

    Args:
        size: number of transitions kept; a new one then replaces the oldest.
        observation_space: fixes dtype and shape of observations, and lets the constructor already compare the memory
            needed with what there is. Without it, the first `add` does both.

    Raises:
        ValueError: ``size`` is not positive.
        TypeError: ``size`` is not an integer, or the observations cannot be kept in one array.
        MemoryError: the full buffer would be larger than this machine's memory.

    Warns:
        UserWarning: the full buffer would be larger than the memory that is free now.
    """

    def __init__(self, size: int, observation_space: Any = None):
        self._size = _positive_integer("size", size)
        self._length = 0
        self._next_row = 0
        self._observations: Observations | None = None
        self._columns: dict[str, np.ndarray] = {}
        self._accepted: tuple | None = None  # shapes and dtypes that came last, which fit
        self._space = observation_space
        if observation_space is not None:
            if observation_space.shape is None:
                raise TypeError(f"observation_space must be of arrays, got {observation_space}")
            self._check_memory(observation_space.shape, np.dtype(observation_space.dtype))

    def __len__(self) -> int:
        return self._length

    @property
    def storage(self) -> Sequence[Transition]:
        """The transitions, by row, as tuples ``(obs_t, action, reward, obs_tp1, done)``; read only."""
        return _Storage(self)

    @property
    def buffer_size(self) -> int:
        """Number of transitions that fit."""
        return self._size

    @property
    def next_row(self) -> int:
        """The row that the next transition goes to."""
        return self._next_row

    # Names of the original that scripts read.
    @property
    def _storage(self) -> list[Transition]:
        """The transitions, as a new list."""
        return list(self.storage)

    @property
    def _next_idx(self) -> int:
        return self._next_row

    @property
    def _maxsize(self) -> int:
        return self._size

    def can_sample(self, n_samples: int) -> bool:
        """Whether ``n_samples`` transitions are stored."""
        return self._length >= n_samples

    def is_full(self) -> bool:
        """Whether the next transition replaces the oldest."""
        return self._length == self._size

    def add(self, obs_t: ArrayLike, action: ArrayLike, reward: float, obs_tp1: ArrayLike, done: bool) -> None:
        """Stores one transition.

        Args:
            obs_t: observation before the step.
            action: action of the step.
            reward: reward of the step.
            obs_tp1: observation after the step, before any reset.
            done: whether the episode ended.

        Raises:
            ValueError: a value has another shape than those stored before.
            TypeError: a value is not numeric.
        """
        asarray, new = np.asarray, np.newaxis
        self._insert(
            asarray(obs_t)[new], asarray(action)[new], asarray(reward)[new], asarray(obs_tp1)[new], asarray(done)[new]
        )

    def extend(
        self, obs_t: ArrayLike, action: ArrayLike, reward: ArrayLike, obs_tp1: ArrayLike, done: ArrayLike
    ) -> None:
        """Stores N transitions, as by N calls of `add`: one step of N environments, or any others.

        Args:
            obs_t: observations before the steps, [N, …].
            action: actions, [N, …].
            reward: rewards, [N].
            obs_tp1: observations after the steps, before any reset, [N, …].
            done: whether the episodes ended, [N].

        Raises:
            ValueError: the numbers of values differ, or values have another shape than those stored before.
            TypeError: values are not numeric.
        """
        self._insert(np.asarray(obs_t), np.asarray(action), np.asarray(reward), np.asarray(obs_tp1), np.asarray(done))

    def sample(
        self,
        batch_size: int,
        env: VecNormalize | None = None,
        *,
        generator: np.random.Generator | None = None,
        **_kwargs: object,
    ) -> tuple[np.ndarray, ...]:
        """Draws a batch of transitions.

        Args:
            batch_size: B, number of transitions.
            env: a `VecNormalize` that normalizes observations and rewards, or None.
            generator: source of the draws; Python's ``random`` if None.

        Returns:
            Observations [B, …], actions [B, …], rewards [B], next observations [B, …] and dones [B].

        Raises:
            ValueError: nothing is stored, or ``batch_size`` is not positive.
        """
        return self._gather(self._draw(_positive_integer("batch_size", batch_size), generator), env)

    def sample_indices(
        self, n_batches: int, batch_size: int, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """Draws the rows of several batches at once, [n_batches, batch_size]; for arguments and errors see `sample`."""
        n_batches, batch_size = _positive_integer("n_batches", n_batches), _positive_integer("batch_size", batch_size)
        return self._draw(n_batches * batch_size, generator).reshape(n_batches, batch_size)

    def gather(self, idxes: np.ndarray, env: VecNormalize | None = None) -> tuple[np.ndarray, ...]:
        """Reads transitions.

        Args:
            idxes: rows between 0 and ``len(self) - 1``, of any shape.
            env: a `VecNormalize` that normalizes observations and rewards, or None.

        Returns:
            Copies of observations, actions, rewards, next observations and dones; the shape of ``idxes`` comes first.

        Raises:
            IndexError: nothing is stored in one of the rows.
        """
        return self._gather(self._checked_rows(idxes), env)

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What is stored, as JSON values and named arrays.

        The arrays may be views: write them before anything is added. Random generators are not part of it.
        """
        state = {"size": self._size, "length": self._length, "next_row": self._next_row}
        if self._observations is None:
            return state, {}
        columns = {name: column[: self._length] for name, column in self._columns.items()}
        return state, {**self._observations.get_state(self._length), **columns}

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Takes up exactly what `get_state` gave, in place of what is stored.

        Raises:
            ValueError: the state is of a buffer of another size or kind, or it is damaged. This buffer stays as it was.
        """
        expected = set(self.get_state()[0])
        if set(state) != expected:
            raise ValueError(f"the state of a {type(self).__name__} has {sorted(expected)}, got {sorted(state)}")
        length, next_row = state["length"], state["next_row"]
        if state["size"] != self._size:
            raise ValueError(f"the state is of a buffer of size {state['size']}, this one's is {self._size}")
        if not is_ring_state(length, next_row, self._size):
            raise ValueError(f"a state with length {length}, next_row {next_row} and size {self._size} is damaged")
        observations, columns = None, {}
        if length:
            try:
                observations = self._new_observations(arrays["obs"].shape[1:], arrays["obs"].dtype)
                observations.set_state(length, arrays)
                for name in _COLUMNS:
                    shape, dtype = arrays[name].shape[1:], arrays[name].dtype
                    columns[name] = np.empty((self._size, *shape), dtype)
                    columns[name][:length] = checked_array(arrays, name, (length, *shape), dtype)
            except KeyError as error:
                raise ValueError(f"the state lacks the array {error}") from error
        self._observations, self._columns, self._accepted = observations, columns, None
        self._length, self._next_row = length, next_row

    def _insert(
        self, obs: np.ndarray, actions: np.ndarray, rewards: np.ndarray, next_obs: np.ndarray, dones: np.ndarray
    ) -> slice | np.ndarray:
        """Stores N transitions and says where."""
        signature = (
            *(obs.shape, actions.shape, rewards.shape, next_obs.shape, dones.shape),
            *(obs.dtype, actions.dtype, rewards.dtype, next_obs.dtype, dones.dtype),
        )
        if signature != self._accepted:
            self._accept(obs_t=obs, action=actions, reward=rewards, obs_tp1=next_obs, done=dones)
            self._accepted = signature
        n, size, start = len(rewards), self._size, self._next_row
        if n > size:  # those that would be replaced at once
            start = (start + n - size) % size
            obs, actions, rewards, next_obs, dones = (x[-size:] for x in (obs, actions, rewards, next_obs, dones))
            n = size
        rows = ring_rows(start, n, size)
        if n:
            columns = self._columns
            self._observations.write(start, obs, next_obs)  # type: ignore[union-attr]
            columns["actions"][rows], columns["rewards"][rows], columns["dones"][rows] = actions, rewards, dones
            self._next_row = (start + n) % size
            self._length = min(self._length + n, size)
        return rows

    def _accept(self, **values: np.ndarray) -> None:
        """Checks values [N, …] that are about to be stored and makes room for their dtypes."""
        for name, value in values.items():
            if value.dtype.kind not in "biuf":
                raise TypeError(f"{name} must be numeric, got dtype {value.dtype}")
        if len({value.shape[:1] for value in values.values()}) > 1 or not values["reward"].ndim:
            shapes = {name: list(value.shape) for name, value in values.items()}
            raise ValueError(f"there must be as many values of each kind, got arrays of shapes {shapes}")
        if not len(values["reward"]):
            return
        obs, next_obs = values["obs_t"], values["obs_tp1"]
        columns = dict(zip(_COLUMNS, (values["action"], values["reward"], values["done"]), strict=True))
        known = self._space if self._observations is None else self._observations
        wanted = {"obs_t": obs.shape[1:] if known is None else known.shape, "reward": (), "done": ()}
        wanted["obs_tp1"] = wanted["obs_t"]
        if self._columns:
            wanted["action"] = self._columns["actions"].shape[1:]
        for name, shape in wanted.items():
            if values[name].shape[1:] != tuple(shape):
                raise ValueError(f"each {name} must have the shape {list(shape)}, got {list(values[name].shape[1:])}")

        old, dtype = self._observations, np.promote_types(obs.dtype, next_obs.dtype)
        if old is None:
            self._observations = self._new_observations(obs.shape[1:], dtype)
        elif self._space is None and not np.can_cast(dtype, old.dtype, "safe"):
            self._observations = self._new_observations(old.shape, np.promote_types(dtype, old.dtype))
            self._observations.set_state(self._length, old.get_state(self._length))
        for name, value in columns.items():
            if name not in self._columns:
                self._columns[name] = np.empty((self._size, *value.shape[1:]), value.dtype)
            dtype = np.promote_types(self._columns[name].dtype, value.dtype)
            self._columns[name] = self._columns[name].astype(dtype, copy=False)

    def _new_observations(self, shape: tuple[int, ...], dtype: np.dtype) -> Observations:
        if self._space is None:
            self._check_memory(shape, dtype)
        else:
            shape, dtype = tuple(self._space.shape), np.dtype(self._space.dtype)
        kind = SharedObservations if _bytes_of(shape, dtype) >= SHARED_BYTES else SeparateObservations
        return kind(self._size, shape, dtype)

    def _check_memory(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        n_bytes = _bytes_of(shape, dtype)
        check_memory(
            self._size * (n_bytes if n_bytes >= SHARED_BYTES else 2 * n_bytes),
            f"a replay buffer of size {self._size} with observations {dtype}{list(shape)}",
        )

    def _draw(self, n: int, generator: np.random.Generator | None) -> np.ndarray:
        if not self._length:
            raise ValueError("the replay buffer is empty: there is nothing to sample")
        return self._choose(n, generator)

    def _choose(self, n: int, generator: np.random.Generator | None) -> np.ndarray:
        """Rows of ``n`` of the stored transitions."""
        length = self._length
        if generator is not None:
            return generator.integers(length, size=n)
        # The very draws of random.randint(0, length - 1), at a tenth of its time.
        bits, n_bits = random.getrandbits, length.bit_length()
        rows: list[int] = []
        while len(rows) < n:
            row = bits(n_bits)
            if row < length:
                rows.append(row)
        return np.array(rows)

    def _gather(self, idxes: np.ndarray, env: Any) -> tuple[np.ndarray, ...]:
        observations, columns = self._observations, self._columns
        if observations is None:
            raise IndexError("the replay buffer is empty: there is nothing to gather")
        obs, next_obs = observations.obs(idxes), observations.next_obs(idxes)
        actions, rewards, dones = (columns[name].take(idxes, axis=0) for name in _COLUMNS)
        if env is not None:
            obs, next_obs, rewards = env.normalize_obs(obs), env.normalize_obs(next_obs), env.normalize_reward(rewards)
        return obs, actions, rewards, next_obs, dones

    def _checked_rows(self, idxes: ArrayLike) -> np.ndarray:
        rows = np.asarray(idxes)
        if rows.dtype.kind not in "iu":
            raise TypeError(f"idxes must be integers, got dtype {rows.dtype}")
        if rows.size and not 0 <= rows.min() <= rows.max() < self._length:
            raise IndexError(f"idxes must be in [0, {self._length - 1}], got {rows.min()} to {rows.max()}")
        return rows


class PrioritizedReplayBuffer(ReplayBuffer):
    """Draws transitions in proportion to their priorities to the power of ``alpha`` (https://arxiv.org/abs/1511.05952).

    A new transition gets the highest priority there has been, 1 at first. As in the original, the last of the filled
    rows is left out of the total that draws are scaled by, so as long as there are others it is not drawn.

    Args:
        size: number of transitions kept; a new one then replaces the oldest.
        alpha: exponent of priorities: 0 draws evenly, 1 in full proportion.
        observation_space: see `ReplayBuffer`.

    Raises:
        ValueError: ``size`` is not positive, or ``alpha`` is negative.
        TypeError, MemoryError: see `ReplayBuffer`.
    """

    def __init__(self, size: int, alpha: float, observation_space: Any = None):
        super().__init__(size, observation_space)
        if not 0 <= alpha < math.inf:
            raise ValueError(f"alpha must be a finite number of at least 0, got {alpha}")
        self._alpha = alpha
        self._max_priority = 1.0
        self._sums, self._minima = self._new_trees()

    # Names of the original that scripts read.
    @property
    def _it_sum(self) -> SumSegmentTree:
        return self._sums

    @property
    def _it_min(self) -> MinSegmentTree:
        return self._minima

    def _insert(self, *values: np.ndarray) -> slice | np.ndarray:
        rows = super()._insert(*values)
        idxes = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        if len(idxes):
            where = int(idxes[0]) if len(idxes) == 1 else idxes  # trees are faster with a number
            self._sums[where] = self._minima[where] = self._max_priority**self._alpha
        return rows

    def sample(  # type: ignore[override] # the legacy place of beta
        self,
        batch_size: int,
        beta: float = 0,
        env: VecNormalize | None = None,
        *,
        generator: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, ...]:
        """Draws a batch of transitions.

        Args:
            batch_size: B, number of transitions.
            beta: see `weights`.
            env: a `VecNormalize` that normalizes observations and rewards, or None.
            generator: source of the draws; ``np.random`` if None.

        Returns:
            Observations [B, …], actions [B, …], rewards [B], next observations [B, …], dones [B], importance weights
            [B] (float64) and rows [B], for `update_priorities`.

        Raises:
            ValueError: nothing is stored, ``batch_size`` is not positive, or ``beta`` is negative.
        """
        idxes = self._draw(_positive_integer("batch_size", batch_size), generator)
        return (*self._gather(idxes, env), self.weights(idxes, beta), idxes)

    def weights(self, idxes: np.ndarray, beta: float) -> np.ndarray:
        """Importance weights, which make up for uneven draws: ``(P(i) / min P) ** -beta``, at most 1.

        Args:
            idxes: rows, of any shape.
            beta: how far they make up for it: 0 not at all, 1 in full.

        Returns:
            Weights in the shape of ``idxes``, float64.

        Raises:
            ValueError: ``beta`` is negative.
        """
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta must be a finite number of at least 0, got {beta}")
        total = self._sums.sum()
        largest = (self._minima.min() / total * self._length) ** -beta
        return (self._sums[self._checked_rows(idxes)] / total * self._length) ** -beta / largest

    def update_priorities(self, idxes: ArrayLike, priorities: ArrayLike) -> None:
        """Sets the priorities of transitions that were drawn.

        Args:
            idxes: rows, [B].
            priorities: their new priorities, [B]; of several for one row the last stays.

        Raises:
            ValueError: the lengths differ, or a priority is not positive and finite.
            IndexError: nothing is stored in one of the rows.
        """
        rows, values = self._checked_rows(idxes), np.asarray(priorities)
        if rows.shape != values.shape:
            raise ValueError(f"there must be one priority per row, got {values.shape} for {rows.shape}")
        if not values.size:
            return
        if not (values.min() > 0 and values.max() < np.inf):  # NaN fails as well
            raise ValueError(f"priorities must be positive and finite, got {values.min()} to {values.max()}")
        self._sums[rows] = self._minima[rows] = values**self._alpha
        self._max_priority = max(self._max_priority, float(values.max()))

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        state, arrays = super().get_state()
        state.update(alpha=self._alpha, max_priority=self._max_priority)
        return state, {**arrays, "priorities": self._sums[np.arange(self._length)]}

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        if "priorities" not in arrays or "length" not in state:
            raise ValueError("the state lacks priorities or length")
        if state.get("alpha") != self._alpha:
            raise ValueError(f"the state is of a buffer with alpha {state.get('alpha')}, this one's is {self._alpha}")
        priorities = checked_array(arrays, "priorities", (state["length"],), np.dtype(np.float64))
        if not (priorities > 0).all():
            raise ValueError("the priorities of the replay buffer's state must be positive")
        super().set_state(state, arrays)
        self._max_priority = float(state["max_priority"])
        self._sums, self._minima = self._new_trees()
        idxes = np.arange(self._length)
        self._sums[idxes] = self._minima[idxes] = priorities

    def _new_trees(self) -> tuple[SumSegmentTree, MinSegmentTree]:
        capacity = 1 << (self._size - 1).bit_length()
        return SumSegmentTree(capacity), MinSegmentTree(capacity)

    def _choose(self, n: int, generator: np.random.Generator | None) -> np.ndarray:
        draws = np.random.random(n) if generator is None else generator.random(n)
        rows = self._sums.find_prefixsum_idx(draws * self._sums.sum(0, self._length - 1))
        return np.minimum(rows, self._length - 1)


def check_rewards(rewards: ArrayLike) -> None:
    """Refuses rewards from which nothing can be learned.

    Args:
        rewards: of one step, [N] or a number.

    Raises:
        ValueError: one is infinite or not a number.
    """
    finite = np.isfinite(rewards)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"rewards must be finite, environment {row} returned {np.ravel(rewards)[row]}")


class _Storage(Sequence[Transition]):
    """A replay buffer's rows as a sequence of tuples."""

    def __init__(self, buffer: ReplayBuffer) -> None:
        self._buffer = buffer

    def __len__(self) -> int:
        return len(self._buffer)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = operator.index(index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"the replay buffer holds {len(self)} transitions, got the index {row}")
        return tuple(value[0] for value in self._buffer.gather(np.array([row % len(self)])))


def _positive_integer(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {number}")
    return number


def _bytes_of(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return math.prod(shape) * dtype.itemsize
