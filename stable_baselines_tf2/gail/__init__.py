"""Generative adversarial imitation learning, and expert data."""

from stable_baselines_tf2.gail.dataset.dataset import DataLoader, ExpertDataset
from stable_baselines_tf2.gail.dataset.record_expert import generate_expert_traj
from stable_baselines_tf2.gail.model import GAIL

__all__ = ["GAIL", "DataLoader", "ExpertDataset", "generate_expert_traj"]
