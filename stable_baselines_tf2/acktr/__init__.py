"""Actor-critic with Kronecker-factored trust regions."""

from stable_baselines_tf2.acktr.acktr import ACKTR

__all__ = ["ACKTR"]
