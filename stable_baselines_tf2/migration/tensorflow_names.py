"""Which TensorFlow an import statement gets: programs that of version 1, libraries today's."""

from __future__ import annotations

import builtins
import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "")
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
# Names of tf that a program needs TensorFlow 1 for, since they build graphs or run them.
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


LIBRARIES = (*{os.path.join(sysconfig.get_path(kind), "") for kind in ("purelib", "platlib")}, PACKAGE)
python_import = builtins.__import__


def use_tensorflow_1() -> None:
    """Makes ``import tensorflow`` of programs mean TensorFlow 1 (see `migration.tensorflow1`), without loading it.

    Libraries go on with today's TensorFlow. A program that has imported TensorFlow before gets the names that are not
    in it any more. `install` does this too.
    """
    builtins.__import__ = _import
    if "tensorflow" in sys.modules:
        _teach(sys.modules["tensorflow"])


def _teach(tensorflow: ModuleType) -> None:
    fallback = vars(tensorflow).get("__getattr__")

    def __getattr__(name: str) -> Any:
        from stable_baselines_tf2.migration.tensorflow1 import face

        try:
            return face.find(name)
        except AttributeError:
            if fallback is None:
                raise
            return fallback(name)

    vars(tensorflow)["__getattr__"] = __getattr__


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    top, _, rest = name.partition(".")
    if top != "tensorflow" or level or rest.startswith("python") or globals is None or _is_library(globals):
        return python_import(name, globals, locals, fromlist or (), level)
    from stable_baselines_tf2.migration import tensorflow1

    return tensorflow1.find(name, innermost=bool(fromlist))


def _is_library(namespace: Mapping[str, object]) -> bool:
    """Whether code with these global names is an installed package, which knows today's TensorFlow, or this library."""
    file = namespace.get("__file__")
    if file is None:  # a notebook or a string of code; the latter is what libraries make
        return namespace.get("__name__") != "__main__"
    path = os.path.realpath(str(file))
    return any(path.startswith(folder) for folder in LIBRARIES)
