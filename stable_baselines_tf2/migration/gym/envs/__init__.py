"""``gym.envs``."""

from stable_baselines_tf2.migration.gym.envs.registration import make, register, registry, spec

__all__ = ["make", "register", "registry", "spec"]
