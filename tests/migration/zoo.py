"""Where the model files of the original are: they are other people's work and no part of this repository."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

_DEFAULT = pathlib.Path(__file__).resolve().parents[3] / "shared"
ZOO = pathlib.Path(os.environ.get("SBTF2_SHARED", _DEFAULT)) / "zoo"
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason="the folder with the original's model files is absent")


def index(folder: str = ".") -> Any:
    """What the zoo (or ``made``) says about its files; nothing where it is absent."""
    path = ZOO / folder / "index.json"
    return json.loads(path.read_text()) if path.exists() else {"agents": [], "vec_normalize": []}
