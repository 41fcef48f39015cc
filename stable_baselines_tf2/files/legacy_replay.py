"""Replay buffers that scripts pickled, alone or within a model."""

from __future__ import annotations

import numpy as np

from stable_baselines_tf2.files.pickle_objects import Placeholder, loads
from stable_baselines_tf2.files.pickle_tree import UnsafePickle

_PARTS = 5  # observation, action, reward, next observation, done


def read_transitions(content: bytes) -> tuple[np.ndarray, ...]:
    """The transitions of a pickled replay buffer, oldest first.

    Args:
        content: the pickle of a ``ReplayBuffer`` or ``PrioritizedReplayBuffer``.

    Returns:
        Observations, actions, rewards, next observations and dones, [N, …].

    Raises:
        UnsafePickle: it is damaged, or something else.
    """
    return transitions_of(loads(content))


def transitions_of(found: object) -> tuple[np.ndarray, ...]:
    """The same, for what `loads` made of the pickle."""
    if not isinstance(found, Placeholder) or not found.name.endswith("ReplayBuffer") or found.state is None:
        raise UnsafePickle("it holds no replay buffer")
    storage, next_row = found.state.get("_storage"), found.state.get("_next_idx", 0)
    if not isinstance(storage, list) or not all(isinstance(row, tuple) and len(row) == _PARTS for row in storage):
        raise UnsafePickle("its replay buffer holds something else than transitions")
    if not storage:
        raise UnsafePickle("its replay buffer is empty")
    first = next_row if isinstance(next_row, int) and 0 < next_row < len(storage) else 0
    try:
        columns = tuple(np.stack(column) for column in zip(*storage[first:], *storage[:first], strict=True))
    except (ValueError, TypeError) as error:
        raise UnsafePickle(f"its transitions have several shapes ({error})") from error
    if any(column.dtype.kind not in "biuf" for column in columns):
        raise UnsafePickle("its transitions are not numbers")
    return columns
