"""``run``: a legacy script, as it is."""

from __future__ import annotations

import argparse

from stable_baselines_tf2.cli.support import UsageError

HELP = "run a script written for Stable Baselines 2 and old gym, unchanged"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--keep-gym", action="store_true", help="leave 'import gym' to the gym that is installed, instead of the shim"
    )
    parser.add_argument("script", metavar="SCRIPT", help="path of the script")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="arguments of the script")


def run(args: argparse.Namespace) -> int:
    """Runs the script."""
    from stable_baselines_tf2.migration.runner import ScriptError, run_script

    try:
        run_script(args.script, args.arguments, replace_gym=not args.keep_gym)
    except ScriptError as error:
        raise UsageError(str(error)) from error
    return 0
