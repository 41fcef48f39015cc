"""Replay buffers in files of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from stable_baselines_tf2.common.buffers import ReplayBuffer
from stable_baselines_tf2.common.vec_env.conversion import EnvLike
from stable_baselines_tf2.core.archive import Archive, PathOrFile, read_archive, write_archive
from stable_baselines_tf2.files.legacy_replay import read_transitions, transitions_of


class ReplayBufferFiles(ABC):
    """Writes the ``replay_buffer`` of an algorithm to a file of its own, and reads it."""

    replay_buffer: Any

    @abstractmethod
    def make_replay_buffer(self) -> Any:
        """An empty buffer, which has ``get_state`` and ``set_state``."""

    def save_replay_buffer(self, path: PathOrFile) -> None:
        """Writes the replay buffer to a file.

        With the model's own file it makes exact resumption possible: see `load_replay_buffer`.

        Args:
            path: path (``.zip`` is added where it has no extension) or binary file object.

        Raises:
            ValueError: there is no replay buffer yet.
            OSError: the file cannot be written; an old one of that name stays.
        """
        if self.replay_buffer is None:
            raise ValueError("the model has no replay buffer before it has an environment")
        state, arrays = self.replay_buffer.get_state()
        write_archive(path, Archive(state=state, arrays=arrays))

    def load_replay_buffer(self, path: PathOrFile) -> None:
        """Reads the replay buffer from a file of `save_replay_buffer`, in place of what is stored.

        A ``ReplayBuffer`` of Stable Baselines that was pickled is read as well, without executing anything from the
        file; of more transitions than fit, the newest stay.

        Args:
            path: path (also without its ``.zip``) or binary file object.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or its buffer has another size or kind; the old one stays.
        """
        archive = read_archive(path)
        if archive.pickled is not None:
            self.take_transitions(read_transitions(archive.pickled))
            return
        if archive.data is not None or not archive.state:
            raise ValueError(f"{path} holds no replay buffer")
        buffer = self.make_replay_buffer() if self.replay_buffer is None else self.replay_buffer
        buffer.set_state(archive.state, archive.arrays)
        self.replay_buffer = buffer

    def take_transitions(self, transitions: tuple[np.ndarray, ...]) -> None:
        """Replaces what is stored by the transitions of a pickled buffer: see `ReplayBuffer.extend`."""
        buffer = self.make_replay_buffer()
        if not isinstance(buffer, ReplayBuffer) or getattr(self.replay_buffer, "relabels_goals", False):
            raise ValueError("only the algorithms with a plain ReplayBuffer take one that was pickled")
        buffer.extend(*transitions)
        self.replay_buffer = buffer

    @classmethod
    def restore(
        cls, load_path: PathOrFile, archive: Archive, data: dict[str, Any], env: EnvLike | None, kwargs: dict[str, Any]
    ) -> Any:
        model = super().restore(load_path, archive, data, env, kwargs)  # type: ignore[misc]
        if data.get("replay_buffer") is not None:  # some scripts stored it with the model
            model.take_transitions(transitions_of(data["replay_buffer"]))
        return model
