"""A guard that reports where NaN and infinity come from."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stable_baselines_tf2.common.vec_env.base_vec_env import StepResult, VecEnv, VecEnvWrapper


class VecCheckNan(VecEnvWrapper):
    """Watches actions, observations and rewards for NaN and infinity, and names the environments concerned.

    Args:
        venv: the environments to watch.
        raise_exception: raise ``ValueError`` instead of warning.
        warn_once: warn about the first finding only.
        check_inf: look for infinity too.
    """

    def __init__(self, venv: VecEnv, raise_exception: bool = False, warn_once: bool = True, check_inf: bool = True):
        super().__init__(venv)
        self.raise_exception = raise_exception
        self.warn_once = warn_once
        self.check_inf = check_inf
        self._actions: Any = None
        self._observations: Any = None
        self._user_warned = False

    def step_async(self, actions: ArrayLike) -> None:
        self._check("the model", f"its last observations were\n{self._observations}", actions=actions)
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> StepResult:
        observations, rewards, dones, infos = self.venv.step_wait()
        context = f"its last actions were\n{self._actions}"
        self._check("the environment", context, observations=observations, rewards=rewards)
        self._observations = observations
        return observations, rewards, dones, infos

    def reset(self) -> Any:
        observations = self.venv.reset()
        self._actions = None
        self._check("the environment", "it was just reset", observations=observations)
        self._observations = observations
        return observations

    def _check(self, origin: str, context: str, **values: Any) -> None:
        if self._user_warned and self.warn_once and not self.raise_exception:
            return
        found = [finding for name, value in values.items() for finding in self._findings(name, value)]
        if not found:
            return
        self._user_warned = True
        message = f"{', '.join(found)}. It came from {origin}; {context}"
        if self.raise_exception:
            raise ValueError(message)
        warnings.warn(message, UserWarning, stacklevel=4)

    def _findings(self, name: str, value: object) -> list[str]:
        """Says which environments hold NaN or infinity in a value, an array or a dict or tuple of arrays."""
        if isinstance(value, dict):
            return [finding for key, part in value.items() for finding in self._findings(f"{name}[{key!r}]", part)]
        if isinstance(value, tuple) and any(np.ndim(part) for part in value):
            return [finding for key, part in enumerate(value) for finding in self._findings(f"{name}[{key}]", part)]
        value = np.asarray(value)
        if value.dtype.kind not in "fc" or np.isfinite(value.sum()):  # a sum shows every NaN and infinity
            return []
        tests = [("nan", np.isnan)] + ([("inf", np.isinf)] if self.check_inf else [])
        findings = []
        for label, test in tests:
            bad = np.flatnonzero(test(value).reshape(len(value), -1).any(axis=1))
            if len(bad):
                findings.append(f"found {label} in {name} of environment {', '.join(map(str, bad))}")
        return findings
