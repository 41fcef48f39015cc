"""Training phases: many gradient steps in one compiled call."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from stable_baselines_tf2.core.compiled import FlatFunction
from stable_baselines_tf2.core.optimizers import Optimizer, State, clip_by_global_norm
from stable_baselines_tf2.core.types import Tensor

Batch = dict[str, Tensor]
Statistics = dict[str, Tensor]


class TrainingState(NamedTuple):
    """What an update carries along besides the weights that it trains.

    An update returns all of it: ``state._replace(moments=…)`` changes a part.
    """

    moments: State  # of the optimizer
    targets: Mapping[str, Tensor] = MappingProxyType({})  # weights of target networks, [n] each, by name
    extra: Mapping[str, Tensor] = MappingProxyType({})  # other tensors that updates change, by name


PhaseResult = tuple[Tensor, TrainingState, Statistics]  # new weights, the whole new state, and statistics
Step = Callable[[Tensor, TrainingState, Batch], PhaseResult]


class PhaseStatistics(dict[str, np.ndarray]):
    """Statistics by name.

    Attributes:
        flat: all of them side by side, where they came so; None otherwise.
    """

    flat: np.ndarray | None = None


class CompiledPhase:
    """A compiled training phase ``(weights, state, inputs) -> (weights, state, statistics)``.

    It is traced once for each combination of input shapes (and variant).

    Args:
        function: the phase; ``inputs`` and the statistics are dictionaries of tensors. If calls give a ``variant``, the
            function gets it as keyword.
        jit_compile: compile with XLA. Worth its seconds of compilation where the phase loops over minibatches or time.
        in_caller: run in the calling thread. For small networks; without ``jit_compile`` only where the phase has no
            loops.
    """

    def __init__(self, function: Callable[..., PhaseResult], *, jit_compile: bool, in_caller: bool) -> None:
        self._function = function
        self._jit_compile, self._in_caller = jit_compile, in_caller
        self._traced: dict[tuple[Any, ...], _Traced] = {}

    @property
    def n_traces(self) -> int:
        """How often the phase has been traced."""
        return len(self._traced)

    def __call__(
        self,
        vector: Tensor,
        state: TrainingState,
        inputs: Mapping[str, np.ndarray | np.generic | Tensor],
        variant: Hashable = None,
    ) -> tuple[Tensor, TrainingState, PhaseStatistics]:
        """Runs the phase.

        Args:
            vector: weights, [n].
            state: the state; of the same structure in all calls.
            inputs: arrays or tensors by name.
            variant: what is decided when the phase is traced, rather than by an input; None for nothing.

        Returns:
            New weights, new state, and the statistics as arrays by name.

        Raises:
            ValueError: the function does not return the whole state.
            TypeError: its statistics are not a dictionary of tensors.
        """
        key = (variant, *((name, value.shape, value.dtype) for name, value in inputs.items()))
        traced = self._traced.get(key)
        if traced is None:
            function = self._function if variant is None else partial(self._function, variant=variant)
            traced = self._traced[key] = _Traced(
                function, vector, state, inputs, jit_compile=self._jit_compile, in_caller=self._in_caller
            )
        return traced(vector, state, inputs)


class _Traced:
    """A phase, traced for the shapes of its inputs."""

    def __init__(
        self,
        function: Callable[..., PhaseResult],
        vector: Tensor,
        state: TrainingState,
        inputs: Mapping[str, Any],
        *,
        jit_compile: bool,
        in_caller: bool,
    ) -> None:
        self._slots = [sorted(part) for part in state]
        self._packing = _Packing(inputs)
        self._results: _Results  # known once the function has been traced
        # What TensorFlow adds for debugging cannot be compiled, and its loops wait for threads.
        debugged = tf.config.functions_run_eagerly() or op_callbacks.should_invoke_op_callbacks()
        in_caller = in_caller and not debugged
        if jit_compile and not debugged:
            function = tf.function(function, jit_compile=True, autograph=False)

        def flat(vector: Tensor, *rest: Tensor) -> list[Tensor]:
            before, given = self._state(list(rest))
            vector, after, statistics = function(vector, before, self._packing.unpack(given))
            check_whole("the training phase", before, after)
            check_statistics("the training phase", statistics)
            self._results = _Results(statistics)
            return [vector, *self._flat(after), *self._results.pack(statistics)]

        arguments = [vector, *self._flat(state), *self._packing.pack(inputs)]
        self._call = FlatFunction(flat, [tf.constant(value) for value in arguments], in_caller=in_caller)

    def _flat(self, state: TrainingState) -> list[Tensor]:
        return [part[slot] for part, slots in zip(state, self._slots, strict=True) for slot in slots]

    def _state(self, tensors: list[Tensor]) -> tuple[TrainingState, list[Tensor]]:
        """The state at the beginning of a list of tensors, and the rest of the list."""
        moments, targets, extra = self._slots
        first, second = len(moments), len(moments) + len(targets)
        end = second + len(extra)
        state = TrainingState(
            dict(zip(moments, tensors[:first], strict=True)),
            dict(zip(targets, tensors[first:second], strict=True)),
            dict(zip(extra, tensors[second:end], strict=True)),
        )
        return state, tensors[end:]

    def __call__(
        self, vector: Tensor, state: TrainingState, inputs: Mapping[str, Any]
    ) -> tuple[Tensor, TrainingState, PhaseStatistics]:
        vector, *rest = self._call([vector, *self._flat(state), *self._packing.pack(inputs)])
        state, packed = self._state(rest)
        return vector, state, self._results.unpack(packed)


def check_whole(what: str, before: TrainingState, after: object) -> None:
    """Checks that a function that changes a state returns all of it.

    Raises:
        ValueError: it does not; the message names what is missing.
    """
    if not isinstance(after, TrainingState):
        raise ValueError(
            f"{what} must return its state as a TrainingState, not as a {type(after).__name__}: "
            "return state._replace(moments=…)"
        )
    for part, own, returned in zip(TrainingState._fields, before, after, strict=True):
        if set(own) != set(returned):
            missing, unknown = sorted(set(own) - set(returned)), sorted(set(returned) - set(own))
            raise ValueError(
                f"{what} returns another state than it was given: "
                + "; ".join(
                    f"{text} {', '.join(names)} among its {part}"
                    for text, names in (("it lacks", missing), ("it adds", unknown))
                    if names
                )
                + ". Return the whole state, as in `state | {…}` for the moments of an optimizer"
            )


def check_statistics(what: str, statistics: object) -> None:
    """Checks what a function returns as statistics.

    Raises:
        TypeError: they are not a dictionary of tensors by name.
    """
    if not isinstance(statistics, dict) or not all(
        isinstance(name, str) and tf.is_tensor(value) for name, value in statistics.items()
    ):
        raise TypeError(f"{what} must return its statistics as a dictionary of tensors by name, not {statistics!r}")


class _Results:
    """The statistics of a phase, whose floats leave it side by side in one array: each array costs 10 microseconds."""

    MAX_SIZE = 1 << 13  # numbers of one statistic; copying more than this costs more than it saves

    def __init__(self, statistics: Statistics) -> None:
        self._names = list(statistics)
        self._packed = [
            name
            for name, value in statistics.items()
            if value.dtype == tf.float32
            and value.shape.is_fully_defined()
            and value.shape.num_elements() <= self.MAX_SIZE
        ]
        self._alone = [name for name in statistics if name not in self._packed]
        self._shapes = [tuple(statistics[name].shape) for name in self._packed]
        ends = np.cumsum([math.prod(shape) for shape in self._shapes]).tolist()
        self._places = list(zip([0, *ends], ends, strict=False))

    def pack(self, statistics: Statistics) -> list[Tensor]:
        """The statistics as few tensors, in a compiled function."""
        alone = [statistics[name] for name in self._alone]
        if not self._packed:
            return alone
        if not any(self._shapes):  # numbers only
            return [tf.stack([statistics[name] for name in self._packed]), *alone]
        return [tf.concat([tf.reshape(statistics[name], (-1,)) for name in self._packed], axis=0), *alone]

    def unpack(self, tensors: Sequence[Tensor]) -> PhaseStatistics:
        """The statistics as arrays by name."""
        found, flat = {}, None
        if self._packed:
            first, *tensors = tensors
            flat = first.numpy()
            for name, (start, end), shape in zip(self._packed, self._places, self._shapes, strict=True):
                found[name] = flat[start:end].reshape(shape) if shape else flat[start]
        if self._alone:
            found |= {name: tensor.numpy() for name, tensor in zip(self._alone, tensors, strict=True)}
            found = {name: found[name] for name in self._names}
        statistics = PhaseStatistics(found)
        statistics.flat = flat if not self._alone else None
        return statistics


class _Packing:
    """Which inputs of a phase enter it side by side in one flat array, for each array costs 10 microseconds."""

    MAX_BYTES = 1 << 15  # copying more than this costs more than it saves
    UNIT = np.dtype(np.float32)  # of the flat array; wider numbers fill several, bit by bit

    def __init__(self, inputs: Mapping[str, np.ndarray | np.generic | Tensor]) -> None:
        self._packed: list[str] = []
        self._alone: list[str] = []
        for name, value in inputs.items():
            fits = isinstance(value, np.ndarray | np.generic) and value.nbytes <= self.MAX_BYTES
            (self._packed if fits and value.dtype.itemsize % self.UNIT.itemsize == 0 else self._alone).append(name)
        self._specs = {name: (tuple(inputs[name].shape), tf.as_dtype(inputs[name].dtype)) for name in self._packed}

    def pack(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The inputs as few arrays and tensors."""
        alone = [inputs[name] for name in self._alone]
        if not self._packed:
            return alone
        return [np.concatenate([inputs[name].ravel().view(self.UNIT) for name in self._packed]), *alone]

    def unpack(self, tensors: Sequence[Tensor]) -> Batch:
        """The inputs by name, in a compiled function."""
        if not self._packed:
            return dict(zip(self._alone, tensors, strict=True))
        units = {name: dtype.size // self.UNIT.itemsize for name, (_, dtype) in self._specs.items()}
        parts = tf.split(tensors[0], [math.prod(self._specs[name][0]) * units[name] for name in self._packed])
        inputs = dict(zip(self._alone, tensors[1:], strict=True))
        for name, part in zip(self._packed, parts, strict=True):
            shape, dtype = self._specs[name]
            if dtype != self.UNIT:
                part = tf.bitcast(part if units[name] == 1 else tf.reshape(part, (-1, units[name])), dtype)
            inputs[name] = tf.reshape(part, shape)
        return inputs


def gradient_step(
    loss: Callable[[Tensor], tuple[Tensor, Statistics]],
    optimizer: Optimizer,
    vector: Tensor,
    moments: State,
    learning_rate: Tensor,
    max_grad_norm: float | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, State, Statistics]:
    """One step of gradient descent on a loss.

    Args:
        loss: ``(weights) -> (scalar, statistics by name)``.
        optimizer: makes the step.
        vector: weights, [n].
        moments: the optimizer's state.
        learning_rate: learning rate.
        max_grad_norm: maximum gradient norm (global clipping); None disables it.
        transform: changes the gradient, before it is clipped.

    Returns:
        New weights, the new state of the optimizer, and the statistics from before the step.

    Raises:
        ValueError: the optimizer returns only part of its state.
    """
    with tf.GradientTape() as tape:
        tape.watch(vector)
        value, statistics = loss(vector)
    gradient = tape.gradient(value, vector)
    if transform is not None:
        gradient = transform(gradient)
    gradient = clip_by_global_norm(gradient, max_grad_norm)
    vector, new_moments = optimizer.step(vector, gradient, moments, learning_rate)
    check_whole(f"{type(optimizer).__name__}.step()", TrainingState(moments), TrainingState(new_moments))
    return vector, new_moments, statistics


def minibatch_steps(
    step: Step,
    vector: Tensor,
    state: TrainingState,
    rollout: Batch,
    rows: Tensor,
    per_sequence: Batch,
    sequences: Tensor,
) -> PhaseResult:
    """One step on each of K minibatches, in a loop inside the compiled function.

    Args:
        step: ``(vector, state, minibatch) -> (vector, state, statistics)``.
        vector: weights.
        state: the state.
        rollout: arrays with one row for each transition, [B, …].
        rows: which rows make each minibatch, [K, M].
        per_sequence: arrays with one row for each environment (initial recurrent states); may be empty.
        sequences: which of these rows belong to each minibatch, [K, S].

    Returns:
        New weights, new state, and statistics, [K, …] each.
    """

    def minibatch(k: Tensor) -> Batch:
        chosen = {name: tf.gather(array, rows[k]) for name, array in rollout.items()}
        return chosen | {name: tf.gather(array, sequences[k]) for name, array in per_sequence.items()}

    return _loop(step, vector, state, minibatch, rows.shape[0])


def consecutive_steps(
    step: Step, vector: Tensor, state: TrainingState, batches: Batch, n_steps: Tensor | None = None
) -> PhaseResult:
    """One step on each of K batches.

    Args:
        step: ``(vector, state, batch) -> (vector, state, statistics)``.
        vector: weights.
        state: the state.
        batches: what the steps take, each array [K, …].
        n_steps: how many of the batches count, 1 to K; the statistics of the others are zeros. All count if None.

    Returns:
        New weights, new state, and statistics, [K, …] each.
    """
    n_batches = next(iter(batches.values())).shape[0]

    def batch(k: Tensor) -> Batch:
        if n_batches == 1:  # then a slice would be a copy
            return {name: tf.squeeze(array, 0) for name, array in batches.items()}
        return {name: array[k] for name, array in batches.items()}

    return _loop(step, vector, state, batch, n_batches, n_steps)


def _loop(
    step: Step,
    vector: Tensor,
    state: TrainingState,
    batch: Callable[[Any], Batch],
    most: int,
    n_steps: Tensor | None = None,
) -> PhaseResult:
    """``n_steps`` steps (``most`` if None), on ``batch(0)`` and so on."""

    def checked(vector: Tensor, state: TrainingState, batch: Batch) -> PhaseResult:
        vector, after, statistics = step(vector, state, batch)
        check_whole("a gradient step", state, after)
        check_statistics("a gradient step", statistics)
        return vector, TrainingState(*map(dict, after)), statistics

    state = TrainingState(*map(dict, state))
    if most == 1:
        vector, state, statistics = checked(vector, state, batch(0))
        return vector, state, {name: value[tf.newaxis] for name, value in statistics.items()}
    # Traced before the loop, which has to know what the step gives, and called in it.
    compiled = tf.function(checked, autograph=False)
    traced = compiled.get_concrete_function(vector, state, batch(0))
    start = {name: tf.zeros((most, *out.shape), out.dtype) for name, out in traced.structured_outputs[2].items()}

    def body(
        k: Tensor, vector: Tensor, state: TrainingState, statistics: Statistics
    ) -> tuple[Tensor, Tensor, TrainingState, Statistics]:
        vector, state, values = compiled(vector, state, batch(k))
        statistics = {
            name: tf.tensor_scatter_nd_update(rows, [[k]], values[name][tf.newaxis])
            for name, rows in statistics.items()
        }
        return k + 1, vector, state, statistics

    end = tf.constant(most) if n_steps is None else n_steps
    loop = (tf.constant(0), vector, state, start)
    _, vector, state, statistics = tf.while_loop(lambda k, *_: k < end, body, loop)
    return vector, state, statistics


def shuffled_minibatches(generator: np.random.Generator, n_epochs: int, n_minibatches: int, n_items: int) -> np.ndarray:
    """Indices of minibatches that together visit every item once in each epoch.

    Returns:
        [n_epochs · n_minibatches, n_items / n_minibatches].
    """
    order = np.tile(np.arange(n_items, dtype=np.int32), (n_epochs, 1))
    return generator.permuted(order, axis=1).reshape(n_epochs * n_minibatches, -1)
