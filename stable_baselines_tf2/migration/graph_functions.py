"""What the names of TensorFlow 1 share: functions that work in graphs only, and one of them that counts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow

from stable_baselines_tf2.core.graph_layers import enter_default_graph, in_graph
from stable_baselines_tf2.core.types import Tensor


def needs_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that works in a graph only: it makes one, or says so while this library is being called."""

    @functools.wraps(function)
    def checked(*arguments: object, **kwargs: object) -> Any:
        if not in_graph():
            enter_default_graph()
        return function(*arguments, **kwargs)

    return checked


def flatten(inputs: Tensor, name: str | None = None, data_format: str | None = None) -> Tensor:
    """All axes but the first in one, [B, n]."""
    old = tensorflow.compat.v1
    inputs = tensorflow.convert_to_tensor(inputs)
    if data_format == "channels_first" and inputs.shape.rank > 2:
        inputs = tensorflow.transpose(inputs, [0, *range(2, inputs.shape.rank), 1])
    with old.name_scope(name, "flatten" if name is None else None):
        n = inputs.shape[1:].num_elements()
        outputs = tensorflow.reshape(inputs, tensorflow.stack([old.shape(inputs)[0], -1]))
        outputs.set_shape([inputs.shape.as_list()[0], n])
    return outputs
