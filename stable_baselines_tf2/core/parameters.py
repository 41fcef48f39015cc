"""The weights of a network as one flat vector.

A call into a compiled function pays for every variable that it touches. Training therefore keeps the weights in one
vector that goes into the update and comes out of it; the Keras variables are updated before they are read.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.compiled import FlatFunction
from stable_baselines_tf2.core.naming import legacy_name


class Parameters:
    """Variables and their flat vector, of which either may be ahead of the other.

    Readers go through `vector`, `arrays`, `as_dict` or call `sync` before they touch a variable; writers go through
    `advance` (a new vector, from an update) or `assign` (new values by name), or call `reread` after they have set
    variables.

    Args:
        variables: the Keras variables, in the legacy order.
        names: theirs in parameter dictionaries and files; by default their paths.
    """

    def __init__(self, variables: Sequence[Any], names: Sequence[str] | None = None) -> None:
        self.variables = list(variables)
        self.names = [legacy_name(variable) for variable in self.variables] if names is None else list(names)
        self.shapes = [tuple(variable.shape) for variable in self.variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        ends = np.cumsum(self.sizes).tolist()
        self._places = [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]
        self._index = {name: i for i, name in enumerate(self.names)}
        self.version = 0  # counts changes, so that copies know when they are out of date
        self._vector: tf.Tensor | None = None
        self._variables_behind = False
        self._write: FlatFunction | None = None  # one call instead of one for each variable

    @property
    def vector(self) -> tf.Tensor:
        """All weights, [n]."""
        if self._vector is None:
            flat = [np.asarray(variable.numpy(), np.float32).ravel() for variable in self.variables]
            self._vector = tf.constant(np.concatenate(flat) if flat else np.zeros(0, np.float32))
        return self._vector

    def advance(self, vector: tf.Tensor) -> None:
        """Takes the outcome of an update; the variables follow at the next `sync`."""
        self._vector = vector
        self._variables_behind = True
        self.version += 1

    def copy_from(self, other: Parameters) -> None:
        """Takes the weights of a network of the same shapes."""
        self.advance(other.vector)

    def sync(self) -> None:
        """Brings the variables up to date."""
        if self._variables_behind:
            self._variables_behind = False
            if self._write is None:
                self._write = FlatFunction(self._assign_all, [self.vector], in_caller=True)
            self._write([self.vector])

    def _assign_all(self, vector: tf.Tensor) -> list[tf.Tensor]:
        for variable, value in zip(self.variables, self.unflatten(vector), strict=True):
            variable.assign(value)
        return []

    def arrays(self, vector: tf.Tensor | None = None) -> list[np.ndarray]:
        """The weights (or those in another vector) as arrays, views of the vector that must not be written to."""
        flat = (self.vector if vector is None else vector).numpy()
        return [
            flat[place] if len(shape) == 1 else flat[place].reshape(shape)
            for place, shape in zip(self._places, self.shapes, strict=True)
        ]

    def reader(self) -> Callable[[str], np.ndarray]:
        """A function that gives single arrays by name, views of the vector of now that must not be written to."""
        flat, index = self.vector.numpy(), self._index

        def read(name: str) -> np.ndarray:
            i = index[name]
            return flat[self._places[i]].reshape(self.shapes[i])

        return read

    def place(self, names: Sequence[str]) -> slice:
        """Where in the vector the weights of these names stand.

        Raises:
            ValueError: they are not among the weights, one after the other.
        """
        first = self._index.get(names[0], 0)
        last = first + len(names)
        if self.names[first:last] != list(names):
            raise ValueError(f"the weights {', '.join(names)} do not stand in this order among {', '.join(self.names)}")
        return slice(self._places[first].start, self._places[last - 1].stop)

    def as_dict(self, vector: tf.Tensor | None = None) -> OrderedDict[str, np.ndarray]:
        """Copies of the weights (or those in another vector) by legacy name, in the legacy order."""
        return OrderedDict((name, array.copy()) for name, array in zip(self.names, self.arrays(vector), strict=True))

    def assign(self, values: Mapping[str, np.ndarray]) -> None:
        """Sets the named weights; shapes must have been checked."""
        arrays = self.as_dict()
        arrays.update(values)
        flat = [np.asarray(arrays[name], np.float32).ravel() for name in self.names]
        self.advance(tf.constant(np.concatenate(flat)))
        self.sync()

    def reread(self) -> None:
        """Takes the values of the variables, after they have been set from outside."""
        self._vector, self._variables_behind = None, False
        self.version += 1

    def unflatten(self, *pieces: tf.Tensor) -> list[tf.Tensor]:
        """The weights in their shapes, from a vector; for use in compiled functions, where it is differentiable.

        Args:
            pieces: the vector, or consecutive pieces of it that end between two weights. A gradient with respect to a
                piece costs less than one with respect to the whole vector.
        """
        ends = [place.stop for place in self._places]
        cuts = [0, *(bisect.bisect_left(ends, end) + 1 for end in np.cumsum([piece.shape[0] for piece in pieces]))]
        sizes = [self.sizes[first:last] for first, last in zip(cuts, cuts[1:], strict=False)]
        parts = [part for piece, own in zip(pieces, sizes, strict=True) for part in tf.split(piece, own)]
        return [
            part if len(shape) == 1 else tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)
        ]


def check_weights(given: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], *, exact_match: bool) -> None:
    """Compares weights that are to be set with those that there are.

    Args:
        given: weights by name.
        shapes: shapes of all weights, by name.
        exact_match: every weight must be given.

    Raises:
        KeyError: a name that does not exist.
        RuntimeError: weights are missing and ``exact_match`` is true.
        ValueError: a shape is wrong, or an array does not hold numbers.
    """
    unknown = [name for name in given if name not in shapes]
    if unknown:
        raise KeyError(f"the model has no parameters named {', '.join(unknown)}; it has {', '.join(shapes)}")
    missing = [name for name in shapes if name not in given]
    if exact_match and missing:
        raise RuntimeError(f"parameters are missing: {', '.join(missing)}; pass exact_match=False to set only some")
    for name, value in given.items():
        array = np.asarray(value)
        if array.shape != shapes[name] or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{name} has shape {array.shape} and type {array.dtype}; "
                f"the model needs numbers of shape {shapes[name]}"
            )


class FlatWeights:
    """The weights of a network that acts nowhere, as a flat vector only.

    Args:
        vector: the weights, [n].
    """

    def __init__(self, vector: tf.Tensor) -> None:
        self.vector = vector

    def advance(self, vector: tf.Tensor) -> None:
        """Takes the outcome of an update."""
        self.vector = vector


class Weights(Protocol):
    """What a training phase asks of weights that it changes; see `Parameters`."""

    @property
    def vector(self) -> tf.Tensor:
        """See `Parameters.vector`."""

    def advance(self, vector: tf.Tensor) -> None:
        """See `Parameters.advance`."""


class NamedWeights(Weights, Protocol):
    """What `JoinedParameters` asks of its parts; see `Parameters`."""

    variables: list[Any]
    names: list[str]
    shapes: list[tuple[int, ...]]

    def sync(self) -> None:
        """See `Parameters.sync`."""

    def as_dict(self) -> OrderedDict[str, np.ndarray]:
        """See `Parameters.as_dict`."""

    def assign(self, values: Mapping[str, np.ndarray]) -> None:
        """See `Parameters.assign`."""


class JoinedParameters:
    """The weights of several networks, each with a vector of its own, as one list by legacy name.

    Args:
        parts: the networks' weights, in the legacy order.
    """

    def __init__(self, *parts: NamedWeights) -> None:
        self.parts = parts
        self.variables = [variable for part in parts for variable in part.variables]
        self.names = [name for part in parts for name in part.names]
        self.shapes = [shape for part in parts for shape in part.shapes]

    def sync(self) -> None:
        """See `Parameters.sync`."""
        for part in self.parts:
            part.sync()

    def as_dict(self) -> OrderedDict[str, np.ndarray]:
        """See `Parameters.as_dict`."""
        return OrderedDict(item for part in self.parts for item in part.as_dict().items())

    def assign(self, values: Mapping[str, np.ndarray]) -> None:
        """See `Parameters.assign`."""
        for part in self.parts:
            own = {name: values[name] for name in part.names if name in values}
            if own:
                part.assign(own)
