"""Advantages and returns of segments, for programs that collect their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from stable_baselines_tf2.common.misc_util import flatten_lists
from stable_baselines_tf2.common.runners import traj_segment_generator
from stable_baselines_tf2.core.returns import generalized_advantage_estimation


def add_vtarg_and_adv(seg: dict[str, Any], gamma: float, lam: float) -> None:
    """Adds advantages ``"adv"`` and TD(λ) returns ``"tdlamret"`` to a segment of one environment, both float32 [T].

    Args:
        seg: ``"rewards"``, ``"vpred"`` and ``"episode_starts"`` [T], and ``"nextvpred"``, the value after the last
            step: 0 if that ended the episode.
        gamma: discount γ.
        lam: λ of generalized advantage estimation.
    """
    seg["adv"], seg["tdlamret"] = generalized_advantage_estimation(
        seg["rewards"], seg["vpred"], seg["episode_starts"], np.squeeze(seg["nextvpred"]), False, gamma, lam
    )


__all__ = ["add_vtarg_and_adv", "flatten_lists", "traj_segment_generator"]
