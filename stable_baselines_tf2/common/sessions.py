"""Sessions, functions and variables of TensorFlow 1's graphs; `common.tf_util` has them under their older address."""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.graph_layers import GraphNeeded, LegacyGraph, in_graph, library_shapes
from stable_baselines_tf2.core.types import Tensor

v1 = tf.compat.v1
Session: TypeAlias = tf.compat.v1.Session
ALREADY_INITIALIZED: set[Any] = set()  # variables that `initialize` has seen


def make_session(num_cpu: int | None = None, make_default: bool = False, graph: tf.Graph | None = None) -> Any:
    """A session of TensorFlow 1.

    Args:
        num_cpu: number of threads; the environment variable ``RCALL_NUM_CPU``, or all cores, if None.
        make_default: an ``InteractiveSession``, which is the default session from now on.
        graph: its graph; the default one if None.
    """
    threads = num_cpu if num_cpu is not None else int(os.getenv("RCALL_NUM_CPU", str(multiprocessing.cpu_count())))
    config = v1.ConfigProto(
        allow_soft_placement=True, inter_op_parallelism_threads=threads, intra_op_parallelism_threads=threads
    )
    config.gpu_options.allow_growth = True
    return (v1.InteractiveSession if make_default else v1.Session)(config=config, graph=graph)


def single_threaded_session(make_default: bool = False, graph: tf.Graph | None = None) -> Any:
    """A session of one thread; see `make_session`."""
    return make_session(1, make_default, graph)


def in_session(func: Callable[..., Any]) -> Callable[..., None]:
    """Makes a function run in a graph and session of its own, which are the default ones meanwhile."""

    @functools.wraps(func)
    def wrapped(*args: object, **kwargs: object) -> None:
        with LegacyGraph().as_default(), v1.Session():
            func(*args, **kwargs)

    return wrapped


def _default_session(sess: Session | None) -> Any:
    session = sess if sess is not None else v1.get_default_session()
    if session is None:
        raise ValueError("sess: there is no default session; pass one, or use `with session.as_default():`")
    return session


def initialize(sess: Session | None = None) -> None:
    """Gives initial values to all variables of the default graph that have not been given any by this function.

    Args:
        sess: a session; the default one if None.

    Raises:
        ValueError: there is none.
    """
    session = _default_session(sess)
    new = [v for v in session.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES) if v.ref() not in ALREADY_INITIALIZED]
    with session.graph.as_default():
        session.run(v1.variables_initializer(new))
    ALREADY_INITIALIZED.update(v.ref() for v in new)


def function(
    inputs: Sequence[Any], outputs: Any, updates: Sequence[Any] | None = None, givens: Mapping[Any, Any] | None = None
) -> Callable[..., Any]:
    """A Python function that runs tensors of a graph.

    Args:
        inputs: placeholders (or objects with a ``make_feed_dict``), in the order of the function's arguments; they may
            also be given by name.
        outputs: a tensor, or a list or dictionary of them.
        updates: operations to run with each call.
        givens: values of placeholders that a call does not give.

    Returns:
        A function whose results have the structure of ``outputs``; ``sess`` is the session to run in.
    """
    names = {tensor.op.name.rpartition("/")[2]: tensor for tensor in inputs if isinstance(tensor, tf.Tensor)}
    update = tf.group(*updates) if updates else None

    def run(*arguments: object, sess: Session | None = None, **named: object) -> Any:
        if len(arguments) > len(inputs):
            raise ValueError(f"the function takes {len(inputs)} arguments, {len(arguments)} were given")
        unknown = [name for name in named if name not in names]
        if unknown:
            raise TypeError(f"the function has no arguments {', '.join(unknown)}; it has {', '.join(names)}")
        feed: dict[Any, Any] = dict(givens or {})
        for tensor, value in zip(inputs, arguments, strict=False):
            feed.update(tensor.make_feed_dict(value) if hasattr(tensor, "make_feed_dict") else {tensor: value})
        feed.update((names[name], value) for name, value in named.items())
        wanted = outputs if update is None else [outputs, update]
        result = _default_session(sess).run(wanted, feed)
        return result if update is None else result[0]

    return run


def flatgrad(loss: Tensor, var_list: Sequence[tf.Variable], clip_norm: float | None = None) -> Tensor:
    """The gradient of a loss with respect to variables of a graph, as one vector [n].

    Args:
        loss: a scalar.
        var_list: the variables; those without influence contribute zeros.
        clip_norm: largest norm of the part of each variable; no limit if None.
    """
    with library_shapes():
        gradients = tf.gradients(loss, var_list)
        if clip_norm is not None:
            gradients = [None if g is None else tf.clip_by_norm(g, clip_norm) for g in gradients]
        pairs = zip(var_list, gradients, strict=True)
        return tf.concat([tf.reshape(tf.zeros(v.shape) if g is None else g, [-1]) for v, g in pairs], axis=0)


class SetFromFlat:
    """Assigns variables of a graph from one vector.

    Args:
        var_list: the variables.
        dtype: type of the vector.
        sess: a session; the default one of the call if None.
    """

    def __init__(
        self, var_list: Sequence[tf.Variable], dtype: tf.DType = tf.float32, sess: Session | None = None
    ) -> None:
        sizes = [math.prod(variable.shape.as_list()) for variable in var_list]
        self._sess = sess
        with var_list[0].graph.as_default():
            self._theta = v1.placeholder(dtype, [sum(sizes)])
            pairs = zip(var_list, tf.split(self._theta, sizes), strict=True)
            self._assign = tf.group(*[v1.assign(v, tf.reshape(part, v.shape.as_list())) for v, part in pairs])

    def __call__(self, theta: np.ndarray) -> None:
        """Assigns the numbers of a vector [n]."""
        _default_session(self._sess).run(self._assign, {self._theta: theta})


class GetFlat:
    """Gives variables of a graph as one vector.

    Args:
        var_list: the variables.
        sess: a session; the default one of the call if None.
    """

    def __init__(self, var_list: Sequence[tf.Variable], sess: Session | None = None) -> None:
        self._sess = sess
        with var_list[0].graph.as_default():
            self._flat = tf.concat([tf.reshape(variable, [-1]) for variable in var_list], axis=0)

    def __call__(self) -> np.ndarray:
        """The numbers, [n]."""
        vector: np.ndarray = _default_session(self._sess).run(self._flat)
        return vector


def get_trainable_vars(name: str) -> list[Any]:
    """Trainable variables of the default graph whose names begin with ``name``."""
    return _variables(v1.GraphKeys.TRAINABLE_VARIABLES, name)


def get_globals_vars(name: str) -> list[Any]:
    """Variables of the default graph whose names begin with ``name``."""
    return _variables(v1.GraphKeys.GLOBAL_VARIABLES, name)


def _variables(collection: str, name: str) -> list[Any]:
    if not in_graph():
        raise GraphNeeded("variables are listed of the default graph: use `with graph.as_default():`")
    return v1.get_collection(collection, scope=name)


def is_image(tensor: Tensor | np.ndarray) -> bool:
    """Whether the shape is that of an image: three axes, the last of 1, 3 or 4 channels."""
    return len(tensor.shape) == 3 and tensor.shape[-1] in (1, 3, 4)
