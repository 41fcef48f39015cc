"""Callbacks: code of the user that runs during training, and the ones for common needs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stable_baselines_tf2 import logger
from stable_baselines_tf2.common.evaluation import evaluate_policy
from stable_baselines_tf2.common.vec_env import DummyVecEnv, UnvecWrapper, VecEnv, sync_envs_normalization
from stable_baselines_tf2.core.archive import atomic_write
from stable_baselines_tf2.core.checks import check_usual
from stable_baselines_tf2.core.optional import require
from stable_baselines_tf2.core.tensorboard import EventWriter

if TYPE_CHECKING:
    import gymnasium

    from stable_baselines_tf2.core.interfaces import CallbackModel


class BaseCallback:
    """Base class of callbacks: override the methods that start with ``_on_`` and ``_init_callback``.

    Attributes:
        model: the model that is trained.
        training_env: its environment, ``model.get_env()``.
        n_calls: how often ``on_step`` was called. For the callback of a model: steps of the vectorized environment.
        num_timesteps: steps of all environments so far, ``model.num_timesteps``.
        locals, globals: variables of the training loop; ``locals["writer"]`` writes TensorBoard files, or is None.
        logger: the logger at the start of training.
        parent: the `EventCallback` that calls this one, or None.

    Args:
        verbose: 0 prints nothing.
    """

    def __init__(self, verbose: int = 0) -> None:
        self.model: Any = None  # this and what follows without a value is set by init_callback and on_training_start
        self.training_env: Any = None
        self.n_calls = 0
        self.num_timesteps = 0
        self.verbose = verbose
        self.locals: Any = None
        self.globals: Any = None
        self.logger: Any = None
        self.parent: Any = None

    def init_callback(self, model: CallbackModel) -> None:
        """Ties the callback to a model, before the training starts."""
        self.model = model
        self.training_env = model.get_env()
        self.logger = logger.Logger.CURRENT
        self._init_callback()

    def _init_callback(self) -> None:
        """Prepares the callback: create folders, check settings."""

    def update_locals(self, locals_: dict[str, Any]) -> None:
        """Renews the variables of the training loop; callbacks inside this one share the dictionary."""
        if locals_ is not self.locals:
            self.locals.update(locals_)

    def on_training_start(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None:
        """Called once, before the first step."""
        self.locals = locals_
        self.globals = globals_
        self._on_training_start()

    def _on_training_start(self) -> None:
        """What to do before the first step."""

    def on_rollout_start(self) -> None:
        """Called before experience is collected."""
        self._on_rollout_start()

    def _on_rollout_start(self) -> None:
        """What to do before experience is collected."""

    def on_step(self) -> bool:
        """Called after each step of the vectorized environment, or when the parent's event happens.

        Returns:
            Whether training goes on: True unless ``_on_step`` returned False.
        """
        self.n_calls += 1
        self.num_timesteps = self.model.num_timesteps
        result = self._on_step()
        return bool(result) if isinstance(result, (bool, np.bool_)) else True

    def _on_step(self) -> bool:
        """What to do after each step; False stops the training."""
        return True

    def on_rollout_end(self) -> None:
        """Called when experience was collected, before the update."""
        self._on_rollout_end()

    def _on_rollout_end(self) -> None:
        """What to do when experience was collected."""

    def on_training_end(self) -> None:
        """Called once, after the last update."""
        self._on_training_end()

    def _on_training_end(self) -> None:
        """What to do after the last update."""


class EventCallback(BaseCallback):
    """Base class of callbacks that call another one at certain events (with ``_on_event``).

    Args:
        callback: the other one, or None.
        verbose: 0 prints nothing.
    """

    def __init__(self, callback: BaseCallback | None = None, verbose: int = 0) -> None:
        super().__init__(verbose)
        if not (callback is None or isinstance(callback, BaseCallback)):
            raise TypeError(f"callback must be a BaseCallback or None, not {callback!r}")
        self.callback = callback
        if callback is not None:
            callback.parent = self

    def init_callback(self, model: CallbackModel) -> None:
        super().init_callback(model)
        if self.callback is not None:
            self.callback.init_callback(model)

    def _on_training_start(self) -> None:
        if self.callback is not None:
            self.callback.on_training_start(self.locals, self.globals)

    def _on_event(self) -> bool:
        """Calls the other callback; returns whether training goes on."""
        return self.callback.on_step() if self.callback is not None else True


class CallbackList(BaseCallback):
    """Several callbacks, called in order; training stops when any of them says so.

    Args:
        callbacks: callbacks, or functions as `ConvertCallback` takes them.
    """

    def __init__(self, callbacks: Sequence[BaseCallback | Callable]) -> None:
        super().__init__()
        if not isinstance(callbacks, (list, tuple)):
            raise TypeError(f"callbacks must be a list of callbacks, not {callbacks!r}")
        self.callbacks = [as_callback(callback) for callback in callbacks]

    def _init_callback(self) -> None:
        for callback in self.callbacks:
            callback.init_callback(self.model)

    def _on_training_start(self) -> None:
        for callback in self.callbacks:
            callback.on_training_start(self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        for callback in self.callbacks:
            callback.on_rollout_start()

    def _on_step(self) -> bool:
        answers = [callback.on_step() for callback in self.callbacks]  # of all, even after one that stops
        return all(answers)

    def _on_rollout_end(self) -> None:
        for callback in self.callbacks:
            callback.on_rollout_end()

    def _on_training_end(self) -> None:
        for callback in self.callbacks:
            callback.on_training_end()


class ConvertCallback(BaseCallback):
    """A function as a callback.

    Args:
        callback: called after each step with the local and global variables of the training loop; when it returns
            False, training stops. None does nothing.
        verbose: unused.
    """

    def __init__(self, callback: Callable[[dict[str, Any], dict[str, Any]], Any] | None, verbose: int = 0) -> None:
        super().__init__(verbose)
        if not (callback is None or callable(callback)):
            raise TypeError(f"callback must be a function, a BaseCallback, a list of them or None, not {callback!r}")
        self.callback = callback

    def _on_step(self) -> bool:
        return True if self.callback is None else self.callback(self.locals, self.globals)


# What ``learn(callback=...)`` takes; a function gets the local and global variables of the training loop.
MaybeCallback = (
    Callable[[dict[str, Any], dict[str, Any]], Any]
    | BaseCallback
    | list[BaseCallback]
    | tuple[BaseCallback, ...]
    | None
)


def as_callback(callback: MaybeCallback) -> BaseCallback:
    """Makes one callback of what ``learn(callback=...)`` takes: None, a callback, a function, or a list of these."""
    if isinstance(callback, BaseCallback):
        return callback
    return CallbackList(callback) if isinstance(callback, (list, tuple)) else ConvertCallback(callback)


class CheckpointCallback(BaseCallback):
    """Saves the model every ``save_freq`` calls, as ``{name_prefix}_{num_timesteps}_steps.zip``.

    Args:
        save_freq: number of calls, which are steps of the vectorized environment, between two saves.
        save_path: the folder, created where missing.
        name_prefix: start of the file names.
        verbose: 2 prints every save.
    """

    def __init__(
        self, save_freq: int, save_path: str | os.PathLike, name_prefix: str = "rl_model", verbose: int = 0
    ) -> None:
        super().__init__(verbose)
        self.save_freq = _positive("save_freq", save_freq)
        self.save_path = _path("save_path", save_path)
        self.name_prefix = name_prefix

    def _init_callback(self) -> None:
        os.makedirs(self.save_path, exist_ok=True)

    def _on_step(self) -> bool:
        if self.n_calls % self.save_freq == 0:
            path = os.path.join(self.save_path, f"{self.name_prefix}_{self.num_timesteps}_steps")
            self.model.save(path)
            if self.verbose > 1:
                print(f"Saved a checkpoint to {path}")
        return True


class EvalCallback(EventCallback):
    """Evaluates the model every ``eval_freq`` calls and keeps the best one.

    Statistics of a ``VecNormalize`` around the training environment are copied to the evaluation environment first,
    which needs one too. Rewards count as the evaluation environment gives them: with ``VecNormalize`` you want
    ``norm_reward=False`` there.

    Where TensorBoard files are written, they get ``eval/mean_reward`` and ``eval/mean_ep_length``.

    Args:
        eval_env: the environment to evaluate in, apart from the training environment; several in one ``VecEnv`` share
            the episodes.
        callback_on_new_best: called when the mean return is higher than ever before.
        n_eval_episodes: number of episodes of an evaluation.
        eval_freq: number of calls, which are steps of the vectorized training environment, between evaluations; 0 for
            none.
        log_path: folder for ``evaluations.npz``, rewritten at every evaluation: ``timesteps`` ``[n]``, ``results``
            (returns) and ``ep_lengths`` (steps), both ``[n, n_eval_episodes]``.
        best_model_save_path: folder for ``best_model.zip``.
        deterministic: whether the policy acts deterministically.
        render: whether to show the evaluation.
        verbose: 0 prints nothing.
    """

    def __init__(
        self,
        eval_env: gymnasium.Env | VecEnv,
        callback_on_new_best: BaseCallback | None = None,
        n_eval_episodes: int = 5,
        eval_freq: int = 10000,
        log_path: str | os.PathLike | None = None,
        best_model_save_path: str | os.PathLike | None = None,
        deterministic: bool = True,
        render: bool = False,
        verbose: int = 1,
    ) -> None:
        super().__init__(callback_on_new_best, verbose=verbose)
        check_usual("n_eval_episodes", n_eval_episodes, 1)
        self.n_eval_episodes = n_eval_episodes
        self.eval_freq = eval_freq
        self.best_mean_reward = -np.inf
        self.last_mean_reward = -np.inf
        self.deterministic = deterministic
        self.render = render
        self.eval_env = eval_env if isinstance(eval_env, VecEnv) else DummyVecEnv([lambda: eval_env])
        self.best_model_save_path = None if best_model_save_path is None else os.fspath(best_model_save_path)
        self.log_path = None if log_path is None else os.path.join(log_path, "evaluations")
        self.evaluations_results: list[list[float]] = []
        self.evaluations_timesteps: list[int] = []
        self.evaluations_length: list[list[int]] = []

    def _init_callback(self) -> None:
        training_env = self.training_env.venv if isinstance(self.training_env, UnvecWrapper) else self.training_env
        if isinstance(training_env, VecEnv) and type(training_env) is not type(self.eval_env):
            warnings.warn(
                f"the training environment is a {type(training_env).__name__}, "
                f"the evaluation environment a {type(self.eval_env).__name__}",
                stacklevel=2,
            )
        sync_envs_normalization(self.training_env, self.eval_env)  # where they do not fit, fail before the training
        if self.best_model_save_path is not None:
            os.makedirs(self.best_model_save_path, exist_ok=True)
        if self.log_path is not None:
            os.makedirs(os.path.dirname(self.log_path) or ".", exist_ok=True)

    def _on_step(self) -> bool:
        if self.eval_freq <= 0 or self.n_calls % self.eval_freq != 0:
            return True
        sync_envs_normalization(self.training_env, self.eval_env)
        rewards, lengths = evaluate_policy(
            self.model,
            self.eval_env,
            n_eval_episodes=self.n_eval_episodes,
            deterministic=self.deterministic,
            render=self.render,
            return_episode_rewards=True,
        )
        self._record(rewards, lengths)  # type: ignore[arg-type]
        if self.last_mean_reward <= self.best_mean_reward:
            return True
        if self.verbose > 0:
            print("New best mean reward!")
        if self.best_model_save_path is not None:
            self.model.save(os.path.join(self.best_model_save_path, "best_model"))
        self.best_mean_reward = self.last_mean_reward
        return self._on_event()

    def _record(self, rewards: list[float], lengths: list[int]) -> None:
        """Prints an evaluation and writes it to the files."""
        if self.log_path is not None:
            self.evaluations_timesteps.append(self.num_timesteps)
            self.evaluations_results.append(rewards)
            self.evaluations_length.append(lengths)
            with atomic_write(self.log_path + ".npz") as file:
                np.savez(
                    file,
                    timesteps=self.evaluations_timesteps,
                    results=self.evaluations_results,
                    ep_lengths=self.evaluations_length,
                )
        self.last_mean_reward, mean_length = float(np.mean(rewards)), float(np.mean(lengths))
        if self.verbose > 0:
            print(
                f"Eval num_timesteps={self.num_timesteps}, "
                f"episode_reward={self.last_mean_reward:.2f} +/- {np.std(rewards):.2f}\n"
                f"Episode length: {mean_length:.2f} +/- {np.std(lengths):.2f}"
            )
        writer = (self.locals or {}).get("writer")
        if isinstance(writer, EventWriter):
            values = {"eval/mean_reward": self.last_mean_reward, "eval/mean_ep_length": mean_length}
            writer.scalars(values, self.num_timesteps)


class StopTrainingOnRewardThreshold(BaseCallback):
    """Stops the training once the best mean return of an evaluation reaches a threshold.

    To be used as ``EvalCallback(..., callback_on_new_best=StopTrainingOnRewardThreshold(...))``.

    Args:
        reward_threshold: the mean return that is enough.
        verbose: 0 prints nothing.
    """

    def __init__(self, reward_threshold: float, verbose: int = 0) -> None:
        super().__init__(verbose=verbose)
        self.reward_threshold = reward_threshold

    def _init_callback(self) -> None:
        if not hasattr(self.parent, "best_mean_reward"):
            raise ValueError("StopTrainingOnRewardThreshold only works as callback_on_new_best of an EvalCallback")

    def _on_step(self) -> bool:
        best = self.parent.best_mean_reward
        if best < self.reward_threshold:
            return True
        if self.verbose > 0:
            print(f"Stopping: the mean reward {best:.2f} has reached the threshold {self.reward_threshold}")
        return False


class EveryNTimesteps(EventCallback):
    """Calls another callback every ``n_steps`` steps, counted over all environments.

    Args:
        n_steps: least number of steps between two calls.
        callback: the other callback.
    """

    def __init__(self, n_steps: int, callback: BaseCallback) -> None:
        super().__init__(callback)
        check_usual("n_steps", n_steps, 1)
        self.n_steps = n_steps
        self.last_time_trigger = 0

    def _on_step(self) -> bool:
        if self.num_timesteps < self.last_time_trigger:  # another learn() began to count anew
            self.last_time_trigger = 0
        if self.num_timesteps - self.last_time_trigger < self.n_steps:
            return True
        self.last_time_trigger = self.num_timesteps
        return self._on_event()


class ProgressBarCallback(BaseCallback):
    """Shows the steps of all environments, out of ``total_timesteps``, as a progress bar in a terminal or notebook.

    Raises:
        ImportError: tqdm is missing; the extra ``progress`` brings it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tqdm = require("tqdm.auto", "progress").tqdm
        self.bar: Any = None

    def _on_training_start(self) -> None:
        self._on_training_end()  # a training that broke off has left its bar
        self._start = self.model.num_timesteps  # not 0 where training goes on
        self.bar = self._tqdm(total=self.locals.get("total_timesteps"), unit="step", unit_scale=True)

    def _on_step(self) -> bool:
        self.bar.update(self.num_timesteps - self._start - self.bar.n)
        return True

    def _on_training_end(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _positive(name: str, value: Any) -> Any:
    if not value > 0:
        raise ValueError(f"{name} must be positive, not {value!r}")
    return value


def _path(name: str, value: object) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {value!r}")
    return os.fspath(value)
