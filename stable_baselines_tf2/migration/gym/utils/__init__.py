"""``gym.utils``."""

from gymnasium.utils import EzPickle, colorize

__all__ = ["EzPickle", "colorize"]
