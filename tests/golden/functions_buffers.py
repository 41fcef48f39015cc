"""Drivers of golden cases: replay buffers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from tests.golden import Case, driver

KEYS = ("obs", "action", "reward", "next_obs", "done")


@driver("function", "stable_baselines.common.buffers.ReplayBuffer")
def replay_buffer(case: Case) -> dict[str, Any]:
    arguments = case.under("arg/")
    size = int(arguments["size"])
    random.seed(int(arguments["seed"]))
    buffer = ReplayBuffer(size)
    half = size - 2
    for row in zip(*(arguments[key][:half] for key in KEYS), strict=True):
        buffer.add(*row)
    results = {f"result/early/{key}": value for key, value in zip(KEYS, buffer.sample(5), strict=True)}
    results["result/early/len"], results["result/early/is_full"] = len(buffer), buffer.is_full()
    results["result/early/can_sample"] = buffer.can_sample(size)
    buffer.extend(*(arguments[key][half:] for key in KEYS))
    results.update({f"result/late/{key}": value for key, value in zip(KEYS, buffer.sample(9), strict=True)})
    results["result/late/len"], results["result/late/is_full"] = len(buffer), buffer.is_full()
    for column, key in enumerate(KEYS):
        results[f"result/storage/{key}"] = [row[column] for row in buffer.storage]
    return results


@driver("function", "stable_baselines.common.buffers.PrioritizedReplayBuffer")
def prioritized_replay_buffer(case: Case) -> dict[str, Any]:
    arguments = case.under("arg/")
    size = int(arguments["size"])
    np.random.seed(int(arguments["seed"]))
    buffer = PrioritizedReplayBuffer(size, float(arguments["alpha"]))
    results: dict[str, Any] = {}
    count = 0
    for i, step in case.argument_sets():
        numbers = range(count, count + int(step["n_add"]))
        count = numbers.stop
        if i == "3":
            ids = np.array(numbers)
            buffer.extend(ids, ids, ids * 1.0, ids, ids * 0.0)
        else:
            for number in numbers:
                buffer.add(number, number, float(number), number, 0.0)
        obs, _, _, _, _, weights, idxes = buffer.sample(len(step["priorities"]), beta=float(step["beta"]))
        order = np.argsort(idxes, kind="stable") if "sort" in step else slice(None)
        buffer.update_priorities(idxes[order], step["priorities"][order])
        leaves = buffer._sums[np.arange(size)]
        results.update(
            {
                f"result/{i}/obs": obs,
                f"result/{i}/weights": weights,
                f"result/{i}/idxes": idxes,
                f"result/{i}/leaves": leaves,
                f"result/{i}/sum": buffer._sums.sum(),
                f"result/{i}/min": buffer._minima.min(),
                f"result/{i}/max_priority": buffer._max_priority,
            }
        )
    return results
