"""``migrate``: rewrite legacy scripts."""

from __future__ import annotations

import argparse
import difflib
import io
import tokenize
from pathlib import Path

from stable_baselines_tf2.cli.support import UsageError, reported_as_usage
from stable_baselines_tf2.core.optional import require

HELP = "rewrite scripts for Stable Baselines 2 and old gym to this library and gymnasium; shows the changes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("scripts", nargs="+", metavar="SCRIPT", help="path of a script")
    parser.add_argument("--write", action="store_true", help="change the files, instead of only showing how")


def run(args: argparse.Namespace) -> int:
    """Rewrites, shows a diff, and lists what needs a decision."""
    with reported_as_usage():
        require("libcst", "migrate")
    from stable_baselines_tf2.core.archive import atomic_write
    from stable_baselines_tf2.migration.rewriter import new_lines, rewrite

    rewritten = []
    for name in args.scripts:  # all of them before any is written
        try:
            old = Path(name).read_bytes()
            rewritten.append((name, old, rewrite(old)))
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from error
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from error
    for name, old, (new, decisions) in rewritten:
        before, after = _text(old), _text(new)
        for shown in difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, name):
            print(shown, end="" if shown.endswith("\n") else "\n\\ No newline at end of file\n")
        if args.write:
            decisions = new_lines(before, after, decisions)
            if new != old:
                with reported_as_usage(), atomic_write(name) as file:
                    file.write(new)
        for line, text in decisions:
            print(f"{name}:{line}: {text}")
    return 0


def _text(source: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return source.decode(encoding)
