"""Deep Q-learning."""

from __future__ import annotations

import gymnasium

from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines_tf2.deepq.build_graph import build_act, build_train
from stable_baselines_tf2.deepq.dqn import DQN
from stable_baselines_tf2.deepq.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy

__all__ = [
    "DQN",
    "CnnPolicy",
    "LnCnnPolicy",
    "LnMlpPolicy",
    "MlpPolicy",
    "PrioritizedReplayBuffer",
    "ReplayBuffer",
    "build_act",
    "build_train",
    "wrap_atari_dqn",
]


def wrap_atari_dqn(env: gymnasium.Env) -> gymnasium.Env:
    """Applies the preprocessing of Atari games for DQN: stacked frames, as uint8 for the replay buffer.

    Args:
        env: an environment of `common.atari_wrappers.make_atari`.
    """
    from stable_baselines_tf2.common.atari_wrappers import wrap_deepmind

    return wrap_deepmind(env, frame_stack=True, scale=False)
