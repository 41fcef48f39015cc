"""Twin delayed DDPG."""

from stable_baselines_tf2.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines_tf2.td3.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy
from stable_baselines_tf2.td3.td3 import TD3

__all__ = [
    "TD3",
    "CnnPolicy",
    "LnCnnPolicy",
    "LnMlpPolicy",
    "MlpPolicy",
    "NormalActionNoise",
    "OrnsteinUhlenbeckActionNoise",
]
