"""Names of TensorFlow 1: which still make sense, and what to say about the others."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from stable_baselines_tf2.core.checks import GRAPH_ADVICE

# Where the names of functions and classes that work outside of a graph are today.
MOVED = {
    "Summary": "compat.v1.Summary",
    "HistogramProto": "compat.v1.HistogramProto",
    "ceil": "math.ceil",
    "cumprod": "math.cumprod",
    "digamma": "math.digamma",
    "erf": "math.erf",
    "glorot_uniform_initializer": "compat.v1.glorot_uniform_initializer",
    "is_finite": "math.is_finite",
    "is_inf": "math.is_inf",
    "is_nan": "math.is_nan",
    "lgamma": "math.lgamma",
    "log": "math.log",
    "log1p": "math.log1p",
    "log_sigmoid": "math.log_sigmoid",
    "logging": "compat.v1.logging",
    "orthogonal_initializer": "compat.v1.orthogonal_initializer",
    "random_normal": "random.normal",
    "random_uniform": "random.uniform",
    "rsqrt": "math.rsqrt",
    "set_random_seed": "random.set_seed",
    "squared_difference": "math.squared_difference",
    "to_float": "compat.v1.to_float",
    "to_int32": "compat.v1.to_int32",
    "truncated_normal": "random.truncated_normal",
}
# What built graphs and ran them. TensorFlow 2 has some of it under compat.v1, where it is of no use to this library.
GRAPH = {
    "AUTO_REUSE",
    "ConfigProto",
    "GPUOptions",
    "GraphKeys",
    "InteractiveSession",
    "Session",
    "app",
    "assign",
    "contrib",
    "flags",
    "get_collection",
    "get_default_graph",
    "get_default_session",
    "get_variable",
    "get_variable_scope",
    "global_variables",
    "global_variables_initializer",
    "layers",
    "local_variables_initializer",
    "placeholder",
    "placeholder_with_default",
    "reset_default_graph",
    "trainable_variables",
    "variable_scope",
}


def watch() -> None:
    """Brings the names back to TensorFlow, which is not loaded for that; once it is, at the latest."""
    if "tensorflow" in sys.modules:
        _teach(sys.modules["tensorflow"])
    else:
        sys.meta_path.insert(0, _Watcher())


class _Watcher(MetaPathFinder):
    """Finds out when TensorFlow is imported, as opposed to only being looked for."""

    _is_looking = False

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        if fullname != "tensorflow" or self._is_looking:
            return None
        self._is_looking = True
        try:
            spec: ModuleSpec | None = importlib.util.find_spec("tensorflow")
        finally:
            self._is_looking = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_teach(module: ModuleType) -> None:
                sys.meta_path.remove(self)
                execute(module)
                _teach(module)

            spec.loader.exec_module = execute_and_teach  # type: ignore[method-assign]
        return spec


def _teach(tensorflow: ModuleType) -> None:
    fallback = vars(tensorflow).get("__getattr__")

    def __getattr__(name: str) -> Any:
        if name in MOVED:
            found: Any = tensorflow
            for part in MOVED[name].split("."):
                found = getattr(found, part)
            return found
        if name in GRAPH:
            raise AttributeError(graph_error(name))
        if fallback is not None:
            return fallback(name)
        raise AttributeError(f"module 'tensorflow' has no attribute {name!r}")

    vars(tensorflow)["__getattr__"] = __getattr__


def graph_error(name: str) -> str:
    """The error message for a use of one of the names in `GRAPH`."""
    return f"tf.{name} belongs to the graphs and sessions of TensorFlow 1, which are not used here; {GRAPH_ADVICE}"
