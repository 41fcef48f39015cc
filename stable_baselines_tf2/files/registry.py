"""The algorithms, by name: where each is, and how files of Stable Baselines are distinguished."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

PACKAGE = __name__.split(".")[0]


class Algorithm(NamedTuple):
    """What there is to know of an algorithm without importing it."""

    package: str  # where scripts import it from
    sign: str  # a hyperparameter that none of those listed after it has; its legacy files hold it
    policies: str = "common"  # package whose policies it uses


# In the order in which a file's hyperparameters are compared with the signs.
ALGORITHMS: dict[str, Algorithm] = {
    "HER": Algorithm("her", "model_class"),
    "ACKTR": Algorithm("acktr", "kfac_clip"),
    "ACER": Algorithm("acer", "q_coef"),
    "DDPG": Algorithm("ddpg", "actor_lr", "ddpg"),
    "DQN": Algorithm("deepq", "exploration_fraction", "deepq"),
    "PPO1": Algorithm("ppo1", "optim_stepsize"),
    "PPO2": Algorithm("ppo2", "noptepochs"),
    "GAIL": Algorithm("gail", "using_gail"),
    "TRPO": Algorithm("trpo_mpi", "max_kl"),
    "A2C": Algorithm("a2c", "lr_schedule"),
    "SAC": Algorithm("sac", "target_entropy", "sac"),
    "TD3": Algorithm("td3", "tau", "td3"),
}


def algorithm_class(name: str) -> Any:
    """The class of an algorithm; imports it.

    Args:
        name: its name, e.g. ``"PPO2"``.

    Raises:
        KeyError: there is no such algorithm; the message lists those that are.
    """
    if name not in ALGORITHMS:
        raise KeyError(f"there is no algorithm {name!r}; there are {', '.join(sorted(ALGORITHMS))}")
    return getattr(importlib.import_module(f"{PACKAGE}.{ALGORITHMS[name].package}"), name)
