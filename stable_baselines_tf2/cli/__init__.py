"""The command line: one module per command, each with ``HELP``, ``add_arguments`` and ``run``.

The modules import TensorFlow and environments inside ``run``, so that ``--help`` and bad arguments answer at once.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from stable_baselines_tf2 import __version__
from stable_baselines_tf2.cli import benchmark, convert, demo, enjoy, inspect, migrate, run, train
from stable_baselines_tf2.cli.support import UsageError

COMMANDS = {
    **{"demo": demo, "train": train, "enjoy": enjoy, "benchmark": benchmark},
    **{"run": run, "migrate": migrate, "inspect": inspect, "convert": convert},
}


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="stable-baselines-tf2", description="Train, watch and compare agents.")
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="{" + ",".join(COMMANDS) + "}")
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run, subparser=subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0 for success, 1 when the command did not reach its goal, 130 when interrupted. Bad arguments end
        the process with code 2 and a message.
    """
    args = build_parser().parse_args(argv)
    subparser: argparse.ArgumentParser = args.subparser
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return args.run(args)
    except UsageError as error:
        subparser.error(str(error))
    except KeyboardInterrupt:
        return 130
