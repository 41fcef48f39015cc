"""Text for terminals: table cells, rows and colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

ANSI_COLORS = {
    name: 30 + i
    for i, name in enumerate(("gray", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "crimson"))
}


def fmt_item(item: object, min_width: int) -> str:
    """A value right-aligned in ``min_width`` characters; very large and small floats in scientific notation.

    Raises:
        ValueError: an array with axes.
    """
    if isinstance(item, np.ndarray):
        if item.ndim:
            raise ValueError(f"item must be a scalar, not an array of shape {item.shape}")
        item = item.item()
    if isinstance(item, float | np.floating):
        magnitude: Any = abs(item)
        moderate = magnitude == 0 or 1e-4 <= magnitude <= 1e4
        item = f"{item:7.5f}" if moderate else f"{item:7.2e}"
    return str(item).rjust(min_width)


def fmt_row(width: int, row: Iterable[Any], header: bool = False) -> str:
    """Values side by side, each at least ``width`` wide; a header is underlined."""
    line = " | ".join(fmt_item(item, width) for item in row)
    return f"{line}\n{'-' * len(line)}" if header else line


def colorize(string: str, color: str, bold: bool = False, highlight: bool = False) -> str:
    """A string with ANSI colour codes around it.

    Args:
        string: the text.
        color: a key of ``ANSI_COLORS``.
        bold: print it bold.
        highlight: colour the background instead.

    Raises:
        ValueError: an unknown colour.
    """
    if color not in ANSI_COLORS:
        raise ValueError(f"color must be one of {', '.join(ANSI_COLORS)}, not {color!r}")
    codes = [str(ANSI_COLORS[color] + 10 * highlight), *(["1"] if bold else [])]
    return f"\x1b[{';'.join(codes)}m{string}\x1b[0m"
