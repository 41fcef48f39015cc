"""What programs used of ``tf.contrib``: layers, cells, initializers and regularizers, in graphs."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn

import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.migration import graph_functions

v1 = tf.compat.v1
Initializer = Callable[..., Any]
Function = Callable[..., Any]
ZEROS = v1.zeros_initializer()
_defaults: list[dict[Any, dict[str, Any]]] = []  # of the open arg_scope blocks


def _layer(function: Function) -> Function:
    """Makes a function take part in `arg_scope`, and say what it needs outside of graphs."""

    @functools.wraps(function)
    def with_defaults(*arguments: Any, **kwargs: Any) -> Tensor:
        for scope in _defaults:
            kwargs = {**scope.get(function.__name__, {}), **kwargs}
        return checked(*arguments, **kwargs)

    checked = graph_functions.needs_graph(function)
    return with_defaults


@contextlib.contextmanager
def arg_scope(functions: Sequence[Function], **defaults: Any) -> Iterator[None]:
    """Within this block, functions of this module have these defaults."""
    _defaults.append({function.__name__: defaults for function in functions})
    try:
        yield
    finally:
        _defaults.pop()


# ------------------------------------------------------------ initializers and regularizers
def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: object = tf.float32) -> Initializer:
    """Glorot's initial weights."""
    kind = v1.glorot_uniform_initializer if uniform else v1.glorot_normal_initializer
    return kind(seed=seed, dtype=dtype)


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: object = tf.float32,
) -> Initializer:
    """Initial weights whose variance is that of the inputs times ``factor``."""
    distribution = "uniform" if uniform else "truncated_normal"
    return v1.variance_scaling_initializer(factor, mode.lower(), distribution, seed=seed, dtype=dtype)


def l1_regularizer(scale: float, scope: str | None = None) -> Function:
    """The sum of absolute values, times ``scale``."""
    return lambda weights: scale * tf.reduce_sum(tf.abs(weights))


def l2_regularizer(scale: float, scope: str | None = None) -> Function:
    """Half of the sum of squares, times ``scale``."""
    return lambda weights: scale * tf.nn.l2_loss(weights)


def l1_l2_regularizer(scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None) -> Function:
    """Both of `l1_regularizer` and `l2_regularizer`."""
    return lambda weights: l1_regularizer(scale_l1)(weights) + l2_regularizer(scale_l2)(weights)


