"""Environments stepped at the same time, each in a process of its own."""

from __future__ import annotations

import ast
import atexit
import contextlib
import multiprocessing
import os
import pickle
import sys
import tokenize
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.spawn import import_main_path
from types import ModuleType
from typing import Any, NoReturn

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.vec_env.base_vec_env import (
    AlreadySteppingError,
    CloudpickleWrapper,
    Indices,
    NotSteppingError,
    StepResult,
    VecEnv,
    mark_end,
)
from stable_baselines_tf2.common.vec_env.dummy_vec_env import check_env_fns
from stable_baselines_tf2.common.vec_env.util import stack_obs
from stable_baselines_tf2.envs.gym_compat import ensure_gymnasium, render_env, reset_result, set_attribute, step_result

_PATIENCE = 5.0  # seconds that a worker has to end on its own
worker_setup: list[Callable[[], object]] = []  # what new workers do first; functions that pickle can name


class SubprocVecEnv(VecEnv):
    """Runs each environment in a process of its own.

    For environments whose step costs more than inter-process communication.

    With the start methods ``forkserver`` and ``spawn``, each worker imports the main script if that guards its code by
    ``if __name__ == "__main__":``, as it should: what the script registers and defines is then there in the workers.
    ``fork`` copies the whole process, which is unsafe once TensorFlow runs.

    A worker that fails takes the others down with it; the error holds its traceback. Only a missing attribute
    (`get_attr`, `set_attr`, `env_method`) leaves all of them running.

    Args:
        env_fns: functions that make an environment each.
        start_method: one of ``multiprocessing.get_all_start_methods()``. By default what the environment variable
            ``DEFAULT_START_METHOD`` says, otherwise ``forkserver`` where the system has it and ``spawn`` elsewhere.

    Raises:
        ValueError: there is no function, or no such start method.
        RuntimeError: an environment could not be made.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gymnasium.Env]], start_method: str | None = None):
        self.waiting = False
        self.closed = True  # until there is something to close
        check_env_fns(env_fns)
        known = multiprocessing.get_all_start_methods()
        if start_method is None:
            start_method = os.environ.get("DEFAULT_START_METHOD")
            start_method = start_method or ("forkserver" if "forkserver" in known else "spawn")
        if start_method not in known:
            raise ValueError(f"start_method must be one of {known}, got {start_method!r}")
        context: Any = multiprocessing.get_context(start_method)

        self.remotes: list[Connection] = []
        self.processes: list[Any] = []
        self.closed = False
        # At the end of the program multiprocessing sends signals and waits, but a worker that rendered may ignore them.
        atexit.register(_close, weakref.ref(self))
        for env_fn in env_fns:
            remote, work_remote = context.Pipe()
            # Pickled here, not by Process, so that the worker can report what goes wrong on the other side.
            make = env_fn if start_method == "fork" else pickle.dumps(CloudpickleWrapper(env_fn))
            setup = [] if start_method == "fork" else [*worker_setup, *_import_main()]
            process = context.Process(target=_worker, args=(work_remote, remote, make, setup), daemon=True)
            self.remotes.append(remote)
            self.processes.append(process)
            with _hidden_main():
                process.start()
            work_remote.close()
        everyone = range(len(env_fns))
        spaces = self._collect(everyone)  # each worker greets with them
        super().__init__(len(env_fns), *spaces[0])
        self.metadata = self.get_attr("metadata", 0)[0]

    def step_async(self, actions: Any) -> None:
        if self.waiting:
            raise AlreadySteppingError
        if len(actions) != self.num_envs:
            raise ValueError(f"actions must be {self.num_envs}, one for each environment, got {len(actions)}")
        for index, action in enumerate(actions):
            self._send(index, "step", action)
        self.waiting = True

    def step_wait(self) -> StepResult:
        if not self.waiting:
            raise NotSteppingError
        self.waiting = False
        observations, rewards, dones, infos = zip(*self._collect(range(self.num_envs)), strict=True)
        return stack_obs(observations, self.observation_space), np.stack(rewards), np.stack(dones), list(infos)

    def reset(self) -> Any:
        self._finish_step()
        return stack_obs(self._ask("reset", None), self.observation_space)

    def seed(self, seed: int | None = None) -> list[int | None]:
        seeds = self._seeds(seed)
        for index, value in enumerate(seeds):
            self._send(index, "seed", value)
        self._collect(range(self.num_envs))
        return seeds

    def close(self) -> None:
        if self.closed:
            return
        with contextlib.suppress(RuntimeError):
            self._finish_step()
        self._shut_down()

    def get_images(self) -> Sequence[np.ndarray]:
        return self._ask("render", "rgb_array")

    def render(self, mode: str = "human") -> Any:
        """Renders all environments in one image; a single environment renders itself, in any mode that it has.

        Args:
            mode: ``"human"``, ``"rgb_array"``, or another one of a single environment.

        Returns:
            The image for ``"rgb_array"``, what the environment returns for another mode.
        """
        if self._own_windows(mode):
            return self._ask("render", mode)[0]
        return super().render(mode)

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        return self._ask("get_attr", attr_name, indices)

    def set_attr(self, attr_name: str, value: object, indices: Indices = None) -> None:
        self._ask("set_attr", (attr_name, value), indices)

    def env_method(
        self, method_name: str, *method_args: object, indices: Indices = None, **method_kwargs: object
    ) -> list[Any]:
        return self._ask("env_method", (method_name, method_args, method_kwargs), indices)

    def _ask(self, command: str, data: object, indices: Indices = None) -> list[Any]:
        targets = [range(self.num_envs)[index] for index in self._get_indices(indices)]
        for index in targets:
            self._send(index, command, data)
        return self._collect(targets)

    def _send(self, index: int, command: str, data: object) -> None:
        if self.closed:
            raise RuntimeError("this SubprocVecEnv is closed")
        try:
            self.remotes[index].send((command, data))
        except OSError:  # the worker is gone; what it said last may still be there
            self._collect([index])
            self._fail_for_death(index)

    def _collect(self, indices: Sequence[int]) -> list[Any]:
        """Receives one answer from each worker; all of them are taken before an error is raised, to stay in step."""
        answers, missing = [], None
        for index in indices:
            try:
                outcome, answer = self.remotes[index].recv()
            except (EOFError, OSError):
                self._fail_for_death(index)
            if outcome == "failed":
                self._shut_down()
                raise RuntimeError(f"environment {index} failed, all workers were shut down. Its traceback:\n{answer}")
            if outcome == "missing":
                missing = missing or f"environment {index}: {answer}"
            answers.append(answer)
        if missing:
            raise AttributeError(missing)
        return answers

    def _fail_for_death(self, index: int) -> NoReturn:
        process = self.processes[index]
        process.join(_PATIENCE)
        self._shut_down()
        raise RuntimeError(
            f"the process of environment {index} died with exit code {process.exitcode}, all workers were shut down. "
            "It left no traceback; a negative code is the number of the signal that killed it (9: often lack of memory)"
        )

    def _finish_step(self) -> None:
        if self.waiting:
            self.step_wait()

    def _shut_down(self) -> None:
        self.closed = True
        self.waiting = False
        for remote in self.remotes:
            with contextlib.suppress(OSError):
                remote.send(("close", None))
        for remote, process in zip(self.remotes, self.processes, strict=True):
            if process.pid is not None:
                process.join(_PATIENCE)
                if process.is_alive():
                    process.terminate()
                    process.join()
            remote.close()


def _close(reference: weakref.ref[SubprocVecEnv]) -> None:
    env = reference()
    if env is not None:
        env.close()


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keeps new processes from importing the main script on their own: one without a guard would start over in them."""
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is not None:  # started by python -m: multiprocessing knows best
        yield
        return
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _import_main() -> list[Callable[[], object]]:
    """What lets a worker import the main script, if that has a guard."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is None or getattr(main, "__spec__", None) is not None:
        return []
    try:
        with tokenize.open(path) as file:
            statements = ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError):
        return []
    tests = [node for statement in statements if isinstance(statement, ast.If) for node in ast.walk(statement.test)]
    guarded = any(isinstance(node, ast.Name) and node.id == "__name__" for node in tests)
    return [partial(import_main_path, os.path.abspath(path))] if guarded else []


def _worker(remote: Connection, parent_remote: Connection, make: Any, setup: list[Callable[[], object]]) -> None:
    """Makes an environment and answers commands until it is closed, or the parent process ends.

    Every answer is ``(outcome, value)``: ``"done"`` and the result, ``"missing"`` and the text of an AttributeError, or
    ``"failed"`` and a traceback, which ends the worker.
    """
    parent_remote.close()
    env = None
    try:
        for prepare in setup:
            prepare()
        env = ensure_gymnasium(pickle.loads(make).var() if isinstance(make, bytes) else make())
        remote.send(("done", (env.observation_space, env.action_space)))
        next_seed = None
        while True:
            command, data = remote.recv()
            if command == "step":
                answer = _step(env, data)
            elif command == "reset":
                answer = reset_result(env.reset() if next_seed is None else env.reset(seed=next_seed))[0]
                next_seed = None
            elif command == "seed":
                answer = next_seed = data
            elif command == "render":
                answer = render_env(env, data)
            elif command == "close":
                break
            else:
                try:
                    answer = _access(env, command, data)
                except AttributeError as error:
                    remote.send(("missing", str(error)))
                    continue
            remote.send(("done", answer))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):  # the parent has ended, or closes as well
        pass
    except BaseException:
        with contextlib.suppress(OSError):
            remote.send(("failed", traceback.format_exc()))
    finally:
        if env is not None:
            with contextlib.suppress(Exception):
                env.close()
        remote.close()


def _step(env: gymnasium.Env, action: ArrayLike) -> tuple[Any, Any, bool, dict[str, Any]]:
    """Steps one environment under the rules of `VecEnv`."""
    obs, reward, terminated, truncated, info = step_result(env.step(action))
    done = bool(terminated or truncated)
    if done:
        info = dict(info)
        mark_end(info, deepcopy(obs), terminated, truncated)  # some write the next one into the same array
        obs = reset_result(env.reset())[0]
    return obs, reward, done, info


def _access(env: gymnasium.Env, command: str, data: Any) -> Any:
    if command == "get_attr":
        return env.get_wrapper_attr(data)
    if command == "set_attr":
        set_attribute(env, *data)
        return None
    if command == "env_method":
        name, arguments, keywords = data
        return env.get_wrapper_attr(name)(*arguments, **keywords)
    raise ValueError(f"unknown command {command!r}")
