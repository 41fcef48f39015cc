"""Trust region policy optimization."""

from stable_baselines_tf2.trpo_mpi.trpo_mpi import TRPO

__all__ = ["TRPO"]
