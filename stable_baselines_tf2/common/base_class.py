"""The base classes of the algorithms, under their legacy import path."""

from __future__ import annotations

from stable_baselines_tf2.common.vec_env.conversion import as_vec_env
from stable_baselines_tf2.core.tensorboard import TensorboardWriter
from stable_baselines_tf2.models.base import BaseRLModel
from stable_baselines_tf2.models.off_policy import OffPolicyRLModel
from stable_baselines_tf2.models.on_policy import ActorCriticRLModel
from stable_baselines_tf2.models.training import SetVerbosity

__all__ = [
    "ActorCriticRLModel",
    "BaseRLModel",
    "OffPolicyRLModel",
    "SetVerbosity",
    "TensorboardWriter",
    "as_vec_env",
]
