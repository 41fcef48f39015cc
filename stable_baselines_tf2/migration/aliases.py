"""``import stable_baselines`` and ``import gym``, without either being installed.

Both names, and everything below them, become other names of modules of this library and of gymnasium: the modules
themselves, not copies.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from stable_baselines_tf2.core import hooks
from stable_baselines_tf2.migration import old_interface, tensorflow_names

_LIBRARY = {"stable_baselines": ("stable_baselines_tf2",)}
_GYM = {"gym": ("stable_baselines_tf2.migration.gym", "gymnasium")}  # looked up in turn


def install(replace_gym: bool = True) -> None:
    """Makes scripts written for Stable Baselines 2 and old gym importable in this process.

    To be called before their imports; calling it again changes nothing. Workers of a `SubprocVecEnv` follow.

    - ``import stable_baselines`` means this library.
    - ``import gym`` means a shim over gymnasium with the old interface, see `stable_baselines_tf2.migration.gym`.
    - Environments and wrappers of this library speak the old interface where a script made them from old ones.
    - ``import tensorflow`` means TensorFlow 1, graphs and sessions included, see `migration.tensorflow1`.

    Args:
        replace_gym: False leaves ``import gym`` to the gym that is installed; its environments are accepted too.

    Raises:
        ImportError: the original ``stable_baselines``, or the real ``gym`` to be replaced, is imported already.
    """
    from stable_baselines_tf2.common.vec_env import subproc_vec_env

    names = _LIBRARY | _GYM if replace_gym else _LIBRARY
    for name, targets in names.items():
        loaded = sys.modules.get(name)
        if loaded is not None and loaded.__name__ != targets[0]:
            raise ImportError(
                f"install() must come before {name!r} is imported; it is loaded from {getattr(loaded, '__file__', '?')}"
            )
    finder = next((finder for finder in sys.meta_path if isinstance(finder, AliasFinder)), None)
    if finder is None:
        finder = AliasFinder({})
        sys.meta_path.insert(0, finder)
        tensorflow_names.use_tensorflow_1()
        subproc_vec_env.worker_setup.append(install if replace_gym else _install_without_gym)
        hooks.strict = False  # programs written for Stable Baselines do not know of hooks
    finder.names |= names


def _install_without_gym() -> None:
    install(replace_gym=False)


class AliasFinder(MetaPathFinder):
    """Finds modules under other names.

    Args:
        names: what a top-level package stands for: packages to look for a submodule in, in turn.
    """

    def __init__(self, names: dict[str, Sequence[str]]) -> None:
        self.names = dict(names)

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        top, _, rest = fullname.partition(".")
        for package in self.names.get(top, ()):
            real = f"{package}.{rest}" if rest else package
            try:
                spec = importlib.util.find_spec(real)
            except ModuleNotFoundError:  # not even its parent is there
                continue
            if spec is not None:
                is_package = spec.submodule_search_locations is not None
                return ModuleSpec(fullname, _AliasLoader(real), is_package=is_package)
        return None


class _AliasLoader(Loader):
    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self.attributes = {
            name: getattr(module, name)
            for name in ("__spec__", "__loader__", "__package__", "__path__")
            if hasattr(module, name)
        }
        return module

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self.attributes)  # the import system has just written the alias into some of them
        old_interface.adopt_loaded()
