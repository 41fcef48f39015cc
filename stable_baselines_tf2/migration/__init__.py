"""Reading what Stable Baselines 2 left behind, without executing anything of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stable_baselines_tf2.migration.unpickle import UnsafePickle as UnsafePickle
    from stable_baselines_tf2.migration.unpickle import loads as loads

_PLACES = {"UnsafePickle": "unpickle", "loads": "unpickle"}  # imported when asked for
__all__ = ["UnsafePickle", "loads"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
