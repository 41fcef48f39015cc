"""Runners of the original's form, over the collector of rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stable_baselines_tf2.common.runners import AbstractEnvRunner
from stable_baselines_tf2.common.vec_env import VecEnv

_OF_COLLECTOR = ("env", "n_steps", "obs", "states", "dones", "continue_training")


class Runner(AbstractEnvRunner):
    """What ``model.runner`` is: `run` collects a rollout and returns it as a tuple, as the original's runner did.

    Besides what is listed here it has the attributes of its model, such as ``gamma`` and ``n_envs``.

    Args:
        env: a vectorized environment.
        model: an on-policy model.
        n_steps: steps of each environment.
        hyperparameters: ignored; those of the model count.
    """

    def __init__(self, *, env: VecEnv, model: Any, n_steps: int, **hyperparameters: float) -> None:
        self.model, self.callback = model, None
        self._own = model.make_collector()
        self._own.env, self._own.n_steps = env, n_steps

    @classmethod
    def of_collector(cls, model: Any) -> Runner:
        """The runner of a model, which shares the model's collector."""
        runner = cls.__new__(cls)
        runner.model, runner.callback, runner._own = model, None, None
        return runner

    @property
    def collector(self) -> Any:
        """What collects."""
        return self.model.collector if self._own is None else self._own

    @property
    def batch_ob_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Shape of the observations of a rollout, [N·T, …]."""
        return (self.env.num_envs * self.n_steps, *(self.env.observation_space.shape or ()))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("model", "_own"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.collector if name in _OF_COLLECTOR else self.model, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OF_COLLECTOR:
            setattr(self.collector, name, value)
        else:
            object.__setattr__(self, name, value)

    def _run(self) -> tuple[Any, ...]:
        model = self.model
        names = model.loop_names(model, {"self": model})

        def on_step(get_step: Callable[[], dict[str, Any]]) -> bool:
            model.num_timesteps += self.n_envs
            if self.callback is None:
                return True
            names.at_step(get_step)
            self.callback.update_locals(names.locals)
            return self.callback.on_step() is not False

        return names.as_returned(self.collector.run(on_step))


class A2CRunner(Runner):
    """The runner of A2C and ACKTR."""
