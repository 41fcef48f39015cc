"""Layers and variables by their legacy names.

A network function asks for its layers by name (``linear(x, "pi_fc0", 64)``). The network that is being called creates
each of them at the first request and hands the same one out afterwards, so that one function body serves building,
training and inference, and every variable is called as it always was: ``model/pi_fc0/w:0``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import keras
import tensorflow as tf

from stable_baselines_tf2.core.graph_layers import GraphLayer, in_graph

LayerT = TypeVar("LayerT", bound=keras.layers.Layer)


class _Stack(threading.local):
    """The networks that are being called in this thread, innermost last, each with its open variable scopes."""

    def __init__(self) -> None:
        self.networks: list[tuple[NamedLayers, list[str]]] = []


_stack = _Stack()


class NamedLayers:
    """The layers of one network, by path (``"pi/fc0"``), in the order of their creation."""

    def __init__(self, owner: keras.Model) -> None:
        self._owner = owner
        self.layers: dict[str, keras.layers.Layer] = {}
        owner.named_layers = self.layers  # a dict attribute of a Keras model: its layers are tracked

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Within this block, `named_layer` creates and finds layers of this network."""
        _stack.networks.append((self, []))
        try:
            yield
        finally:
            _stack.networks.pop()


def named_layer(name: str, create: Callable[[], LayerT], kind: str = "") -> LayerT:
    """The layer of the network being called that has this name; created if it is asked for the first time.

    Args:
        name: its name within the open variable scopes.
        create: makes it.
        kind: distinguishes layers of one name whose variables have different names (``fc1/w``, ``fc1/kernel``).

    Raises:
        RuntimeError: no network is being called.
    """
    if in_graph():
        return cast(LayerT, GraphLayer(create()))
    if not _stack.networks:
        raise RuntimeError(f"layer {name!r} was asked for outside of a policy's network function")
    network, scopes = _stack.networks[-1]
    path = "/".join([*scopes, name, *kind.split()])
    layer = network._owner.named_layers.get(path)
    if layer is None:
        layer = create()
        network._owner.named_layers[path] = layer
    return layer


@contextlib.contextmanager
def variable_scope(name: str) -> Iterator[None]:
    """Puts ``name/`` before the names of all layers asked for within the block."""
    if in_graph():
        with tf.compat.v1.variable_scope(name):
            yield
        return
    if not _stack.networks:
        raise RuntimeError(f"variable scope {name!r} was opened outside of a policy's network function")
    scopes = _stack.networks[-1][1]
    scopes.append(name)
    try:
        with keras.name_scope(name):
            yield
    finally:
        scopes.pop()


def legacy_name(variable: Any) -> str:
    """Name of a variable in parameter dictionaries and files: its path and TensorFlow 1's output number."""
    path = getattr(variable, "path", None)
    return f"{path}:0" if path else str(variable.name)  # a graph's variable has the name already
