"""TensorFlow 1 for the programs that were written for it: ``import tensorflow as tf``, as it was.

TensorFlow still has most of it under ``compat.v1``; its layers are in tf-keras, and `contrib` holds what people used of
``tf.contrib``. Where a name has another meaning today, code in a graph gets the old one and any other code the new one.
What makes placeholders, variables or layers works in a graph only: in the constructor of a policy, or within
``with tf.Graph().as_default():``.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import tensorflow

from stable_baselines_tf2.core.graph_layers import LegacyGraph, enter_default_graph, in_graph
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.migration import contrib
from stable_baselines_tf2.migration.graph_functions import flatten, needs_graph

MISSING = object()
Own = dict[str, Callable[[], Any]]
Variables = Sequence[Any] | dict[str, Any] | None
# What makes parts of a graph, by the module that holds it ("" for tf itself).
IN_GRAPHS = {
    "": ("get_variable", "gradients", "make_template", "placeholder", "placeholder_with_default", "sparse_placeholder"),
    "nn": ("bidirectional_dynamic_rnn", "dynamic_rnn", "static_rnn", "raw_rnn"),
}
HARMLESS = ("disable_eager_execution", "disable_v2_behavior", "disable_resource_variables", "disable_v2_tensorshape")
INITIAL_WEIGHTS = {  # of Keras, by name: scale, mode and distribution of the variance scaling
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "truncated_normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "he_normal": (2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "lecun_normal": (1.0, "fan_in", "truncated_normal"),
}


class Face(ModuleType):
    """A module of TensorFlow 1 over the two that it has become.

    Args:
        name: its name below ``tensorflow``, empty for the whole.
        old: the module under ``compat.v1``, or None.
        new: today's module, or None.
        own: attributes that are in neither, or other ones; functions without arguments that give them.
    """

    def __init__(self, name: str, old: ModuleType | None, new: ModuleType | None, own: Own | None = None) -> None:
        super().__init__(f"tensorflow.{name}" if name else "tensorflow", getattr(new or old, "__doc__", None))
        self._name, self._old, self._new, self._own = name, old, new, own or {}
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__version__", "__internal__"):
            raise AttributeError(name)
        value = self.find(name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._own, *dir(self._old), *dir(self._new)})

    def find(self, name: str) -> Any:
        """The attribute of that name.

        Raises:
            AttributeError: there is none.
        """
        if name in self._own:
            return self._own[name]()
        old, new = _attribute(self._old, name), _attribute(self._new, name)
        if old is MISSING and new is MISSING:
            full = f"{self.__name__}.{name}"
            raise AttributeError(f"{full} is unknown to TensorFlow {tensorflow.__version__} and to this library")
        if name in IN_GRAPHS.get(self._name, ()):
            return needs_graph(old)
        if isinstance(old, ModuleType) or isinstance(new, ModuleType):
            inner = f"{self._name}.{name}" if self._name else name
            return Face(inner, None if old is MISSING else old, None if new is MISSING else new, INNER.get(inner))
        if new is MISSING or old is new or inspect.isclass(old) or not callable(old):
            return new if old is MISSING else old
        return new if old is MISSING else _either(old, new)


def _attribute(module: ModuleType | None, name: str) -> Any:
    if module is tensorflow:  # where `tensorflow_names` leads here what is missing
        return vars(module).get(name, MISSING)
    try:
        return getattr(module, name, MISSING)
    except ImportError:  # an attribute that is loaded when it is asked for, and cannot be
        return MISSING


def _either(old: Callable[..., Any], new: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(old)
    def function(*arguments: object, **kwargs: object) -> Any:
        return (old if in_graph() else new)(*arguments, **kwargs)

    return function


class variable_scope(tensorflow.compat.v1.variable_scope):
    """See ``tf.compat.v1.variable_scope``."""

    def __init__(self, *arguments: object, **kwargs: object) -> None:
        if not in_graph():
            enter_default_graph()
        super().__init__(*arguments, **kwargs)


def _assign(name: str) -> Callable[..., Any]:
    function = getattr(tensorflow.compat.v1, name)

    @functools.wraps(function)
    def assign(ref: tensorflow.Variable, *arguments: object, **kwargs: object) -> Any:
        with contextlib.nullcontext() if in_graph() else ref.graph.as_default():
            return function(ref, *arguments, **kwargs)

    return assign


class Saver(tensorflow.compat.v1.train.Saver):
    """See ``tf.compat.v1.train.Saver``; works outside of its variables' graph too."""

    def __init__(
        self, var_list: Sequence[Any] | dict[str, Any] | None = None, *arguments: object, **kwargs: object
    ) -> None:
        with _graph_of(var_list):
            super().__init__(var_list, *arguments, **kwargs)

    def save(self, sess: tensorflow.compat.v1.Session, *arguments: object, **kwargs: object) -> Any:
        """Writes the variables to files; the path of these."""
        with sess.graph.as_default():
            return super().save(sess, *arguments, **kwargs)

    def restore(self, sess: tensorflow.compat.v1.Session, save_path: str) -> None:
        """Reads the variables from files."""
        with sess.graph.as_default():
            super().restore(sess, save_path)


