"""Tests of terminal text."""

import numpy as np
import pytest

from stable_baselines_tf2.common.console_util import colorize, fmt_item, fmt_row


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (0.5, "   0.50000"),
        (0.0, "   0.00000"),
        (12345.0, "  1.23e+04"),
        (-1e-5, " -1.00e-05"),
        (7, "         7"),
        (np.array(2), "         2"),
    ],
)
def test_fmt_item(item, text):
    assert fmt_item(item, 10) == text


def test_fmt_item_refuses_arrays():
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        fmt_item(np.zeros(2), 3)


def test_fmt_row():
    assert fmt_row(3, ["a", 12], header=True) == "  a |  12\n---------"


def test_colorize():
    assert colorize("x", "red", bold=True) == "\x1b[31;1mx\x1b[0m"
    assert colorize("x", "green", highlight=True) == "\x1b[42mx\x1b[0m"
    with pytest.raises(ValueError, match="pink"):
        colorize("x", "pink")
