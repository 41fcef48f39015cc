"""Runs a script that was written for Stable Baselines 2 and old gym."""

from __future__ import annotations

import os
import runpy
import sys
import tokenize
from collections.abc import Sequence

from stable_baselines_tf2.migration.aliases import install


class ScriptError(ValueError):
    """The script cannot be run at all."""


def run_script(path: str | os.PathLike, arguments: Sequence[str] = (), replace_gym: bool = True) -> None:
    """Runs a script as ``python path arguments`` would, with the aliases of `install`.

    What the script raises is raised here, ``SystemExit`` included.

    Args:
        path: the script.
        arguments: its command line arguments.
        replace_gym: see `install`.

    Raises:
        ScriptError: it cannot be read, or is not Python 3.
    """
    path = os.fspath(path)
    try:
        with tokenize.open(path) as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    except OSError as error:
        raise ScriptError(f"cannot read {path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        line = getattr(error, "lineno", None)
        where = path if line is None else f"{path}, line {line}"
        raise ScriptError(f"{where}: not Python {sys.version_info[0]}: {getattr(error, 'msg', error)}") from error
    install(replace_gym)
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    runpy.run_path(path, run_name="__main__")
