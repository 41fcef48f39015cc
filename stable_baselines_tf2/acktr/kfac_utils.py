"""Helpers of K-FAC under their legacy names."""

from stable_baselines_tf2.core.optimizers.kfac import without_small as clipout_neg

__all__ = ["clipout_neg"]
