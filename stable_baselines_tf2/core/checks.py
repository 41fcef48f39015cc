"""Checks of what users give: numbers, choices, layer sizes; and of what training makes of it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np


def check_number(name: str, value: object, low: float, high: float = np.inf, *, integer: bool = False) -> None:
    """Checks a hyperparameter.

    Raises:
        ValueError: ``value`` is not a number (``integer``: no integer) from ``low`` to ``high``.
    """
    kinds = (int, np.integer) if integer else (int, float, np.number)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "an integer" if integer else "a number"
        limits = f"of at least {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
        raise ValueError(f"{name} must be {kind} {limits}, not {value!r}")


def check_usual(name: str, value: object, low: float, high: float = np.inf) -> None:
    """Checks a hyperparameter that works, if not well, outside of its usual range: a warning says so there.

    Raises:
        ValueError: ``value`` is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or np.isnan(value):
        raise ValueError(f"{name} must be a number, not {value!r}")
    if not low <= value <= high:
        usual = f"at least {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
        warn_caller(f"{name}={value!r} is unusual: it is {usual}, as a rule")


def take_whole(owner: object, name: str, low: float, high: float = np.inf) -> None:
    """Checks a hyperparameter that counts something; a whole number that is a float becomes an integer, with a warning.

    Raises:
        ValueError: it is not a whole number from ``low`` to ``high``.
    """
    value = getattr(owner, name)
    if isinstance(value, float | np.floating) and value == np.floor(value) and np.isfinite(value):
        warn_caller(f"{name}={value!r} is taken for the integer {int(value)}")
        setattr(owner, name, int(value))
    check_number(name, getattr(owner, name), low, high, integer=True)


def warn_caller(message: str) -> None:
    """Warns of something that the program goes on with, at the line of the program that is responsible."""
    level = 2
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __name__.partition(".")[0]:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=max(level - 1, 2))


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Checks a hyperparameter that names one of a few things.

    Raises:
        ValueError: ``value`` is none of them.
    """
    if value not in list(choices):
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def require_finite(statistics: Mapping[str, Any], update: str) -> None:
    """Stops training that has gone wrong, before it spoils the weights.

    Raises:
        FloatingPointError: a statistic is NaN or infinite; the message names the update and the statistic.
    """
    for name, value in statistics.items():
        if not np.isfinite(value).all():
            found = np.ravel(value)[~np.isfinite(np.ravel(value))][0]
            raise FloatingPointError(
                f"{name} is {found} in {update}: training was stopped before the weights changed. Look for NaN or huge "
                "values in observations and rewards (VecCheckNan names the environment), or lower the learning rate"
            )


def layer_size(argument: str, size: object) -> int:
    """Checks one of the layer sizes in an argument.

    Raises:
        ValueError: it is not a positive integer.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"{argument}: a layer size must be a positive integer, not {size!r}")
    return int(size)


def check_extraction(feature_extraction: str, kwargs: dict[str, Any]) -> None:
    """Raises ValueError for an unknown kind of network, or arguments that only networks of images have."""
    if feature_extraction not in ("cnn", "mlp"):
        raise ValueError(f"feature_extraction must be 'cnn' or 'mlp', not {feature_extraction!r}")
    if feature_extraction == "mlp" and kwargs:
        raise ValueError(f"unknown keyword arguments for an MLP policy: {sorted(kwargs)}")
