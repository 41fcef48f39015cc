"""What a lower wing needs of a higher one: functions that the package provides by full name.

Imports run down; this is the one way up, and `stable_baselines_tf2/__init__.py` lists what takes it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_places: dict[str, str] = {}


def provide(service: str, place: str) -> None:
    """Says where a function is.

    Args:
        service: what lower wings call it.
        place: ``"module:name"``; imported when it is first used.
    """
    _places[service] = place


def use(service: str) -> Callable[..., Any]:
    """The function that was provided.

    Raises:
        LookupError: none was.
    """
    if service not in _places:
        raise LookupError(f"nothing provides {service!r}; provided are {', '.join(sorted(_places)) or 'none'}")
    module, _, name = _places[service].partition(":")
    return getattr(importlib.import_module(module), name)
