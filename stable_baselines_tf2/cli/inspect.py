"""``inspect``: what a file holds, without executing it."""

from __future__ import annotations

import argparse
import json

from stable_baselines_tf2.cli import support

HELP = "say what a model file or another file of Stable Baselines holds, without executing it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the report; the exit code is 1 where something is suspicious."""
    from stable_baselines_tf2.migration import inspect

    with support.reported_as_usage():
        found = inspect(args.file)
    print(json.dumps(found.to_dict(), indent=4) if args.json else found)
    return 1 if found.suspicious else 0
