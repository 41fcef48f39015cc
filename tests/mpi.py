"""Runs Python code in several processes of MPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest


def run_processes(
    code: str, n: int = 2, arguments: Sequence[str] = (), timeout: float = 200
) -> subprocess.CompletedProcess:
    """Runs ``code`` in ``n`` processes; skips the test where there is no mpi4py or no launcher that fits it."""
    pytest.importorskip("mpi4py")
    folders = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
    launcher = shutil.which("mpiexec", path=folders)  # preferably that of the mpich wheel
    if launcher is None:
        pytest.skip("needs mpiexec")
    command = [launcher, "-n", str(n), sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)
