"""Compiled functions of flat tensor arguments, and the short way to call them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor


class FlatFunction:
    """A function traced once, for the shapes of its arguments.

    A call bypasses the argument handling of ``tf.function`` and, where asked to, the hand-over to other threads: for a
    small network each would cost more than the arithmetic.

    Args:
        function: takes tensors and returns a list of tensors.
        arguments: tensors like those of the calls.
        in_caller: run in the calling thread. Not for functions with loops, unless XLA has compiled the part that
            loops.
    """

    def __init__(self, function: Callable[..., list[Tensor]], arguments: Sequence[Tensor], *, in_caller: bool) -> None:
        self._concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
        self._captured = list(self._concrete.captured_inputs)
        self._output_types = [output.dtype for output in self._concrete.outputs]
        self._executor = "SINGLE_THREADED_EXECUTOR" if in_caller else ""

    def __call__(self, arguments: Sequence[Tensor | np.ndarray]) -> list[Tensor]:
        """The outputs for tensors or arrays of the traced shapes and dtypes; no array may be changed afterwards."""
        return tf.raw_ops.StatefulPartitionedCall(
            args=[*arguments, *self._captured], Tout=self._output_types, f=self._concrete, executor_type=self._executor
        )
