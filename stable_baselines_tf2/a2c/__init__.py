"""Advantage actor-critic."""

from stable_baselines_tf2.a2c.a2c import A2C

__all__ = ["A2C"]
