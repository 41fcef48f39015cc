"""Dictionaries whose values are computed when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Readers: TypeAlias = dict[str, Callable[[Any], Any]]  # for each name, a function of the source


class _Later:
    """Values that are not computed yet."""

    __slots__ = ("readers", "source")

    def __init__(self, readers: Readers, source: object) -> None:
        self.readers, self.source = readers, source


class LazyDict(dict[str, Any]):
    """A dictionary that takes, besides values, functions that compute them; each is called at most once."""

    def offer(self, readers: Readers, source: object) -> None:
        """Sets keys to values that ``readers[key](source)`` gives once they are wanted."""
        later = _Later(readers, source)
        super().update(dict.fromkeys(readers, later))

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if type(value) is _Later:
            value = value.readers[name](value.source)
            super().__setitem__(name, value)
        return value

    def __iter__(self) -> Iterator[str]:  # with this one of its own, dict(…) and {**…} take values by __getitem__
        return super().__iter__()

    def get(self, name: str, default: object = None) -> Any:
        return self[name] if name in self else default

    def pop(self, name: str, *default: object) -> Any:
        if name in self:
            self[name]
        return super().pop(name, *default)

    def setdefault(self, name: str, default: object = None) -> Any:
        super().setdefault(name, default)
        return self[name]

    def values(self) -> Any:
        return [self[name] for name in self]

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def update(self, *given: object, **named: object) -> None:
        if given and isinstance(given[0], LazyDict):  # stays lazy
            for name in given[0]:
                super().__setitem__(name, dict.__getitem__(given[0], name))
            given = ()
        super().update(*given, **named)

    def __or__(self, other: Any) -> Any:
        return dict(self) | dict(other)

    def __ror__(self, other: Any) -> Any:
        return dict(other) | dict(self)

    def __eq__(self, other: object) -> bool:
        return dict(self) == (dict(other) if isinstance(other, LazyDict) else other)

    __hash__ = None

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)
