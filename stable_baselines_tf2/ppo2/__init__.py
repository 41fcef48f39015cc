"""Proximal policy optimization."""

from stable_baselines_tf2.ppo2.ppo2 import PPO2

__all__ = ["PPO2"]
