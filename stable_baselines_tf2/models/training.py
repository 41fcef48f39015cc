"""What surrounds every training: callbacks, the TensorBoard log, episode statistics, time."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.eager import context

from stable_baselines_tf2 import logger
from stable_baselines_tf2.common.callbacks import (
    CallbackList,
    ConvertCallback,
    MaybeCallback,
    ProgressBarCallback,
    as_callback,
)
from stable_baselines_tf2.common.math_util import safe_mean
from stable_baselines_tf2.core.checks import warn_caller
from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.core.interfaces import TrainedModel
from stable_baselines_tf2.core.tensorboard import EventWriter, TensorboardWriter

PACKAGE = __name__.split(".")[0]


class Training:
    """One call of ``learn()``; a context manager.

    On entry the environment is checked and the event file is opened, `begin` starts the callback; on exit all are
    closed, whatever happened, and the Keras variables hold the newest weights.

    Args:
        model: the model that learns.
        total_timesteps: budget of this call, in environment steps.
        callback: function, object, list or None.
        log_interval: number of updates (of episodes, off-policy) between two tables of the logger; None for none.
        tb_log_name: name of the run in the TensorBoard folder.
        reset_num_timesteps: count steps from zero, and start a new run.
        progress_bar: show one.
    """

    def __init__(
        self,
        model: TrainedModel,
        total_timesteps: int,
        callback: MaybeCallback,
        log_interval: int | None,
        tb_log_name: str,
        *,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> None:
        if (
            isinstance(total_timesteps, bool)
            or not isinstance(total_timesteps, int | float | np.number)
            or not abs(total_timesteps) < float("inf")
        ):
            raise ValueError(
                f"total_timesteps must be a number of environment steps, 0 or more, not {total_timesteps!r}"
            )
        if total_timesteps < 0:
            warn_caller(f"total_timesteps={total_timesteps!r}: nothing is learned")
            total_timesteps = 0
        if log_interval is not None and (not isinstance(log_interval, int | np.integer) or log_interval < 0):
            raise ValueError(f"log_interval must be a positive number or None, not {log_interval!r}")
        if log_interval == 0:
            warn_caller("log_interval=0 prints no tables: it is a positive number, or None for none")
            log_interval = None
        self.model, self.total_timesteps = model, int(total_timesteps)
        self.log_interval, self.tb_log_name, self.reset_num_timesteps = log_interval, tb_log_name, reset_num_timesteps
        self.update = 0  # updates of this call
        self.rollout_start = 0.0  # of the last one, in seconds since the start
        self.writer: EventWriter | None = None
        # Of MPI workers, the first logs for all.
        self.is_logging_worker = model.rank == 0
        self.callback = as_callback(callback)
        # Without a callback, weights need not be written back in between, nor locals be gathered.
        self._watched = not (isinstance(self.callback, ConvertCallback) and callback is None)
        if progress_bar and self.is_logging_worker:
            self.callback = CallbackList([self.callback, ProgressBarCallback()])

    def __enter__(self) -> Training:
        model = self.model
        model.check_can_learn()
        if self.reset_num_timesteps:
            model.num_timesteps = 0
        self.callback.init_callback(model.wrapper or model)
        with contextlib.ExitStack() as opened:
            folder = model.tensorboard_log if self.is_logging_worker else None
            self._new_tb_log = model.num_timesteps == 0
            log = TensorboardWriter(None, folder, self.tb_log_name, new_tb_log=self._new_tb_log)
            self.writer = opened.enter_context(log)
            opened.enter_context(SetVerbosity(model.verbose))
            opened.enter_context(np.errstate(under="ignore"))  # probabilities may be 0, also where users want errors
            self.start_time = time.perf_counter()
            self._first_step = model.num_timesteps
            self._opened = opened.pop_all()  # the block has not failed: they stay open
        return self

    def begin(self, **known: object) -> None:
        """Starts the callback; ``known`` are attributes of the `LoopNames`."""
        model = self.model
        given = {
            "self": model.wrapper or model,
            "total_timesteps": self.total_timesteps,
            "callback": self.callback,
            "log_interval": self.log_interval,
            "tb_log_name": self.tb_log_name,
            "reset_num_timesteps": self.reset_num_timesteps,
            "new_tb_log": self._new_tb_log,
            "writer": self.writer,
        }
        self.names: Any = model.loop_names(model, given)
        vars(self.names).update(known)
        self.callback.on_training_start(self.names.locals, _globals_of(model))

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._opened:
            self.model.sync()
            if error_type is None or issubclass(error_type, KeyboardInterrupt):
                self.callback.on_training_end()
            else:
                self._close_progress_bar()

    def _close_progress_bar(self) -> None:
        for callback in getattr(self.callback, "callbacks", []):
            if isinstance(callback, ProgressBarCallback):
                callback.on_training_end()

    # ------------------------------------------------------------ events
    def on_step(self, get_locals: Callable[[], dict[str, Any]]) -> bool:
        """Counts one step of every environment and calls the callback; False if that stops training."""
        self.model.num_timesteps += self.model.timesteps_per_step
        if self._watched:
            self.names.at_step(get_locals)
            self.callback.update_locals(self.names.locals)
            self.model.sync()
        return self.callback.on_step() is not False

    def on_rollout_start(self) -> None:
        """Before a rollout."""
        self.rollout_start = self.elapsed
        if self._watched:
            self.model.sync()
        self.callback.on_rollout_start()

    def on_rollout_end(self, update: int = 0, rollout: Rollout | None = None) -> None:
        """After a rollout, which on-policy algorithms give, with the number of the update that it is for."""
        if self._watched:
            self.names.at_rollout_end(update, rollout)
            self.callback.update_locals(self.names.locals)
        self.callback.on_rollout_end()

    def on_update(self, statistics: Mapping[str, Any]) -> None:
        """After an update."""
        if self._watched:
            self.names.at_update(statistics)

    # ------------------------------------------------------------ logs
    def log_episodes(self, episodes: Iterable[tuple[int, float]], first_step: int) -> None:
        """Writes the returns of ended episodes at the steps at which they ended."""
        if self.writer is not None:
            for step, episode_return in episodes:
                self.writer.scalar("episode_reward", episode_return, first_step + step)

    @property
    def fps(self) -> int:
        """Environment steps per second since the start."""
        return int((self.model.num_timesteps - self._first_step) / max(self.elapsed, 1e-9))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.start_time

    @property
    def progress_remaining(self) -> float:
        """Fraction of this training that was left before the last step, 1 at the start."""
        done = self.model.num_timesteps - self.model.timesteps_per_step - self._first_step
        return 1.0 - done / max(self.total_timesteps, 1)

    def log_update(self, scalars: Mapping[str, float], histograms: Mapping[str, Any] | None = None) -> None:
        """Writes one update to TensorBoard."""
        if self.writer is None:
            return
        step = self.model.num_timesteps
        self.writer.scalars(
            {**scalars, **self.rollout_statistics("rollout/ep_rew_mean", "rollout/ep_len_mean"), "time/fps": self.fps},
            step,
        )
        for tag, values in (histograms or {}).items():
            self.writer.histogram(tag, values, step)

    def rollout_statistics(self, reward_key: str, length_key: str) -> dict[str, float]:
        """Mean return and length of the last 100 episodes that a Monitor reported."""
        infos = self.model.ep_info_buf
        if not infos:
            return {}
        return {
            reward_key: safe_mean([info["r"] for info in infos]),
            length_key: safe_mean([info["l"] for info in infos]),
        }

    def table_is_due(self) -> bool:
        """Whether this update prints a table."""
        if self.model.verbose < 1 or self.log_interval is None:
            return False
        return self.update == 1 or self.update % self.log_interval == 0

    def log_table(
        self, values: Mapping[str, Any], reward_key: str = "ep_reward_mean", length_key: str = "ep_len_mean"
    ) -> None:
        """Gives the logger a table."""
        if not self.is_logging_worker:
            return
        for key, value in {**values, **self.rollout_statistics(reward_key, length_key)}.items():
            logger.logkv(key, value)
        logger.dumpkvs()


def _globals_of(model: object) -> dict[str, Any]:
    """The names of the module of an algorithm of this library, which its callbacks get."""
    modules = [base.__module__ for base in type(model).__mro__ if base.__module__.partition(".")[0] == PACKAGE]
    return dict(vars(sys.modules[modules[0]])) if modules else {}


class SetVerbosity:
    """Within this block, less than ``verbose=1`` silences the logger and less than 2 gymnasium's warnings."""

    def __init__(self, verbose: int = 0) -> None:
        self.verbose = verbose

    def __enter__(self) -> None:
        self._logger_level, self._gymnasium_level = logger.get_level(), gymnasium.logger.min_level
        if self.verbose <= 0:
            logger.set_level(logger.DISABLED)
        if self.verbose <= 1:
            gymnasium.logger.min_level = gymnasium.logger.ERROR

    def __exit__(self, *error: object) -> None:
        logger.set_level(self._logger_level)
        gymnasium.logger.min_level = self._gymnasium_level


def undo_old_modes() -> None:
    """Turns on again what scripts of TensorFlow 1 turn off and networks need, with a warning that names the line."""
    if v1.resource_variables_enabled() and context.default_execution_mode == context.EAGER_MODE:
        return
    v1.enable_resource_variables()
    v1.enable_v2_tensorshape()
    v1.enable_control_flow_v2()
    v1.enable_tensor_equality()
    warn_caller(
        "the script calls TensorFlow's disable_v2_behavior() or disable_eager_execution(), which models here do not "
        "need: leave that line out"
    )


def set_threads(n_threads: int | None, default: int | None) -> None:
    """Sets the number of TensorFlow's threads for the whole process, and its modes, with warnings.

    Args:
        n_threads: number of threads; None leaves it alone.
        default: the default of the constructor: no warning for it.
    """
    undo_old_modes()
    if n_threads is None:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    except RuntimeError:
        if n_threads not in (default, tf.config.threading.get_intra_op_parallelism_threads()):
            warnings.warn(
                f"n_cpu_tf_sess={n_threads} has no effect: TensorFlow has already started in this process", stacklevel=4
            )
