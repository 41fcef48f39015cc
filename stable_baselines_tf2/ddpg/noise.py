"""Noise for exploration, where scripts of DDPG import it from."""

from stable_baselines_tf2.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise

__all__ = ["AdaptiveParamNoiseSpec", "NormalActionNoise", "OrnsteinUhlenbeckActionNoise"]
