"""Small graphs in NumPy, where a forward pass costs a fraction of a call into TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.activations import resolve_activation
from stable_baselines_tf2.core.types import Tensor

Kernel = Callable[..., Any]
Maker = Callable[[tf.Operation], Kernel]


class Cut(Protocol):
    """What this module asks of a `GraphFunction`."""

    host: Any
    inputs: list[Any]
    outputs: list[Any]
    kinds: set[str]
    reads: dict[str, Any]

    @property
    def parts(self) -> list[int]:
        """See `GraphFunction.parts`."""

    @property
    def assigns(self) -> bool:
        """See `GraphFunction.assigns`."""

    @property
    def ordered(self) -> list[Any]:
        """See `GraphFunction.ordered`."""


class Unsupported(NotImplementedError):
    """An operation that is not on this module's list, or not with these attributes."""


def _axes(axis: np.ndarray) -> tuple[int, ...]:
    return tuple(np.atleast_1d(axis).tolist())


def _reduction(function: Callable[..., Any]) -> Maker:
    def make(operation: tf.Operation) -> Kernel:
        keep = operation.get_attr("keep_dims")
        return lambda x, axis: function(x, axis=_axes(axis), keepdims=keep)

    return make


def _softmax(x: np.ndarray) -> np.ndarray:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _matmul(operation: tf.Operation) -> Kernel:
    first, second = operation.get_attr("transpose_a"), operation.get_attr("transpose_b")
    if not (first or second):
        return np.matmul
    return lambda a, b: np.matmul(a.T if first else a, b.T if second else b)


def _cast(operation: tf.Operation) -> Kernel:
    kind = operation.get_attr("DstT").as_numpy_dtype
    return lambda x: np.asarray(x).astype(kind, copy=False)


def _strided_slice(operation: tf.Operation) -> Kernel:
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    begins, ends, ellipses, new_axes, single = (operation.get_attr(name) for name in names)

    def kernel(x: np.ndarray, begin: np.ndarray, end: np.ndarray, strides: np.ndarray) -> Any:
        parts: list[Any] = []
        for i, (first, last, step) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)):
            bit = 1 << i
            if ellipses & bit:
                parts.append(...)
            elif new_axes & bit:
                parts.append(np.newaxis)
            elif single & bit:
                parts.append(first)
            else:
                parts.append(slice(None if begins & bit else first, None if ends & bit else last, step))
        return x[tuple(parts)]

    return kernel


def _squeeze(operation: tf.Operation) -> Kernel:
    axes = tuple(operation.get_attr("squeeze_dims")) or None
    return lambda x: np.squeeze(x, axes)


def _pack(operation: tf.Operation) -> Kernel:
    axis = operation.get_attr("axis")
    return lambda *parts: np.stack(parts, axis)


def _one_hot(operation: tf.Operation) -> Kernel:
    if operation.get_attr("axis") != -1:
        raise Unsupported("one-hot numbers along another axis than the last")
    return lambda indices, depth, on, off: np.where(np.asarray(indices)[..., np.newaxis] == np.arange(depth), on, off)


def _gather(operation: tf.Operation) -> Kernel:
    if operation.get_attr("batch_dims"):
        raise Unsupported("gathering with batch dimensions")
    return lambda x, indices, axis: np.take(x, indices, int(axis))


def _arg_max(operation: tf.Operation) -> Kernel:
    kind = operation.get_attr("output_type").as_numpy_dtype
    return lambda x, axis: x.argmax(int(axis)).astype(kind, copy=False)


def _leaky_relu(operation: tf.Operation) -> Kernel:
    alpha = np.float32(operation.get_attr("alpha"))
    return lambda x: np.where(x > 0, x, alpha * x)


def _batch_normalization(operation: tf.Operation) -> Kernel:
    if operation.get_attr("is_training") or operation.get_attr("data_format") != b"NHWC":
        raise Unsupported("batch normalization that learns")
    epsilon = np.float32(operation.get_attr("epsilon"))
    return lambda x, scale, offset, mean, variance: (x - mean) * (scale / np.sqrt(variance + epsilon)) + offset


