"""`Monitor` records the return, length and time of every episode; `load_results` reads such records."""

from __future__ import annotations

import csv
import glob
import json
import os
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.core.optional import require
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, has_own, reset_result, step_result

if TYPE_CHECKING:
    import pandas


class Monitor(gymnasium.Wrapper):
    """Records return, length and time of every episode, in memory, in ``info["episode"]`` and in a CSV file.

    The first line of the file is ``#`` and a JSON object with ``t_start`` (seconds since 1970) and ``env_id``. Then
    come the columns ``r`` (sum of the episode's rewards), ``l`` (its length in steps), ``t`` (seconds since ``t_start``
    at its end), and one per keyword. ``info["episode"]`` of an episode's last step has the same entries.

    Attributes that the wrapper lacks are looked up in the wrapped environments.

    Args:
        env: the environment.
        filename: path of the file, ``.monitor.csv`` is added where missing; or a folder, for a file ``monitor.csv`` in
            it; or None for no file.
        allow_early_resets: whether the environment may be reset before the episode ends.
        reset_keywords: arguments of ``reset`` (or of its ``options``) that are required there and recorded.
        info_keywords: entries of the last step's ``info`` that are recorded.
    """

    EXT = "monitor.csv"

    def __init__(
        self,
        env: gymnasium.Env,
        filename: str | os.PathLike | None,
        allow_early_resets: bool = True,
        reset_keywords: Sequence[str] = (),
        info_keywords: Sequence[str] = (),
    ) -> None:
        super().__init__(ensure_gymnasium(env))
        for name, keywords in (("reset_keywords", reset_keywords), ("info_keywords", info_keywords)):
            if isinstance(keywords, str):
                raise TypeError(f"{name} must be a sequence of names, not the string {keywords!r}")
        self.reset_keywords = tuple(reset_keywords)
        self.info_keywords = tuple(info_keywords)
        self.allow_early_resets = allow_early_resets
        self.t_start = time.time()
        self.rewards: list[Any] = []
        self.needs_reset = True
        self.episode_rewards: list[float] = []
        self.episode_lengths: list[int] = []
        self.episode_times: list[float] = []
        self.total_steps = 0
        self.current_reset_info: dict[str, Any] = {}
        self.file_handler: IO[str] | None = None
        self.logger: csv.DictWriter | None = None
        if filename is not None:
            self._open(os.fspath(filename))

    def _open(self, filename: str) -> None:
        if not filename.endswith(self.EXT):
            filename = os.path.join(filename, self.EXT) if os.path.isdir(filename) else f"{filename}.{self.EXT}"
        self.file_handler = open(filename, "w", newline="", encoding="utf-8")
        header = {"t_start": self.t_start, "env_id": self.env.spec and self.env.spec.id}
        self.file_handler.write(f"#{json.dumps(header)}\n")
        columns = ("r", "l", "t", *self.reset_keywords, *self.info_keywords)
        self.logger = csv.DictWriter(self.file_handler, columns, lineterminator="\n")
        self.logger.writeheader()
        self.file_handler.flush()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":  # private, or asked for before the constructor has run (copies)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.env.get_wrapper_attr(name)

    def set_wrapper_attr(self, name: str, value: object, *, force: bool = True) -> bool:
        """See gymnasium: `__getattr__` makes it look as if all attributes were the wrapper's own."""
        if has_own(self, name):
            setattr(self, name, value)
            return True
        if self.env.set_wrapper_attr(name, value, force=False):
            return True
        if force:
            setattr(self, name, value)
        return force

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Starts an episode.

        Args:
            **kwargs: handed to the environment (``seed``, ``options``).

        Raises:
            RuntimeError: the episode is not over, with ``allow_early_resets=False``.
            ValueError: one of ``reset_keywords`` is missing.
        """
        if not self.allow_early_resets and not self.needs_reset:
            raise RuntimeError("reset() before the end of the episode; Monitor(..., allow_early_resets=True) allows it")
        given = {**(kwargs.get("options") or {}), **kwargs}
        for key in self.reset_keywords:
            if given.get(key) is None:
                raise ValueError(f"reset() needs the argument {key!r}, which is among reset_keywords")
            self.current_reset_info[key] = given[key]
        self.rewards = []
        self.needs_reset = False
        return reset_result(self.env.reset(**kwargs))

    def step(self, action: ArrayLike) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Takes a step; the ``info`` of an episode's last one has the record under ``"episode"``.

        Raises:
            RuntimeError: the episode is over.
            KeyError: the ``info`` lacks one of ``info_keywords`` at the end of an episode.
        """
        if self.needs_reset:
            raise RuntimeError("the environment needs a reset() before this step()")
        result = self.env.step(action)
        if len(result) != 5:
            result = step_result(result)
        observation, reward, terminated, truncated, info = result
        self.rewards.append(reward)
        self.total_steps += 1
        if terminated or truncated:
            return observation, reward, terminated, truncated, {**info, "episode": self._end_episode(info)}
        return result

    def _end_episode(self, info: dict[str, Any]) -> dict[str, Any]:
        """Records the episode; returns what ``info["episode"]`` gets."""
        self.needs_reset = True
        total, length = float(np.sum(self.rewards, dtype=np.float64)), len(self.rewards)
        seconds = time.time() - self.t_start
        self.episode_rewards.append(total)
        self.episode_lengths.append(length)
        self.episode_times.append(seconds)
        record: dict[str, Any] = {"r": round(total, 6), "l": length, "t": round(seconds, 6)}
        for key in self.info_keywords:
            if key not in info:
                raise KeyError(f"info_keywords asks for {key!r}, but the step's info has only {sorted(info, key=str)}")
            record[key] = info[key]
        record.update(self.current_reset_info)
        if self.logger is not None and self.file_handler is not None:
            self.logger.writerow(record)
            self.file_handler.flush()
        return record

    def close(self) -> None:
        """Closes the environment and the file."""
        super().close()
        if self.file_handler is not None:
            self.file_handler.close()

    def get_total_steps(self) -> int:
        """Number of steps so far."""
        return self.total_steps

    def get_episode_rewards(self) -> list[float]:
        """Returns (sums of rewards) of all finished episodes."""
        return self.episode_rewards

    def get_episode_lengths(self) -> list[int]:
        """Lengths of all finished episodes in steps."""
        return self.episode_lengths

    def get_episode_times(self) -> list[float]:
        """When the finished episodes ended, in seconds after the monitor started."""
        return self.episode_times


