"""``gym.error``: gymnasium's errors, and the old ones that it dropped."""

from gymnasium.error import *  # noqa: F403
from gymnasium.error import Error


class UnseedableEnv(Error):
    """The environment cannot be seeded."""


class DoubleWrapperError(Error):
    """The environment has such a wrapper already."""


class WrapAfterConfigureError(Error):
    """The environment can no longer be wrapped."""


class RetriesExceededError(Error):
    """Nothing worked, however often it was tried."""


class VideoRecorderNotStarted(Error):
    """Nothing is being recorded."""