def _activation(name: str) -> Maker:
    function = resolve_activation(name).numpy

    def make(_: tf.Operation) -> Kernel:
        if function is None:
            raise Unsupported(name)
        return function

    return make


def _always(kernel: Kernel) -> Maker:
    return lambda _: kernel


def _constant(operation: tf.Operation) -> Kernel:
    value = tf.make_ndarray(operation.get_attr("value"))
    return lambda: value


KERNELS: dict[str, Maker] = {
    "ArgMax": _arg_max,
    "Cast": _cast,
    "ConcatV2": _always(lambda *parts: np.concatenate(parts[:-1], int(parts[-1]))),
    "Const": _constant,
    "Elu": _activation("elu"),
    "ExpandDims": _always(lambda x, axis: np.expand_dims(x, int(axis))),
    "Fill": _always(lambda shape, value: np.full(shape, value)),
    "FusedBatchNormV3": _batch_normalization,
    "GatherV2": _gather,
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _always(lambda x: (x := x - x.max(-1, keepdims=True)) - np.log(np.exp(x).sum(-1, keepdims=True))),
    "MatMul": _matmul,
    "Max": _reduction(np.max),
    "Mean": _reduction(np.mean),
    "Min": _reduction(np.min),
    "OneHot": _one_hot,
    "Pack": _pack,
    "Prod": _reduction(np.prod),
    "Relu": _activation("relu"),
    "Reshape": _always(lambda x, shape: np.reshape(x, shape)),
    "Rsqrt": _always(lambda x: np.float32(1.0) / np.sqrt(x)),
    "Shape": _always(lambda x: np.array(x.shape, np.int32)),
    "Sigmoid": _activation("sigmoid"),
    "Slice": _always(
        lambda x, begin, size: x[
            tuple(slice(b, None if n < 0 else b + n) for b, n in zip(begin.tolist(), size.tolist(), strict=True))
        ]
    ),
    "Softmax": _always(_softmax),
    "Softplus": _activation("softplus"),
    "Split": lambda operation: lambda axis, x: np.split(x, operation.get_attr("num_split"), int(axis)),
    "SplitV": _always(lambda x, sizes, axis: np.split(x, np.cumsum(sizes)[:-1], int(axis))),
    "SquaredDifference": _always(lambda a, b: np.square(a - b)),
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Sum": _reduction(np.sum),
    "Tanh": _activation("tanh"),
    "Tile": _always(np.tile),
    "Transpose": _always(np.transpose),
    **{name: _always(np.add) for name in ("Add", "AddV2", "BiasAdd")},
    **{name: _always(np.divide) for name in ("RealDiv", "Div")},
    **{name: _always(lambda x: x) for name in ("Identity", "StopGradient", "PreventGradient", "Snapshot")},
    **{name: _always(np.where) for name in ("SelectV2",)},
    **{
        name: _always(function)
        for name, function in (
            ("Abs", np.abs),
            ("Equal", np.equal),
            ("Exp", np.exp),
            ("Greater", np.greater),
            ("GreaterEqual", np.greater_equal),
            ("Less", np.less),
            ("LessEqual", np.less_equal),
            ("Log", np.log),
            ("Log1p", np.log1p),
            ("LogicalAnd", np.logical_and),
            ("LogicalNot", np.logical_not),
            ("LogicalOr", np.logical_or),
            ("Maximum", np.maximum),
            ("Minimum", np.minimum),
            ("Mul", np.multiply),
            ("Neg", np.negative),
            ("OnesLike", np.ones_like),
            ("Sign", np.sign),
            ("Sqrt", np.sqrt),
            ("Square", np.square),
            ("Sub", np.subtract),
            ("ZerosLike", np.zeros_like),
        )
    },
}
DRAWS = {"RandomStandardNormal": "standard_normal", "RandomUniform": "random"}


