"""Plays the zoo's agents in today's environments and compares their returns with those of the original.

Usage: python -m tests.migration.episodes [SUBSTRING ...]. Ten deterministic episodes for every agent whose environment
is there. Where the episodes' start states are recorded, the same episodes are played; elsewhere (Box2D) others, with
the recorded seeds. An agent is within the spread if its mean return differs from the recorded one by no more than the
standard deviation that the zoo published.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np

import stable_baselines_tf2
from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.envs.env_ids import current_id
from stable_baselines_tf2.migration import loads
from tests.migration.zoo import ZOO, index

LONGEST = {"BipedalWalker-v3": 1600}  # what the time feature is relative to


class Observer:
    """Turns observations into what an agent was trained on: time, then normalization, then stacked frames."""

    def __init__(self, agent: dict[str, Any]) -> None:
        config = agent["config"] or {}
        folder = (ZOO / agent["files"][0]).with_suffix("")
        path = folder / "obs_rms.pkl"
        self.statistics: RunningMeanStd | None = loads(path.read_bytes()) if agent["uses_obs_rms"] else None
        self.n_stack = config.get("frame_stack", 1)
        timed = str(config.get("env_wrapper", "")).endswith("TimeFeatureWrapper")
        self.longest = LONGEST[agent["episodes"]["env_id"]] if timed else None
        self.frames: list[np.ndarray] = []

    def __call__(self, obs: np.ndarray, step: int) -> np.ndarray:
        if self.longest is not None:
            obs = np.append(obs, 1 - step / self.longest).astype(np.float32)
        if self.statistics is not None:
            obs = np.clip((obs - self.statistics.mean) / np.sqrt(self.statistics.var + 1e-8), -10, 10)
        if step == 0:
            self.frames = [np.zeros_like(obs)] * self.n_stack
        self.frames = [*self.frames[1:], obs]
        return np.concatenate(self.frames)


def play(agent: dict[str, Any]) -> list[float]:
    """Returns of the recorded episodes, played here."""
    recorded = agent["episodes"]
    model = getattr(stable_baselines_tf2, agent["algo"].upper()).load(ZOO / agent["files"][0], verbose=0)
    observe, returns = Observer(agent), []
    with gymnasium.make(current_id(recorded["env_id"]).id) as env:
        for i, seed in enumerate(recorded["seeds"]):
            obs, _ = env.reset(seed=seed)
            if recorded["start_states"]:
                obs = start(env.unwrapped, np.array(recorded["start_states"][i]))
            total, step, done = 0.0, 0, False
            while not done:
                action, _ = model.predict(observe(obs, step), deterministic=True)
                obs, reward, terminated, truncated, _ = env.step(action)
                total, step, done = total + float(reward), step + 1, terminated or truncated
            returns.append(total)
    return returns


def start(env: Any, state: np.ndarray) -> np.ndarray:
    """Puts a classic-control environment into a state; returns what it observes there."""
    env.state = state
    for name in ("_get_ob", "_get_obs"):
        if hasattr(env, name):
            return np.asarray(getattr(env, name)(), np.float32)
    return np.asarray(state, np.float32)


def compare(agent: dict[str, Any]) -> tuple[str, bool]:
    """A line of the table, and whether the agent is within the spread."""
    recorded, published = agent["episodes"], agent["published"]
    returns = play(agent)
    difference, spread = abs(np.mean(returns) - recorded["mean"]), max(published["std_reward"], 1.0)
    equal = sum(abs(a - b) < 1e-2 * max(1, abs(b)) for a, b in zip(returns, recorded["rewards"], strict=True))
    same = f"{equal}/10 equal" if recorded["start_states"] else "other episodes"
    line = (
        f"{agent['id']:32} {np.mean(returns):8.1f} {recorded['mean']:8.1f} {published['mean_reward']:8.1f} "
        f"+/- {published['std_reward']:6.1f}  {same:14} {'within' if difference <= spread else 'OUTSIDE'}"
    )
    return line, bool(difference <= spread)


def main(wanted: list[str]) -> int:
    """Prints the table; the exit code is 1 where an agent is outside."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    warnings.simplefilter("ignore")
    print(f"{'agent':32} {'here':>8} {'original':>8} {'published':>18}")
    outside = 0
    for agent in index()["agents"]:
        there = agent.get("episodes") and agent["algo"].upper() in stable_baselines_tf2.__all__
        if there and (not wanted or any(part in agent["id"] for part in wanted)):
            line, within = compare(agent)
            print(line, flush=True)
            outside += not within
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
