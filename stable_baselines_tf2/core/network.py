"""Networks whose weights have legacy names and can be taken from a flat vector."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import keras
from keras import tree

from stable_baselines_tf2.core.naming import NamedLayers, legacy_name
from stable_baselines_tf2.core.parameters import Parameters
from stable_baselines_tf2.core.types import Tensor


def _unused(name: str, names: Collection[str]) -> str:
    """``name:0``, or ``name_1:0`` and so on, whichever is not among the names yet."""
    candidates = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1)))
    return next(f"{candidate}:0" for candidate in candidates if f"{candidate}:0" not in names)


class NamedNetwork(keras.Model):
    """A network of named layers.

    A subclass makes all layers in ``build`` and asks for them in ``call``, both within ``self._named.active()``.

    Args:
        name: what the names of its variables begin with.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self._named = NamedLayers(self)
        self._params: Parameters | None = None

    @contextlib.contextmanager
    def using(self, *vector: Tensor) -> Iterator[None]:
        """Within this block, the networks take their weights from a flat vector and are differentiable in it.

        Args:
            vector: the vector, or consecutive pieces of it (see `Parameters.unflatten`).
        """
        mapping = list(zip(self.params.variables, self.params.unflatten(*vector), strict=True))
        with keras.StatelessScope(state_mapping=mapping), keras.name_scope(self.name), self._named.active():
            yield

    def with_weights(self, vector: Tensor, *inputs: Tensor) -> Any:
        """`call` with the weights taken from a flat vector, differentiable in it; for use in compiled functions."""
        with self.using(vector):
            return self.call(*inputs)

    # ------------------------------------------------------------ weights
    @property
    def params(self) -> Parameters:
        """The weights, as flat vector and by legacy name."""
        if self._params is None:
            if not self.built:
                self._create()
            variables = [variable for layer in self.named_layers.values() for variable in layer.trainable_variables]
            names = [legacy_name(variable) for variable in variables]
            own = self._own_variables(variables)
            self._params = Parameters([*variables, *own.values()], [*names, *own])
        return self._params

    def _own_variables(self, named: Sequence[Any]) -> dict[str, Any]:
        """Variables besides the named ones, of Keras layers that a subclass keeps in its attributes, by name.

        Keras counts its names through the process (``dense_3``), which no other process repeats: the attribute's name
        and the order within it make these.
        """
        found: dict[str, Any] = {}
        of_keras = {*vars(keras.Model()), "named_layers"}  # some of them list all layers
        seen = set(map(id, named))
        for attribute, value in vars(self).items():
            if attribute in of_keras or attribute.startswith("_self_"):
                continue
            for layer in tree.flatten(value):
                if not isinstance(layer, keras.layers.Layer) or isinstance(layer, NamedNetwork):
                    continue
                for variable in layer.trainable_variables:
                    if id(variable) not in seen:
                        seen.add(id(variable))
                        found[_unused(f"{self.name}/{attribute}/{variable.name}", found)] = variable
        return found

    def _create(self) -> None:
        """Creates the variables."""
        self.build()

    # Keras' own views of the weights must not be behind the vector that training works on.
    @property
    def variables(self) -> list[Any]:
        """All variables, up to date."""
        self._sync()
        return super().variables

    @property
    def weights(self) -> list[Any]:
        """All variables, up to date."""
        self._sync()
        return super().weights

    @property
    def trainable_variables(self) -> list[Any]:
        """Trainable variables, up to date."""
        self._sync()
        return super().trainable_variables

    @property
    def trainable_weights(self) -> list[Any]:
        """Trainable variables, up to date."""
        self._sync()
        return super().trainable_weights

    def _sync(self) -> None:
        params = getattr(self, "_params", None)
        if params is not None:
            params.sync()

    def save_weights(self, filepath: str | os.PathLike, **kwargs: object) -> None:
        """Writes all weights to a file of Keras."""
        self._sync()
        super().save_weights(filepath, **kwargs)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, in the order of `weights`."""
        super().set_weights(weights)
        self.params.reread()

    def load_weights(self, filepath: str | os.PathLike, **kwargs: object) -> None:
        """Sets all weights from a file that Keras' ``save_weights`` wrote."""
        super().load_weights(filepath, **kwargs)
        self.params.reread()
