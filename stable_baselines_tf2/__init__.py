"""Stable Baselines 2.10 on TensorFlow 2 and Keras 3: reinforcement learning algorithms behind one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stable_baselines_tf2.core import wiring
from stable_baselines_tf2.files.registry import ALGORITHMS, algorithm_class

__version__ = "0.1.0"

if TYPE_CHECKING:
    from stable_baselines_tf2.a2c import A2C as A2C
    from stable_baselines_tf2.acer import ACER as ACER
    from stable_baselines_tf2.acktr import ACKTR as ACKTR
    from stable_baselines_tf2.ddpg import DDPG as DDPG
    from stable_baselines_tf2.deepq import DQN as DQN
    from stable_baselines_tf2.gail import GAIL as GAIL
    from stable_baselines_tf2.her import HER as HER
    from stable_baselines_tf2.ppo1 import PPO1 as PPO1
    from stable_baselines_tf2.ppo2 import PPO2 as PPO2
    from stable_baselines_tf2.sac import SAC as SAC
    from stable_baselines_tf2.td3 import TD3 as TD3
    from stable_baselines_tf2.trpo_mpi import TRPO as TRPO

__all__ = sorted(ALGORITHMS)


# The one import that leads up: a VecNormalize reads pickles of Stable Baselines.
wiring.provide("read_pickle", f"{__name__}.files.pickle_objects:loads")


def __getattr__(name: str) -> Any:
    if name in ALGORITHMS:  # imported when asked for: TensorFlow takes seconds to load
        return algorithm_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
