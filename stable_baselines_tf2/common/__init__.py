"""What the algorithms share, under the import paths of Stable Baselines."""

from __future__ import annotations

import importlib
from typing import Any

_PLACES = {  # imported when asked for: some of these load TensorFlow
    "base_class": ("ActorCriticRLModel", "BaseRLModel", "OffPolicyRLModel", "SetVerbosity", "TensorboardWriter"),
    "console_util": ("colorize", "fmt_item", "fmt_row"),
    "cmd_util": ("make_vec_env",),
    "dataset": ("Dataset",),
    "math_util": (
        "discount",
        "discount_with_boundaries",
        "explained_variance",
        "explained_variance_2d",
        "flatten_arrays",
        "unflatten_vector",
    ),
    "misc_util": ("boolean_flag", "set_global_seeds", "zipsame"),
}
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
