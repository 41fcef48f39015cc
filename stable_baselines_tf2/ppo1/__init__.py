"""Proximal policy optimization, in several processes of MPI."""

from stable_baselines_tf2.ppo1.pposgd_simple import PPO1

__all__ = ["PPO1"]
