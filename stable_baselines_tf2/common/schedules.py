"""Values that change during training.

Three kinds, by what they are asked with:

- functions of the *remaining progress*, 1 at the start of training and 0 at its end: learning rates and clip ranges
  (`get_schedule_fn`, `LinearFunction`);
- a `Schedule`, asked with the time step: exploration and the exponent of prioritized replay;
- a `Scheduler`, asked with a count, with a curve out of `SCHEDULES`: learning rates of A2C, ACER and ACKTR.
"""

from __future__ import annotations

import dataclasses
import itertools
import numbers
from collections.abc import Callable, Sequence
from typing import Any

from stable_baselines_tf2.core.arithmetic import ArithmeticFunction


@dataclasses.dataclass(frozen=True)
class ConstantFunction:
    """A function of the remaining progress that always returns ``value``."""

    value: float

    def __call__(self, progress: float) -> float:
        return self.value


@dataclasses.dataclass(frozen=True)
class LinearFunction:
    """A function of the remaining progress that moves evenly from ``initial`` to ``final``.

    ``PPO2(..., learning_rate=LinearFunction(2.5e-4))`` lowers the learning rate to zero over a call of ``learn()``.
    """

    initial: float
    final: float = 0.0

    def __call__(self, progress: float) -> float:
        return self.final + progress * (self.initial - self.final)


def constfn(val: float) -> ConstantFunction:
    """A function of one argument that always returns ``val``."""
    return ConstantFunction(val)


def get_schedule_fn(value_schedule: float | Callable[[float], float]) -> Callable[[float], float]:
    """The function itself, or for a number the function that always returns it.

    Raises:
        TypeError: ``value_schedule`` is neither.
    """
    if isinstance(value_schedule, numbers.Real) and not isinstance(value_schedule, bool):
        return ConstantFunction(float(value_schedule))
    if callable(value_schedule):
        return value_schedule
    raise TypeError(f"value_schedule must be a number or a function of the remaining progress, got {value_schedule!r}")


# By the type that is written to files.
_DESCRIBED: dict[str, Any] = {"constant": ConstantFunction, "linear": LinearFunction}
_ARITHMETIC = "arithmetic"


def schedule_to_dict(schedule: Any) -> dict[str, Any] | None:
    """Describes a schedule function with JSON types; None when it is not one of this module's."""
    for name, cls in _DESCRIBED.items():
        if type(schedule) is cls:
            return {"type": name, **{key: float(value) for key, value in dataclasses.asdict(schedule).items()}}
    if isinstance(schedule, ArithmeticFunction):
        return {"type": _ARITHMETIC, "steps": [list(step) for step in schedule.steps]}
    return None


def schedule_from_dict(description: dict[str, Any]) -> ConstantFunction | LinearFunction | ArithmeticFunction:
    """Builds the schedule function that `schedule_to_dict` described.

    Raises:
        ValueError: the type is unknown, or numbers are missing or too many.
    """
    arguments = dict(description)
    name = arguments.pop("type", None)
    if name == _ARITHMETIC:
        return ArithmeticFunction(tuple(tuple(step) for step in arguments["steps"]))
    if name not in _DESCRIBED:
        raise ValueError(f"unknown type of schedule {name!r}, known are {sorted((*_DESCRIBED, _ARITHMETIC))}")
    try:
        return _DESCRIBED[name](**{key: float(value) for key, value in arguments.items()})
    except TypeError as error:
        raise ValueError(f"no valid description of a {name} schedule: {description!r}") from error


class Schedule:
    """A value that depends on the time step."""

    def value(self, step: float) -> float:
        """The value at a time step."""
        raise NotImplementedError


class ConstantSchedule(Schedule):
    """The same value at every step.

    Args:
        value: that value.
    """

    def __init__(self, value: float):
        self._value = value

    def value(self, step: float) -> float:
        return self._value


def linear_interpolation(left: float, right: float, alpha: float) -> float:
    """``left`` at ``alpha`` 0, ``right`` at ``alpha`` 1, evenly between."""
    return left + alpha * (right - left)


