"""Policies by name, for each kind of policy.

A kind is a base class such as ``ActorCriticPolicy``; classes that state ``of_many_kinds`` in their body belong to none.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar

Policy = TypeVar("Policy", bound=type)
policies_of: dict[type, dict[str, type]] = {}  # by kind, then by name
saved_classes: list[type] = []  # files name these classes and what derives from them


def get_policy_from_name(base_policy_type: Policy, name: str) -> Policy:
    """The policy class that is registered under a name.

    Args:
        base_policy_type: the kind of policy that an algorithm uses.
        name: e.g. ``"MlpPolicy"``.

    Raises:
        ValueError: there is no such policy; the message lists those that are.
    """
    known = policies_of.get(base_policy_type)
    if known is None:
        raise ValueError(f"no policies are registered for {base_policy_type.__name__}")
    if name not in known:
        raise ValueError(f"policy: {name!r} is unknown; there are {', '.join(sorted(known))}")
    return known[name]  # type: ignore[return-value]


def register_policy(name: str, policy: type) -> None:
    """Registers a policy under a name, by which algorithms then take it.

    Args:
        name: the name.
        policy: a subclass of one of the base policies.

    Raises:
        ValueError: the name is taken, or the class belongs to no kind of policy.
    """
    kinds = [base for base in policy.__mro__ if hasattr(base, "of_many_kinds") and "of_many_kinds" not in vars(base)]
    if not kinds:
        raise ValueError(f"policy: {policy.__name__} is not a subclass of ActorCriticPolicy or another kind of policy")
    known = policies_of.setdefault(kinds[-1], {})
    if name in known:
        raise ValueError(f"name: {name!r} is already registered, for {known[name].__name__}")
    known[name] = policy


def is_saved_class(item: object) -> bool:
    """Whether this is a class of policies or of models (which `HER` files name)."""
    return isinstance(item, type) and issubclass(item, tuple(saved_classes))


def loaded_class(module: str, name: str) -> Any:
    """A class of policies or models by the name that a file gives, if the program has it already; None otherwise."""
    registered = (policy for family in policies_of.values() for policy in family.values())
    found = next((cls for cls in registered if (cls.__module__, cls.__qualname__) == (module, name)), None)
    found = found or getattr(sys.modules.get(module), name, None)
    return found if is_saved_class(found) else None
