"""The weights of a graph that a program's own session holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf


class SessionParameters:
    """Variables of a graph by name; see `core.parameters.Parameters`.

    Args:
        session: where the values are.
        variables: the variables.
    """

    def __init__(self, session: tf.compat.v1.Session, variables: Sequence[tf.Variable]) -> None:
        self._session, self.variables = session, list(variables)
        self.names = [variable.name for variable in self.variables]
        self.shapes = [tuple(variable.shape.as_list()) for variable in self.variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    def sync(self) -> None:
        """Nothing is ever behind."""

    def as_dict(self) -> OrderedDict[str, np.ndarray]:
        """The values by name."""
        return OrderedDict(zip(self.names, self._session.run(self.variables), strict=True))

    def assign(self, values: Mapping[str, np.ndarray]) -> None:
        """Sets the named variables; shapes must have been checked."""
        by_name = dict(zip(self.names, self.variables, strict=True))
        # The operations that give initial values take others as well.
        initializers = [by_name[name].initializer for name in values]
        feed = {operation.inputs[1]: values[name] for operation, name in zip(initializers, values, strict=True)}
        self._session.run(initializers, feed)