# ------------------------------------------------------------ layers
def _finished(
    outputs: Tensor,
    size: int,
    normalizer_fn: Function | None,
    normalizer_params: dict[str, Any] | None,
    biases_initializer: Initializer | None,
    biases_regularizer: Function | None,
    activation_fn: Function | None,
    trainable: bool,
) -> Tensor:
    """What follows the product in a layer: normalization or biases, then the activation."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    elif biases_initializer is not None:
        biases = v1.get_variable(
            "biases", [size], initializer=biases_initializer, regularizer=biases_regularizer, trainable=trainable
        )
        outputs = tf.nn.bias_add(outputs, biases)
    return outputs if activation_fn is None else activation_fn(outputs)


@_layer
def fully_connected(
    inputs: Tensor,
    num_outputs: int,
    activation_fn: Function | None = tf.nn.relu,
    normalizer_fn: Function | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Initializer | None = None,
    weights_regularizer: Function | None = None,
    biases_initializer: Initializer | None = ZEROS,
    biases_regularizer: Function | None = None,
    reuse: object = None,
    variables_collections: object = None,
    outputs_collections: object = None,
    trainable: bool = True,
    scope: object = None,
) -> Tensor:
    """A dense layer over the last axis, variables ``weights`` and ``biases``."""
    with v1.variable_scope(scope, "fully_connected", [inputs], reuse=reuse):
        n_inputs = inputs.shape.as_list()[-1]
        weights = v1.get_variable(
            "weights",
            [n_inputs, int(num_outputs)],
            initializer=weights_initializer or xavier_initializer(),
            regularizer=weights_regularizer,
            trainable=trainable,
        )
        outputs = tf.matmul(inputs, weights) if inputs.shape.rank == 2 else tf.tensordot(inputs, weights, [[-1], [0]])
        return _finished(
            outputs,
            int(num_outputs),
            normalizer_fn,
            normalizer_params,
            biases_initializer,
            biases_regularizer,
            activation_fn,
            trainable,
        )


def _pair(value: int | Sequence[int]) -> list[int]:
    return [int(n) for n in value] if isinstance(value, Sequence) else [int(value)] * 2


@_layer
def conv2d(
    inputs: Tensor,
    num_outputs: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: int | Sequence[int] = 1,
    activation_fn: Function | None = tf.nn.relu,
    normalizer_fn: Function | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Initializer | None = None,
    weights_regularizer: Function | None = None,
    biases_initializer: Initializer | None = ZEROS,
    biases_regularizer: Function | None = None,
    reuse: object = None,
    variables_collections: object = None,
    outputs_collections: object = None,
    trainable: bool = True,
    scope: object = None,
) -> Tensor:
    """A convolution of images [B, height, width, channels], variables ``weights`` and ``biases``."""
    _only_channels_last(data_format)
    with v1.variable_scope(scope, "Conv", [inputs], reuse=reuse):
        weights = v1.get_variable(
            "weights",
            [*_pair(kernel_size), inputs.shape.as_list()[-1], int(num_outputs)],
            initializer=weights_initializer or xavier_initializer(),
            regularizer=weights_regularizer,
            trainable=trainable,
        )
        outputs = tf.nn.conv2d(inputs, weights, _pair(stride), padding.upper(), dilations=_pair(rate))
        return _finished(
            outputs,
            int(num_outputs),
            normalizer_fn,
            normalizer_params,
            biases_initializer,
            biases_regularizer,
            activation_fn,
            trainable,
        )


def _only_channels_last(data_format: str | None) -> None:
    if data_format not in (None, "NHWC"):
        raise ValueError(
            f"data_format must be 'NHWC', since processors convolve with the channels last, not {data_format!r}"
        )


@_layer
def max_pool2d(
    inputs: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 2,
    padding: str = "VALID",
    data_format: str | None = None,
    outputs_collections: object = None,
    scope: object = None,
) -> Tensor:
    """The largest of each window of images [B, height, width, channels]."""
    _only_channels_last(data_format)
    return tf.nn.max_pool2d(inputs, _pair(kernel_size), _pair(stride), padding.upper(), name=scope)


@_layer
def avg_pool2d(
    inputs: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 2,
    padding: str = "VALID",
    data_format: str | None = None,
    outputs_collections: object = None,
    scope: object = None,
) -> Tensor:
    """The mean of each window of images [B, height, width, channels]."""
    _only_channels_last(data_format)
    return tf.nn.avg_pool2d(inputs, _pair(kernel_size), _pair(stride), padding.upper(), name=scope)


@_layer
def flatten(inputs: Tensor, outputs_collections: object = None, scope: str | None = None) -> Tensor:
    """All axes but the first in one, [B, n]."""
    return graph_functions.flatten(inputs, scope)


@_layer
def dropout(
    inputs: Tensor,
    keep_prob: float | Tensor = 0.5,
    noise_shape: object = None,
    is_training: bool | Tensor = True,
    outputs_collections: object = None,
    scope: object = None,
    seed: int | None = None,
) -> Tensor:
    """Keeps each number with a probability, while training."""

    def dropped() -> Tensor:
        return tf.nn.dropout(inputs, 1.0 - keep_prob, noise_shape=noise_shape, seed=seed, name=scope)

    if isinstance(is_training, tf.Tensor):
        return v1.cond(is_training, dropped, lambda: tf.identity(inputs))
    return dropped() if is_training else inputs


@_layer
def layer_norm(
    inputs: Tensor,
    center: bool = True,
    scale: bool = True,
    activation_fn: Function | None = None,
    reuse: object = None,
    variables_collections: object = None,
    outputs_collections: object = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: object = None,
) -> Tensor:
    """Layer normalization (https://arxiv.org/abs/1607.06450), variables ``beta`` and ``gamma``."""
    with v1.variable_scope(scope, "LayerNorm", [inputs], reuse=reuse):
        shape = inputs.shape.as_list()[begin_params_axis:]
        beta = (
            v1.get_variable("beta", shape, initializer=v1.zeros_initializer(), trainable=trainable) if center else None
        )
        gamma = (
            v1.get_variable("gamma", shape, initializer=v1.ones_initializer(), trainable=trainable) if scale else None
        )
        axes = list(range(begin_norm_axis % inputs.shape.rank, inputs.shape.rank))
        mean, variance = tf.nn.moments(inputs, axes, keepdims=True)
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)
        return outputs if activation_fn is None else activation_fn(outputs)


@_layer
def batch_norm(
    inputs: Tensor,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Function | None = None,
    param_initializers: dict[str, Initializer] | None = None,
    param_regularizers: dict[str, Function] | None = None,
    updates_collections: object = v1.GraphKeys.UPDATE_OPS,
    is_training: bool | Tensor = True,
    reuse: object = None,
    variables_collections: object = None,
    outputs_collections: object = None,
    trainable: bool = True,
    scope: object = None,
    **unused: object,
) -> Tensor:
    """Batch normalization, variables ``beta``, ``gamma`` (with ``scale``), ``moving_mean`` and ``moving_variance``."""
    initial, penalty = param_initializers or {}, param_regularizers or {}
    with v1.variable_scope(scope, "BatchNorm", [inputs], reuse=reuse) as opened:
        from tf_keras.api._v1.keras.__internal__.legacy.layers import BatchNormalization

        layer = BatchNormalization(
            axis=-1,
            momentum=decay,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=initial.get("beta", v1.zeros_initializer()),
            gamma_initializer=initial.get("gamma", v1.ones_initializer()),
            moving_mean_initializer=initial.get("moving_mean", v1.zeros_initializer()),
            moving_variance_initializer=initial.get("moving_variance", v1.ones_initializer()),
            beta_regularizer=penalty.get("beta"),
            gamma_regularizer=penalty.get("gamma"),
            trainable=trainable,
            name=opened.name,
            _scope=opened,
            _reuse=reuse,
        )
        before = set(v1.get_collection(v1.GraphKeys.UPDATE_OPS))
        outputs = layer(inputs, training=is_training)
        updates = [op for op in layer.updates if op not in before]
        if updates_collections is None:
            with tf.control_dependencies(updates):
                outputs = tf.identity(outputs)
        else:
            for update in updates:
                v1.add_to_collections(updates_collections, update)
        return outputs if activation_fn is None else activation_fn(outputs)