class LoadMonitorResultsError(Exception):
    """A folder has no monitor file, or a file in it is not one."""


def get_monitor_files(path: str | os.PathLike) -> list[str]:
    """Paths of the ``*monitor.csv`` files in a folder, sorted."""
    return _matching(path, Monitor.EXT)


def _matching(folder: str | os.PathLike, ending: str) -> list[str]:
    return sorted(glob.glob(os.path.join(glob.escape(os.fspath(folder)), "*" + ending)))


def load_results(path: str | os.PathLike) -> pandas.DataFrame:
    """Reads all monitor files of a folder, ``*monitor.csv`` and the older ``*monitor.json``.

    Args:
        path: the folder.

    Returns:
        One row per episode, in the order of their ends: ``index`` (number of the row in its file), ``r``, ``l``, ``t``
        (seconds since the first of the monitors started) and the files' further columns.

    Raises:
        LoadMonitorResultsError: there is no monitor file, or one is damaged.
    """
    files = _matching(path, "monitor.json") + get_monitor_files(path)
    if not files:
        raise LoadMonitorResultsError(f"there is no *{Monitor.EXT} in {os.fspath(path)!r}")
    starts, frames = zip(*map(_read, files), strict=True)
    for start, frame in zip(starts, frames, strict=True):
        frame["t"] += start - min(starts)
    some = [frame for frame in frames if len(frame)] or frames[:1]
    return require("pandas", "plots").concat(some).sort_values("t", kind="stable").reset_index()


def _read(name: str) -> tuple[float, pandas.DataFrame]:
    """The start time and the episodes in one monitor file."""
    pandas = require("pandas", "plots")
    with open(name, encoding="utf-8") as file:
        try:
            start = json.loads(file.readline().removeprefix("#"))["t_start"]
            if name.endswith("json"):
                rows = [json.loads(line) for line in file]
                frame = pandas.DataFrame(rows, columns=None if rows else ["r", "l", "t"])
            else:
                frame = pandas.read_csv(file, index_col=None)
            frame["t"] = frame["t"].astype(float)
        except (ValueError, KeyError, TypeError) as error:  # JSON's and pandas' errors are ValueErrors
            raise LoadMonitorResultsError(f"{name!r} is not a monitor file: {error!r}") from error
    return start, frame
