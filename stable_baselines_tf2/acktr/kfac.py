"""The optimizer of ACKTR under its legacy name; it works on flat vectors and lives in `core.optimizers.kfac`."""

from stable_baselines_tf2.core.optimizers.kfac import Kfac as KfacOptimizer

__all__ = ["KfacOptimizer"]
