"""Hooks: methods of a base class that subclasses override, marked so that a misspelled one is found at once."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])
SIMILARITY, MAX_DIFFERENCE = 0.85, 2  # ratio and lengths of names of which one is taken for the other, misspelled
strict = True  # False warns about unknown hooks, as for programs that were written before there were any


def hook(method: Method) -> Method:
    """Marks a method of a base class as one that subclasses override; below ``@property`` for properties."""
    method.is_hook = True  # type: ignore[attr-defined]
    return method


def hooks_of(cls: type) -> dict[str, str]:
    """The hooks of a class and its bases, with the first line of what is said about each."""
    hooks: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            if _is_marked(member):
                hooks.setdefault(name, (inspect.getdoc(member) or "").partition("\n")[0])
    return hooks


def _is_marked(member: object) -> bool:
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    return getattr(function, "is_hook", False) is True


def check_hooks(cls: type, attributes: Iterable[str] = ()) -> None:
    """Looks for misspelled hooks among what a class defines that its bases do not have.

    Args:
        cls: a class that has just been made.
        attributes: class attributes that subclasses set, which are looked at as well.

    Raises:
        TypeError: a name looks like that of a hook, and is not one; the message lists them. With `strict`
            switched off it is a warning.
    """
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
    known = {*attributes, *(name for base in cls.__mro__[1:] for name in hooks_of(base))}
    for name, member in vars(cls).items():
        if name in inherited or (name.startswith("__") and name.endswith("__")) or _is_marked(member):
            continue
        similar = [other for other in known if abs(len(other) - len(name.strip("_"))) <= MAX_DIFFERENCE]
        meant = difflib.get_close_matches(name.strip("_"), similar, n=1, cutoff=SIMILARITY)
        if not meant:
            continue
        message = (
            f"{cls.__name__}.{name} is not a hook of its base classes; did you mean {meant[0]!r}? "
            f"The hooks are {', '.join(sorted(known))}"
        )
        if strict:
            raise TypeError(message)
        warnings.warn(message, stacklevel=3)


def check_saved(cls: type, saved: Iterable[str], not_saved: Iterable[str]) -> None:
    """Checks that every argument of a constructor is declared: as one that files hold, or as one that they do not.

    Args:
        cls: a class that has just been made; its attribute ``saved`` is where arguments belong.
        saved: names of the arguments that files hold.
        not_saved: names of those that they do not.

    Raises:
        TypeError: an argument is in neither, or what the ``saved`` of a base class names is missing: it would come back
            from a file as its default. With `strict` switched off it is a warning.
    """
    inherited: list[str] = [name for base in cls.__mro__[1:] for name in vars(base).get("saved", ())]
    own: list[str] = []
    if "__init__" in vars(cls):
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.items())[1:]
        own = [name for name, parameter in parameters if parameter.kind in named and not name.startswith("_")]
    declared = {*saved, *not_saved}
    forgotten = [name for name in dict.fromkeys([*own, *inherited]) if name not in declared]
    if not forgotten:
        return
    base = next(base.__name__ for base in cls.__mro__[1:] if hasattr(base, "saved"))
    new = ", ".join(repr(name) for name in forgotten if name not in inherited)
    message = (
        f"{cls.__name__}.saved does not name {', '.join(forgotten)}, so that a file would not hold them. "
        f"Write saved = (*{base}.saved, {new}), or name them in `not_saved` if a file need not hold them"
    )
    if strict:
        raise TypeError(message)
    warnings.warn(message, stacklevel=3)
