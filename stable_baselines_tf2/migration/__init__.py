"""What Stable Baselines 2 left behind: its files, read without executing anything of them, and its users' scripts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stable_baselines_tf2.files.inspection import Inspection as Inspection
    from stable_baselines_tf2.files.inspection import inspect as inspect
    from stable_baselines_tf2.files.pickle_objects import loads as loads
    from stable_baselines_tf2.files.pickle_tree import UnsafePickle as UnsafePickle
    from stable_baselines_tf2.migration.aliases import install as install
    from stable_baselines_tf2.migration.runner import run_script as run_script
    from stable_baselines_tf2.migration.tensorflow_names import use_tensorflow_1 as use_tensorflow_1

_PACKAGE = __name__.split(".")[0]
_PLACES = {
    "Inspection": "files.inspection",
    "UnsafePickle": "files.pickle_tree",
    "inspect": "files.inspection",
    "install": "migration.aliases",
    "loads": "files.pickle_objects",
    "run_script": "migration.runner",
    "use_tensorflow_1": "migration.tensorflow_names",
}  # imported when asked for
__all__ = ["Inspection", "UnsafePickle", "inspect", "install", "loads", "run_script", "use_tensorflow_1"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{_PACKAGE}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
