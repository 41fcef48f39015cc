"""Checks of what users give: numbers, choices, layer sizes; and of what training makes of it."""

from __future__ import annotations

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
