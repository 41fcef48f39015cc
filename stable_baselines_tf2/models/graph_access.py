"""Sessions, graphs and variables of TensorFlow 1, for programs that ask models for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from stable_baselines_tf2.core.graph_layers import outside_of_graphs
from stable_baselines_tf2.core.naming import legacy_name
from stable_baselines_tf2.core.parameters import JoinedParameters, NamedWeights, Parameters
from stable_baselines_tf2.models.session_model import SessionModel

PACKAGE = f"{__name__.split('.')[0]}."
# Methods that a program may call where a graph of its own is the default one.
METHODS = (
    "setup_model",
    "learn",
    "predict",
    "action_probability",
    "pretrain",
    "get_parameters",
    "load_parameters",
    "save",
    "load",
    "set_env",
    "export",
    "step",
    "value",
    "proba_step",
)


class GraphAccess:
    """What models have of TensorFlow 1: a session on the current weights, which may also assign them.

    An algorithm that trains in a session of its own sets ``sess`` and ``graph`` itself.
    """

    _param_load_ops: Any = None  # operations that assign weights, which nothing here needs

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Takes the methods of this library's algorithms out of the graphs that they are called in."""
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith(PACKAGE) and "setup_model" in vars(cls):
            _complete(cls)
        if cls.__module__.startswith(PACKAGE):
            for name in METHODS:
                method = vars(cls).get(name)
                if isinstance(method, classmethod):
                    setattr(cls, name, classmethod(outside_of_graphs(method.__func__)))
                elif method is not None:
                    setattr(cls, name, outside_of_graphs(method))

    _sess: Any = None
    _graph: Any = None

    @property
    def sess(self) -> Any:
        """A session on the current weights; what it assigns to variables becomes the model's weights."""
        return self._sess if self._sess is not None else self.acting_policy.sess  # type: ignore[attr-defined]

    @sess.setter
    def sess(self, session: tf.compat.v1.Session) -> None:
        self._sess = session

    @property
    def graph(self) -> tf.Graph:
        """The graph of `sess`."""
        return self._graph if self._graph is not None else self.acting_policy.graph  # type: ignore[attr-defined]

    @graph.setter
    def graph(self, graph: tf.Graph) -> None:
        self._graph = graph

    def graph_variables(self, variables: Iterable[Any]) -> list[Any]:
        """The variables of `graph` that stand for variables of the model."""
        names = [legacy_name(variable) for variable in variables]
        host = self.acting_policy.host  # type: ignore[attr-defined]
        for part in _parts(self.parameters):  # type: ignore[attr-defined]
            host.include(part)
        return [host.variable(name.removesuffix(":0")) for name in names]


def _complete(cls: type) -> None:
    """Gives a class that builds its own graph what its base class leaves open, if that is so."""
    left_open = [name for name in dir(cls) if getattr(getattr(cls, name, None), "__isabstractmethod__", False)]
    if left_open:
        own = {name for base in cls.__mro__ if not base.__module__.startswith(PACKAGE) for name in vars(base)}
        for name, member in vars(SessionModel).items():
            if name not in own - {"__doc__"} and not name.startswith("__"):
                setattr(cls, name, member)


class Acting:
    """An older name for the policy that acts; an algorithm with a graph of its own sets it."""

    def __get__(self, model: Any, cls: type | None = None) -> Any:
        return self if model is None else model.train_model


def _parts(parameters: NamedWeights) -> Iterator[Parameters]:
    if isinstance(parameters, Parameters):
        yield parameters
    elif isinstance(parameters, JoinedParameters):
        for part in parameters.parts:
            yield from _parts(part)
