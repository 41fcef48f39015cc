"""Imports of optional dependencies, with an error that says how to get them."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Imports a module that only one of the extras brings.

    Args:
        module: dotted name of the module, e.g. ``"matplotlib.pyplot"``.
        extra: name of the extra in ``setup.cfg`` that installs it.

    Returns:
        The imported module.

    Raises:
        ImportError: the module is not installed; the message names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(f'{module} is needed here: pip install "stable-baselines-tf2[{extra}]"') from error
