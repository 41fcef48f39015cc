"""Being in a graph of TensorFlow 1: how to tell, and this library's layers there."""

from __future__ import annotations

import contextlib
import functools
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor

v1 = tf.compat.v1


class GraphNeeded(RuntimeError):
    """Something was asked for that exists in a graph of TensorFlow 1 only, outside of one."""


def in_graph() -> bool:
    """Whether operations are added to a graph of TensorFlow 1 (rather than run, or traced into a function)."""
    return not tf.executing_eagerly() and not v1.get_default_graph().building_function


class _Calls(threading.local):
    depth = 0  # calls of this library that are in progress in this thread


_calls = _Calls()


def outside_of_graphs(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function run outside of the graph that a program may have made the default one."""

    @functools.wraps(function)
    def outside(*arguments: object, **kwargs: object) -> Any:
        _calls.depth += 1
        try:
            if not in_graph():
                return function(*arguments, **kwargs)
            with eagerly():
                return function(*arguments, **kwargs)
        finally:
            _calls.depth -= 1

    return outside


def enter_default_graph() -> None:
    """Makes a graph the default one for good, as there always was one in TensorFlow 1.

    Raises:
        GraphNeeded: not now: a function of this library is being called.
    """
    if _calls.depth:
        raise GraphNeeded(
            "this makes part of a graph of TensorFlow 1: do it in the constructor of a policy, or within "
            "`with model.graph.as_default():`"
        )
    _default.enter_context(LegacyGraph().as_default())


_default = contextlib.ExitStack()


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Within this block operations run at once, even if it is inside of a graph's or a function's."""
    # Gradient tapes do not record within init_scope(), which only a function that is being traced needs.
    tracing = not tf.executing_eagerly() and v1.get_default_graph().building_function
    outside = tf.init_scope() if tracing else contextlib.nullcontext()
    with outside, tf.__internal__.eager_context.eager_mode(), library_shapes():
        yield


@contextlib.contextmanager
def _static_shapes(version: int) -> Iterator[None]:
    """Within this block shapes are made of numbers (version 2) or of objects with a ``value`` (version 1)."""
    was_2 = isinstance(tf.TensorShape([1])[0], int)
    switch = (v1.disable_v2_tensorshape, v1.enable_v2_tensorshape)
    switch[version - 1]()
    try:
        yield
    finally:
        switch[int(was_2)]()


def library_shapes() -> contextlib.AbstractContextManager[None]:
    """Within this block shapes are made of numbers, as this library takes them; for what graph code calls."""
    return _static_shapes(2)


class LegacyGraph(tf.Graph):
    """A graph whose code finds TensorFlow 1's defaults.

    Variables are tensors, shapes are made of ``Dimension``, and a random operation without a seed of its own takes the
    number of operations before it: with the graph's seed, initial weights are those that they always were.
    """

    def __init__(self) -> None:
        super().__init__()
        self._n_operations = self._n_seeds = 0

    def _create_op_internal(self, op_type: str, *arguments: Any, **kwargs: Any) -> Any:
        attributes = kwargs.get("attrs")
        if attributes and "seed2" in attributes and attributes["seed2"].i == self._n_seeds and self.seed is not None:
            self._n_seeds += 1  # what TensorFlow 2 counts
            attributes["seed2"].i = self._n_operations
        made = super()._create_op_internal(op_type, *arguments, **kwargs)
        self._n_operations += 1
        return made

    @contextlib.contextmanager
    def as_default(self) -> Iterator[LegacyGraph]:
        """Within this block, operations are added to this graph."""
        with super().as_default(), _static_shapes(1):
            v1.get_variable_scope().set_use_resource(False)
            yield self


class GraphLayer:
    """A layer of this library in a graph: its own ``build`` and ``call``, with the graph's variables.

    Args:
        layer: the layer, not built.
    """

    def __init__(self, layer: keras.layers.Layer) -> None:
        self._layer = layer

    def __getattr__(self, name: str) -> Any:
        member = getattr(type(self._layer), name, None)
        if (
            isinstance(member, property)
            and member.fget is not None
            and type(self._layer).__module__ == member.fget.__module__
        ):
            return member.fget(self)
        if isinstance(member, types.FunctionType):
            return member.__get__(self)
        return getattr(self._layer, name)

    def add_weight(self, shape: Sequence[int], initializer: object, name: str) -> Any:
        """A variable of the graph: that of this name, where there is one."""

        def initial(shape: Sequence[int], dtype: object = None, partition_info: object = None) -> np.ndarray:
            with eagerly():
                return np.asarray(keras.initializers.get(initializer)(tuple(int(n) for n in shape), dtype="float32"))

        return v1.get_variable(name, [int(n) for n in shape], tf.float32, initializer=initial)

    def __call__(self, *inputs: Tensor) -> Any:
        """What the layer computes."""
        with library_shapes(), v1.variable_scope(self._layer.name):
            type(self._layer).build(self, inputs[0].shape)
            return type(self._layer).call(self, *inputs)