def _graph_of(variables: Variables) -> contextlib.AbstractContextManager[Any]:
    variables = list(variables.values()) if isinstance(variables, dict) else variables
    return variables[0].graph.as_default() if variables else contextlib.nullcontext()


def _layers() -> Any:
    from tf_keras.api._v1.keras.__internal__.legacy import layers

    def member(name: str) -> Any:
        found = _with_old_initializer(getattr(layers, name))
        if name in ("conv1d", "conv2d", "conv3d"):
            found = _counted(found)
        return needs_graph(found) if name.islower() else found

    names = [name for name in dir(layers) if callable(getattr(layers, name)) and name != "flatten"]
    return Face(
        "layers",
        layers,
        None,
        {"flatten": lambda: needs_graph(flatten)} | {name: functools.partial(member, name) for name in names},
    )


def _counted(convolution: Callable[..., Any]) -> Callable[..., Any]:
    """A convolution of as many operations as it once had: initial weights after it depend on their number."""

    @functools.wraps(convolution)
    def counted(*arguments: object, **kwargs: object) -> Any:
        outputs = convolution(*arguments, **kwargs)
        tensorflow.constant(kwargs.get("dilation_rate", 1), name="dilation_rate")
        return outputs

    return counted


def _with_old_initializer(layer: Callable[..., Any]) -> Any:
    """A layer, or function that makes one, whose initial weights are those that a variable had by default."""
    default = tensorflow.compat.v1.glorot_uniform_initializer
    names = [
        n for n, p in inspect.signature(layer).parameters.items() if n.endswith("kernel_initializer") and not p.default
    ]
    if not names:
        return layer
    if not inspect.isclass(layer):
        return _filling_in(layer, names, default)

    class Layer(layer):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: object, **kwargs: object) -> None:
            _filling_in(super().__init__, names, default)(*arguments, **kwargs)

    Layer.__name__ = Layer.__qualname__ = layer.__name__
    return Layer


def _filling_in(function: Callable[..., Any], names: Sequence[str], default: Callable[[], Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def filled(*arguments: object, **kwargs: object) -> Any:
        bound = signature.bind(*arguments, **kwargs)
        for name in names:
            if bound.arguments.get(name) is None:
                bound.arguments[name] = default()
        return function(*bound.args, **bound.kwargs)

    return filled


def _keras() -> Any:
    from tf_keras.api._v1 import keras

    old = tensorflow.compat.v1
    keras.utils.get_custom_objects().update(
        {
            name: functools.partial(old.variance_scaling_initializer, scale, mode, distribution)
            for name, (scale, mode, distribution) in INITIAL_WEIGHTS.items()
        }
    )
    return Face("keras", keras, None, INNER["keras"])


def _keras_backend() -> Any:
    from tf_keras.api._v1.keras import backend

    return Face("keras.backend", backend, None, {"tensorflow_backend": _keras_backend})


def _keras_flatten() -> Any:
    from tf_keras.api._v1.keras import layers

    class Flatten(layers.Flatten):
        def call(self, inputs: Tensor) -> Any:
            return flatten(inputs, data_format=self.data_format) if in_graph() else super().call(inputs)

    return Flatten


def _rnn_cells() -> Any:
    from tf_keras.api._v1.keras.__internal__.legacy import rnn_cell

    return rnn_cell


def _nothing() -> Any:
    return lambda *arguments, **kwargs: None


# Attributes of modules within.
INNER: dict[str, Own] = {
    "nn": {"rnn_cell": _rnn_cells},
    "keras": {"backend": _keras_backend},
    "keras.layers": {"Flatten": _keras_flatten},
    "compat": {"v1": lambda: find("tensorflow", innermost=True)},
    "train": {"Saver": lambda: Saver},
}
face = Face(
    "",
    tensorflow.compat.v1,
    tensorflow,
    {
        "Graph": lambda: LegacyGraph,
        "assign": lambda: _assign("assign"),
        "assign_add": lambda: _assign("assign_add"),
        "assign_sub": lambda: _assign("assign_sub"),
        "contrib": lambda: contrib.tree,
        "keras": _keras,
        "layers": _layers,
        "variable_scope": lambda: variable_scope,
        **dict.fromkeys(HARMLESS, _nothing),
    },
)


def find(name: str, *, innermost: bool) -> Any:
    """What an import statement of a program gets.

    Args:
        name: ``tensorflow`` or something below it.
        innermost: the module of that name, for ``from name import …``; the outermost one otherwise.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    found: Any = face
    for part in name.split(".")[1:]:
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise ModuleNotFoundError(str(error), name=name) from error
    return found if innermost else face
