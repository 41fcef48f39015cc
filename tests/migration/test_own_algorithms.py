"""Algorithms of one's own that build a graph in ``setup_model`` and train in a session of their own."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_weights_are_those_of_the_original(tmp_path):
    program, numbers = HERE / "own_algorithm.py", HERE.parent / "data" / "own_algorithm.npz"
    command = [sys.executable, "-m", "stable_baselines_tf2", "run", program, "check", numbers, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == "same weights 32 [1, 1, 1]\n", result.stderr
    assert list((tmp_path / "PG_1").glob("events.*"))
