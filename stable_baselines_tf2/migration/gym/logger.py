"""``gym.logger``: gymnasium's logger under the old names."""

from __future__ import annotations

import gymnasium.logger
from gymnasium.logger import ERROR, WARN, deprecation, error, warn

DEBUG, INFO, DISABLED = 10, 20, 50
__all__ = ["DEBUG", "DISABLED", "ERROR", "INFO", "WARN", "debug", "deprecation", "error", "info", "set_level", "warn"]


def set_level(level: int) -> None:
    """Sets the least severe level of messages that are shown."""
    gymnasium.logger.min_level = level


setLevel = set_level


def info(msg: str, *args: object) -> None:
    """Prints a message."""
    if gymnasium.logger.min_level <= INFO:
        print(f"INFO: {msg % args}")


def debug(msg: str, *args: object) -> None:
    """Prints a message."""
    if gymnasium.logger.min_level <= DEBUG:
        print(f"DEBUG: {msg % args}")