@_layer
def embed_sequence(
    ids: Tensor,
    vocab_size: int,
    embed_dim: int,
    unique: bool = False,
    initializer: object = None,
    regularizer: object = None,
    trainable: bool = True,
    scope: object = None,
    reuse: object = None,
) -> Tensor:
    """A vector for each number, from the variable ``embeddings``."""
    with v1.variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        embeddings = v1.get_variable(
            "embeddings", [vocab_size, embed_dim], initializer=initializer, regularizer=regularizer, trainable=trainable
        )
        return tf.nn.embedding_lookup(embeddings, ids)


def one_hot_encoding(
    labels: Tensor, num_classes: int, on_value: float = 1.0, off_value: float = 0.0, **unused: object
) -> Tensor:
    """One-hot rows."""
    return tf.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)


def stack(inputs: Tensor, layer: Function, stack_args: Sequence[Any], **kwargs: Any) -> Tensor:
    """Layers one after the other, with arguments of their own each."""
    scope = kwargs.pop("scope", None) or "stack"
    with v1.variable_scope(scope, "Stack", [inputs]):
        for i, arguments in enumerate(stack_args):
            arguments = arguments if isinstance(arguments, list | tuple) else [arguments]
            inputs = layer(inputs, *arguments, scope=f"{scope}_{i + 1}", **kwargs)
        return inputs


# ------------------------------------------------------------ the tree
class _Unknown(ModuleType):
    """A module of ``tf.contrib``; names that are not in it raise an error that says what to use."""

    def __init__(
        self, name: str, members: dict[str, Any], advice: str, further: Callable[[], Any] | None = None
    ) -> None:
        super().__init__(f"tensorflow.contrib.{name}" if name else "tensorflow.contrib")
        vars(self).update(members)
        self._members, self._advice, self._further = members, advice, further
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._further is not None:
            found = getattr(self._further(), name, None)
            if found is not None:
                return found
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        full = self.__name__.replace("tensorflow.", "tf.", 1)
        raise AttributeError(
            f"{full}.{name} is not available: tf.contrib ended with TensorFlow 1. {self._advice}; "
            f"{full} has {', '.join(sorted(self._members))}"
        )


def _cells() -> Tensor:
    from tf_keras.api._v1.keras.__internal__.legacy import rnn_cell

    return rnn_cell


def _distributions() -> Tensor:
    import tensorflow_probability

    return tensorflow_probability.distributions


_layers = {
    function.__name__: function
    for function in (
        arg_scope, avg_pool2d, batch_norm, conv2d, dropout, embed_sequence, flatten, fully_connected, l1_l2_regularizer,
        l1_regularizer, l2_regularizer, layer_norm, max_pool2d, one_hot_encoding, stack, variance_scaling_initializer,
        xavier_initializer,
    )
}  # fmt: skip
_layers |= {
    "convolution2d": conv2d,
    "convolution": conv2d,
    "linear": functools.partial(fully_connected, activation_fn=None),
    "relu": fully_connected,
    "softmax": tf.nn.softmax,
    "xavier_initializer_conv2d": xavier_initializer,
}
_rnn = {name: getattr(v1.nn, name) for name in ("static_rnn", "static_bidirectional_rnn")}
_framework = {
    "arg_scope": arg_scope,
    "add_arg_scope": lambda function: function,
    "nest": tf.nest,
    "get_variables": lambda scope=None, suffix=None: v1.get_collection(v1.GraphKeys.GLOBAL_VARIABLES, scope),
    "get_or_create_global_step": v1.train.get_or_create_global_step,
}
tree = _Unknown(
    "",
    {
        "layers": _Unknown("layers", _layers, "Use the functions of tf.layers or of tf.nn"),
        "rnn": _Unknown("rnn", _rnn, "Use the cells of tf.nn.rnn_cell or of tf.keras.layers", _cells),
        "framework": _Unknown("framework", _framework, "Use tf.compat.v1"),
        "slim": _Unknown("slim", _layers, "Use the functions of tf.layers or of tf.nn"),
        "distributions": _Unknown("distributions", {}, "Use TensorFlow Probability", _distributions),
    },
    "Use tf.layers, tf.nn, tf.keras or TensorFlow Probability",
)
