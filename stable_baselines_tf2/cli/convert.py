"""``convert``: model files of Stable Baselines to the current format, and back."""

from __future__ import annotations

import argparse

from stable_baselines_tf2.cli import support
from stable_baselines_tf2.files.registry import ALGORITHMS

HELP = "write a model file in the current format, or so that Stable Baselines 2.10 loads it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("old", metavar="OLD", help="the model file to read")
    parser.add_argument("new", metavar="NEW", help="the file to write")
    parser.add_argument("--to-legacy", action="store_true", help="write for Stable Baselines 2.10")
    parser.add_argument(
        "--algo",
        type=str.lower,
        choices=sorted(map(str.lower, ALGORITHMS)),
        help="the algorithm, for files that do not name it",
    )
    parser.add_argument(
        "--policy",
        metavar="FILE.py:CLASS",
        help="the policy's class, where it is your own; the program is run for that, as by the command run",
    )


def run(args: argparse.Namespace) -> int:
    """Reads and writes the model."""
    from stable_baselines_tf2.migration import inspect

    with support.reported_as_usage():
        found = inspect(args.old)
    if found.kind != "model":
        raise support.UsageError(f"{args.old} holds no model but: {found.kind}")
    name = args.algo or (found.algorithm or "").lower()
    if not name:
        raise support.UsageError(f"{args.old} does not name its algorithm; give it with --algo")
    algorithm = support.find_algorithm(name)
    objects = {} if args.policy is None else {"policy": _policy(args.policy)}
    with support.reported_as_usage():
        model = algorithm.load(args.old, custom_objects=objects)
        if args.to_legacy:
            from stable_baselines_tf2.migration.legacy_zip import write_legacy

            write_legacy(args.new, model)
        else:
            model.save(args.new)
    print(f"{args.new}: {algorithm.__name__}{' for Stable Baselines 2.10' if args.to_legacy else ''}")
    return 0


def _policy(name: str) -> type:
    from stable_baselines_tf2.common.policies import BasePolicy
    from stable_baselines_tf2.migration import install

    if ":" not in name:
        raise support.UsageError(f"--policy {name}: give the file and the class, as in policies.py:MyPolicy")
    install()
    return support.find_class(name, "--policy", BasePolicy, "a policy")