class PiecewiseSchedule(Schedule):
    """Interpolates between given points.

    Args:
        endpoints: pairs of time step and value, in the order of their steps.
        interpolation: function of the values left and right and of the share of the way between them.
        outside_value: value before the first point, at the last one and after it.

    Raises:
        ValueError: the steps are not in order.
    """

    def __init__(
        self,
        endpoints: Sequence[tuple[float, float]],
        interpolation: Callable[[float, float, float], float] = linear_interpolation,
        outside_value: float | None = None,
    ):
        steps = [step for step, _ in endpoints]
        if steps != sorted(steps):
            raise ValueError(f"endpoints must be in the order of their time steps, got the steps {steps}")
        self._endpoints = endpoints
        self._interpolation = interpolation
        self._outside_value = outside_value

    def value(self, step: float) -> float:
        """The value at a time step.

        Raises:
            ValueError: no piece covers the step and there is no ``outside_value``.
        """
        for (left_step, left), (right_step, right) in itertools.pairwise(self._endpoints):
            if left_step <= step < right_step:
                return self._interpolation(left, right, (step - left_step) / (right_step - left_step))
        if self._outside_value is None:
            raise ValueError(f"step {step} is outside of the endpoints, and no outside_value was given")
        return self._outside_value


class LinearSchedule(Schedule):
    """Moves evenly from ``initial_p`` to ``final_p``, and stays there.

    Args:
        schedule_timesteps: number of steps that the way takes; with 0 the value is ``final_p`` from the start.
        final_p: value at the end.
        initial_p: value at step 0.
    """

    def __init__(self, schedule_timesteps: float, final_p: float, initial_p: float = 1.0):
        self.schedule_timesteps = schedule_timesteps
        self.final_p = final_p
        self.initial_p = initial_p

    def value(self, step: float) -> float:
        fraction = min(step / self.schedule_timesteps, 1.0) if self.schedule_timesteps > 0 else 1.0
        return linear_interpolation(self.initial_p, self.final_p, fraction)


def constant(_: float) -> float:
    """1 at any progress."""
    return 1.0


def linear_schedule(progress: float) -> float:
    """From 1 to 0, evenly."""
    return 1 - progress


def middle_drop(progress: float) -> float:
    """Falls evenly for the first quarter, then is 0.075."""
    return 1 - progress if 1 - progress >= 0.75 else 0.075


def double_linear_con(progress: float) -> float:
    """Falls twice as fast as `linear_schedule`, down to 0.125."""
    return max(1 - 2 * progress, 0.125)


def double_middle_drop(progress: float) -> float:
    """Falls evenly for the first quarter, then is 0.075, and 0.125 in the last quarter."""
    if 1 - progress < 0.25:
        return 0.125
    return middle_drop(progress)


# Curves of a `Scheduler`: the factor on the initial value as a function of the progress, from 0 to 1.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": linear_schedule,
    "constant": constant,
    "double_linear_con": double_linear_con,
    "middle_drop": middle_drop,
    "double_middle_drop": double_middle_drop,
}


class Scheduler:
    """Counts its calls and returns a value that follows a curve.

    Args:
        initial_value: what the curve's factor is multiplied with.
        n_values: number of calls in which the curve is run through; with 0 the value stays at the curve's start.
        schedule: name of the curve, one of `SCHEDULES`.

    Raises:
        ValueError: the curve is unknown or ``n_values`` is negative.
    """

    def __init__(self, initial_value: float, n_values: float, schedule: str):
        if schedule not in SCHEDULES:
            raise ValueError(f"unknown schedule {schedule!r}, known are {sorted(SCHEDULES)}")
        if n_values < 0:
            raise ValueError(f"n_values must not be negative, got {n_values}")
        self.step = 0.0
        self.initial_value = initial_value
        self.nvalues = n_values
        self.schedule = SCHEDULES[schedule]

    def value(self) -> float:
        """The value of this call; the next call is one step further."""
        current = self.value_steps(self.step)
        self.step += 1.0
        return current

    def last_value(self, n_calls: int) -> float:
        """The value of the last of a number of calls."""
        self.step += n_calls - 1
        return self.value()

    def value_steps(self, steps: float) -> float:
        """The value after a number of calls."""
        return self.initial_value * self.schedule(steps / self.nvalues if self.nvalues else 0.0)
