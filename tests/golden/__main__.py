"""Runs golden cases: ``python -m tests.golden DIR [DIR ...] [--algorithm NAME ...]``.

Prints one line for each failing case and ends with ``N passed, M failed``; the exit code is 1 when any case fails.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import sys

from stable_baselines_tf2.migration import install
from tests.golden import load_drivers, run_case


def main() -> int:
    """Runs every case under the folders; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--algorithm", nargs="+", help="only cases of these algorithms (functions are always run)")
    parser.add_argument("--graphs", action="store_true", help="cases of the policies in graph_policies.py")
    parser.add_argument("--only", default="", help="only cases whose id contains this")
    arguments = parser.parse_args()
    load_drivers()
    if arguments.graphs:
        install()
        importlib.import_module("tests.golden.graph_policies").register()
    passed = failed = 0
    for path in sorted(path for folder in arguments.folders for path in folder.rglob("*.json")):
        algorithm = json.loads(path.read_text()).get("algorithm")
        if arguments.only not in path.stem or (
            arguments.algorithm and algorithm and algorithm not in arguments.algorithm
        ):
            continue
        reason = run_case(path)
        passed, failed = passed + (reason is None), failed + (reason is not None)
        if reason is not None:
            print(f"{path.stem}: {reason}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
