"""Networks whose weights have legacy names and can be taken from a flat vector."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from stable_baselines_tf2.core.naming import NamedLayers
from stable_baselines_tf2.core.parameters import Parameters
from stable_baselines_tf2.core.types import Tensor


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
            layers = self.named_layers.values()
            self._params = Parameters([variable for layer in layers for variable in layer.trainable_variables])
        return self._params

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
