"""Activation functions: the TensorFlow function and, where there is one, its NumPy twin for fast acting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

NumpyFunction = Callable[[np.ndarray], np.ndarray]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1.0))


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


NUMPY_ACTIVATIONS: dict[str, NumpyFunction] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "sigmoid": _sigmoid,
    "elu": _elu,
    "leaky_relu": lambda x: np.where(x > 0, x, np.float32(0.2) * x),
    "softplus": lambda x: np.logaddexp(x, np.float32(0)),
    "linear": lambda x: x,
    "identity": lambda x: x,
}


class Activation(NamedTuple):
    """An activation function in both worlds; ``numpy`` is None where only TensorFlow knows it."""

    tensor: Callable[[Any], Any]
    numpy: NumpyFunction | None


def resolve_activation(function: str | Callable[[Any], Any]) -> Activation:
    """Understands ``tf.nn.relu``, a Keras activation, the name of one, or any function of a tensor.

    Raises:
        ValueError: a name that Keras does not know.
        TypeError: neither a name nor callable.
    """
    if isinstance(function, str):
        try:
            function = keras.activations.get(function)
        except ValueError as error:
            raise ValueError(f"act_fun: {function!r} is not an activation function of Keras") from error
    if not callable(function):
        raise TypeError(f"act_fun must be a function of a tensor or the name of a Keras activation, not {function!r}")
    module = getattr(function, "__module__", "") or ""
    known = module.split(".")[0] in ("tensorflow", "keras")
    name = getattr(function, "__name__", "")
    return Activation(function, NUMPY_ACTIVATIONS.get(name) if known else None)
