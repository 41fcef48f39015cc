"""Deep deterministic policy gradient."""

from stable_baselines_tf2.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines_tf2.ddpg.ddpg import DDPG
from stable_baselines_tf2.ddpg.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy

__all__ = [
    "DDPG",
    "AdaptiveParamNoiseSpec",
    "CnnPolicy",
    "LnCnnPolicy",
    "LnMlpPolicy",
    "MlpPolicy",
    "NormalActionNoise",
    "OrnsteinUhlenbeckActionNoise",
]
