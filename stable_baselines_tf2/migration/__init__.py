"""What Stable Baselines 2 left behind: its files, read without executing anything of them, and its users' scripts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stable_baselines_tf2.migration.aliases import install as install
    from stable_baselines_tf2.migration.inspection import Inspection as Inspection
    from stable_baselines_tf2.migration.inspection import inspect as inspect
    from stable_baselines_tf2.migration.runner import run_script as run_script
    from stable_baselines_tf2.migration.unpickle import UnsafePickle as UnsafePickle
    from stable_baselines_tf2.migration.unpickle import loads as loads

_PLACES = {
    "Inspection": "inspection",
    "UnsafePickle": "unpickle",
    "inspect": "inspection",
    "install": "aliases",
    "loads": "unpickle",
    "run_script": "runner",
}  # imported when asked for
__all__ = ["Inspection", "UnsafePickle", "inspect", "install", "loads", "run_script"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
