"""What goes into and comes out of the layers of a network, for optimizers that need to know.

Layers report every use of their weights with `report`, which does nothing unless `listen` is active.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor


@dataclasses.dataclass
class Use:
    """How a network uses a weight variable. Tensors are [B, …], one for each time that it is used."""

    weights: Any  # the Keras variable: a matrix or convolution kernel, or a vector that is applied to every row
    bias: Any  # a variable that is added to the product and belongs to it, or None
    inputs: list[Tensor]  # what the weights are multiplied with, [B, …, m]; none for a vector
    outputs: list[Tensor]  # the products, or the vector's broadcast copies, [B, …, n]


class _Listeners(threading.local):
    def __init__(self) -> None:
        self.stack: list[dict[int, Use]] = []


_listeners = _Listeners()


@contextlib.contextmanager
def listen() -> Iterator[dict[int, Use]]:
    """Within this block the layers that are called report here: uses by the ``id`` of the variable, in order."""
    uses: dict[int, Use] = {}
    _listeners.stack.append(uses)
    try:
        yield uses
    finally:
        _listeners.stack.pop()


def listening() -> bool:
    """Whether `listen` is active, so that what only `report` needs has to be computed."""
    return bool(_listeners.stack)


def report(weights: object, outputs: Tensor, inputs: Tensor = None, bias: Tensor = None) -> None:
    """Tells of one use of weights.

    Args:
        weights: the Keras variable.
        outputs: a tensor whose gradient is that of the product, [B, …, n]; for a vector, of its copy in every row.
        inputs: what is multiplied with the weights, [B, …, m] (patches of images for a convolution); None for a vector.
        bias: the variable that is added to the product, where the two are to be treated as one matrix.
    """
    if _listeners.stack:
        use = _listeners.stack[-1].setdefault(id(weights), Use(weights, bias, [], []))
        use.outputs.append(outputs)
        if inputs is not None:
            use.inputs.append(inputs)


def copies(weights: object, like: Tensor) -> Any:
    """A vector to apply to every row of a tensor: if `listen` is active, as copies for each row, which are reported."""
    if not listening():
        return weights
    rows = tf.broadcast_to(tf.convert_to_tensor(weights), tf.shape(like))
    report(weights, rows)
    return rows
