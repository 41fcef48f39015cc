"""Actor-critic with experience replay."""

from stable_baselines_tf2.acer.acer_simple import ACER

__all__ = ["ACER"]