def is_supported(function: Cut) -> bool:
    """Whether all operations of a function are on this module's list."""
    return function.kinds <= KERNELS.keys() | DRAWS.keys() and not function.assigns


class NumpyGraph:
    """A `GraphFunction` in NumPy, on views of the weights.

    What depends on weights and constants alone is computed when they change.

    Args:
        function: the function.

    Raises:
        Unsupported: an operation is not on the list.
    """

    def __init__(self, function: Cut) -> None:
        if not is_supported(function):
            raise Unsupported(", ".join(sorted(function.kinds - KERNELS.keys() - DRAWS.keys())))
        self._host = function.host
        self._slots: dict[str, int] = {}
        self._inputs = [self._slot(tensor) for tensor in function.inputs]
        reads = [(self._slot_of(name), *place) for name, place in function.reads.items()]
        self._weights = [read for read in reads if read[1] >= 0]
        self._others = [(slot, place) for slot, part, place in reads if part < 0]  # variables that are no weights
        self._outputs = [self._slot(tensor) for tensor in function.outputs]
        varying = {*self._inputs, *(slot for slot, _ in self._others)}
        self._fixed: list[tuple[Kernel, list[int], int | list[int]]] = []
        self._steps: list[tuple[Kernel, list[int], int | list[int]]] = []
        for operation in function.ordered:
            inputs = [self._slot(tensor) for tensor in operation.inputs]
            outputs = [self._slot(tensor) for tensor in operation.outputs]
            target = outputs[0] if len(outputs) == 1 or operation.type == "FusedBatchNormV3" else outputs
            step = self._kernel(operation), inputs, target
            if operation.type in DRAWS or varying & set(inputs):
                varying.update(outputs)
                self._steps.append(step)
            else:
                self._fixed.append(step)
        self._values: list[Any] = [None] * len(self._slots)
        fresh = {slot for _, _, target in self._steps for slot in ([target] if isinstance(target, int) else target)}
        self._own = [slot in fresh for slot in self._outputs]  # not views of inputs or weights
        self._parts = [function.host.parts[part] for part in function.parts]
        self._versions: list[int] = []

    def _slot(self, tensor: Tensor) -> int:
        return self._slot_of(tensor.name)

    def _slot_of(self, name: str) -> int:
        return self._slots.setdefault(name, len(self._slots))

    def _kernel(self, operation: tf.Operation) -> Kernel:
        if operation.type not in DRAWS:
            return KERNELS[operation.type](operation)
        if operation.get_attr("dtype") != tf.float32:
            raise Unsupported("random numbers of another type than float32")
        method = DRAWS[operation.type]
        return lambda shape: getattr(self._host.owners[0].generator, method)(shape, dtype=np.float32)

    def _run(self, steps: Sequence[tuple[Kernel, list[int], int | list[int]]]) -> None:
        values = self._values
        for kernel, inputs, target in steps:
            found = kernel(*[values[i] for i in inputs])
            if isinstance(target, int):
                values[target] = found
            else:
                for slot, value in zip(target, found, strict=True):
                    values[slot] = value

    def _refresh(self) -> None:
        arrays = {part: self._host.parts[part].arrays() for part in {part for _, part, _ in self._weights}}
        for slot, part, place in self._weights:
            self._values[slot] = arrays[part][place]
        self._run(self._fixed)
        self._versions = [params.version for params in self._parts]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for arrays of the inputs' types."""
        if self._versions != [params.version for params in self._parts]:
            self._refresh()
        values = self._values
        for slot, value in zip(self._inputs, inputs, strict=True):
            values[slot] = value
        for slot, place in self._others:
            values[slot] = self._host.own(place).numpy()
        self._run(self._steps)
        return [
            values[slot] if own else np.copy(values[slot]) for slot, own in zip(self._outputs, self._own, strict=True)
        ]
