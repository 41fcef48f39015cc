"""Small helpers: seeding, command line flags, lists."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from stable_baselines_tf2.core import distributed


def zipsame(*seqs: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """``zip`` of sequences that must have the same length.

    Raises:
        ValueError: they do not.
    """
    lengths = [len(seq) for seq in seqs]
    if len(set(lengths)) > 1:
        raise ValueError(f"sequences must have the same length, got lengths {lengths}")
    return zip(*seqs, strict=True)


def set_global_seeds(seed: int | None) -> None:
    """Seeds the generators of ``random`` and ``np.random``, and TensorFlow's if TensorFlow is imported already."""
    random.seed(seed)
    np.random.seed(seed)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.random.set_seed(seed)


def boolean_flag(
    parser: argparse.ArgumentParser, name: str, default: bool = False, help_msg: str | None = None
) -> None:
    """Adds the options ``--name`` and ``--no-name`` to a parser.

    Args:
        parser: the parser.
        name: name of the flag; the parsed attribute has underscores for its dashes.
        default: value when neither option is given.
        help_msg: help text.
    """
    parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=default, help=help_msg)


def mpi_rank_or_zero() -> int:
    """Number of this process under MPI, 0 without MPI."""
    return distributed.rank()


def flatten_lists(listoflists: Iterable[Iterable[Any]]) -> list[Any]:
    """The elements of all lists in one list."""
    return [element for inner in listoflists for element in inner]
