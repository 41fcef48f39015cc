"""Drivers of golden cases: discounting, schedules, noise, segment trees, MPI and tensor helpers, Atari wrappers."""

from __future__ import annotations

import ast
import importlib
import re
from types import SimpleNamespace
from typing import Any
from unittest import mock

import gymnasium
import numpy as np
from gymnasium import spaces

from stable_baselines_tf2.common import atari_wrappers, math_util, noise, schedules
from stable_baselines_tf2.common.cg import conjugate_gradient
from stable_baselines_tf2.common.mpi_adam import MpiAdam
from stable_baselines_tf2.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.segment_tree import MinSegmentTree, SumSegmentTree
from tests.golden import Case, driver

COMMON = "stable_baselines.common."


# ----------------------------------------------------------------------------------------------- discounting, variances
@driver("function", COMMON + "math_util.discount", COMMON + "math_util.discount_with_boundaries")
@driver("function", COMMON + "math_util.explained_variance", COMMON + "math_util.explained_variance_2d")
def math_function(case: Case) -> dict[str, Any]:
    function = getattr(math_util, case.spec["function"].rpartition(".")[2])
    return {f"result/{i}/out": function(**arguments) for i, arguments in case.argument_sets()}


@driver("function", COMMON + "math_util.scale_action")
def scale_action(case: Case) -> dict[str, Any]:
    results = {}
    for i, a in case.argument_sets():
        space = spaces.Box(a["low"], a["high"], dtype=np.float32)
        results[f"result/{i}/scale_action"] = math_util.scale_action(space, a["action"])
        results[f"result/{i}/unscale_action"] = math_util.unscale_action(space, a["scaled_action"])
    return results


@driver("function", COMMON + "math_util.flatten_arrays")
def flatten_arrays(case: Case) -> dict[str, Any]:
    arrays = [case.arrays[f"arg/array_{i}"] for i in range(len(case.under("arg/array_")))]
    flat = math_util.flatten_arrays(arrays)
    parts = math_util.unflatten_vector(flat, [array.shape for array in arrays])
    return {
        "result/flat": flat,
        **{f"result/unflat_{i}": part for i, part in enumerate(parts)},
        "result/safe_mean_empty": math_util.safe_mean([]),
        "result/safe_mean": math_util.safe_mean(list(arrays[1])),
    }


@driver("function", "stable_baselines.a2c.a2c.discount_with_dones")
def discount_with_dones(case: Case) -> dict[str, Any]:
    function = importlib.import_module("stable_baselines_tf2.a2c.a2c").discount_with_dones
    return {
        f"result/{i}/out": function(a["rewards"].tolist(), a["dones"].tolist(), float(a["gamma"]))
        for i, a in case.argument_sets()
    }


# -------------------------------------------------------------------------------------------------- schedules and noise
@driver("function", COMMON + "schedules")
def schedule_values(case: Case) -> dict[str, Any]:
    a = case.under("arg/")
    steps, progress, value = a["steps"].tolist(), a["progress"].tolist(), float(a["constant/value"])
    outside = float(a["piecewise/outside_value"])
    made = {
        "constant": schedules.ConstantSchedule(value),
        "linear": schedules.LinearSchedule(**{key: float(number) for key, number in case.under("arg/linear/").items()}),
        "piecewise": schedules.PiecewiseSchedule(a["piecewise/endpoints"], outside_value=outside),
    }
    results: dict[str, Any] = {f"result/{name}": [made[name].value(step) for step in steps] for name in made}
    for name, curve in schedules.SCHEDULES.items():
        n_calls, n_steps = (len(case.arrays[f"result/scheduler_{kind}/{name}"]) for kind in ("value", "value_steps"))
        scheduler = schedules.Scheduler(value, _number_in_notes(case, r"n_values=(\d+)"), name)
        results[f"result/scheduler/{name}"] = [curve(p) for p in progress]
        results[f"result/scheduler_value/{name}"] = [scheduler.value() for _ in range(n_calls)]
        results[f"result/scheduler_value_steps/{name}"] = [scheduler.value_steps(step) for step in range(n_steps)]
    functions = {"float": schedules.get_schedule_fn(value), "callable": schedules.get_schedule_fn(lambda p: p * value)}
    for name, function in functions.items():
        results[f"result/get_schedule_fn_{name}"] = [function(p) for p in progress]
    results["result/linear_interpolation"] = [schedules.linear_interpolation(-1.0, value, p) for p in progress]
    return results


def _number_in_notes(case: Case, pattern: str) -> float:
    match = re.search(pattern, case.spec["notes"])
    assert match is not None, f"the notes do not say {pattern}"
    return float(match.group(1))


@driver("function", COMMON + "noise")
def noise_values(case: Case) -> dict[str, Any]:
    a = case.under("arg/")
    mean, sigma = a["mean"], a["sigma"]

    def calls(make: Any, name: str, reset_after: int | None = None) -> np.ndarray:
        np.random.seed(int(a["seed"]))
        source, values = make(), []
        for k in range(len(case.arrays[f"result/{name}"])):
            if k == reset_after:
                source.reset()
            values.append(source())
        return np.array(values)

    ou = noise.OrnsteinUhlenbeckActionNoise
    theta, dt, start = float(a["theta"]), float(a["dt"]), a["initial_noise"]
    with_start = "ornstein_uhlenbeck_initial_default_theta"
    reset_after = int(_number_in_notes(case, r"ornstein_uhlenbeck: (\d+) calls"))
    initial = _number_in_notes(case, r"AdaptiveParamNoiseSpec\(([\d.]+),")
    desired = _number_in_notes(case, r"AdaptiveParamNoiseSpec\([\d.]+, ([\d.]+)")
    spec = noise.AdaptiveParamNoiseSpec(initial, desired, float(a["adoption_coefficient"]))
    adapted = []
    for distance in a["distances"]:
        spec.adapt(distance)
        adapted.append(spec.get_stats()["param_noise_stddev"])
    unit = {"mean": np.zeros(2), "sigma": np.ones(2)}
    return {
        "result/normal": calls(lambda: noise.NormalActionNoise(mean, sigma), "normal"),
        "result/ornstein_uhlenbeck": calls(lambda: ou(mean, sigma, theta, dt), "ornstein_uhlenbeck", reset_after),
        f"result/{with_start}": calls(lambda: ou(mean, sigma, initial_noise=start), with_start),
        "result/repr": [repr(noise.NormalActionNoise(**unit)), repr(ou(**unit)), repr(noise.AdaptiveParamNoiseSpec())],
        "result/adaptive_param_noise": adapted,
    }


# ----------------------------------------------------------------------------------------------------- small algorithms
@driver("function", COMMON + "segment_tree")
def segment_tree(case: Case) -> dict[str, Any]:
    a = case.under("arg/")
    capacity, values = int(a["capacity"]), a["values"]
    sums, mins = SumSegmentTree(capacity), MinSegmentTree(capacity)
    results: dict[str, Any] = {"result/empty_sum": sums.sum(), "result/empty_min": mins.min()}
    rest = np.arange(capacity // 2, capacity - 1)
    for tree in (sums, mins):
        for i in range(capacity // 2):
            tree[i] = values[i]
        tree[rest] = values[rest]
    ranges = a["ranges"].tolist()
    return results | {
        "result/sum": [sums.sum(start, end) for start, end in ranges],
        "result/min": [mins.min(start, end) for start, end in ranges],
        "result/sum_default": sums.sum(),
        "result/min_default": mins.min(),
        "result/find_prefixsum_idx": sums.find_prefixsum_idx(a["prefixsum"]),
        "result/items": sums[np.arange(capacity)],
    }


@driver("function", COMMON + "cg.conjugate_gradient")
def cg(case: Case) -> dict[str, Any]:
    # The notes list the settings so: "settings {}, cg_iters=3, (cg_iters=20, residual_tol=1e-2). callbacks".
    listed = case.spec["notes"].partition("settings ")[2].partition(". callbacks")[0]
    settings = [
        {name: ast.literal_eval(value) for name, value in re.findall(r"(\w+)=([^,)]+)", setting)}
        for setting in re.findall(r"\{\}|\([^)]*\)|\w+=[^,]+", listed)
    ]
    results = {}
    for i, a in case.argument_sets():
        seen: list[np.ndarray] = []
        results[f"result/{i}/x"] = conjugate_gradient(
            a["matrix"].dot, a["b_vec"], callback=lambda x, seen=seen: seen.append(x.copy()), **settings[int(i)]
        )
        results[f"result/{i}/callbacks"] = np.array(seen)
    return results


@driver("function", COMMON + "mpi_adam.MpiAdam")
def mpi_adam(case: Case) -> dict[str, Any]:
    import keras

    settings = ast.literal_eval(case.spec["notes"].partition("settings ")[2].partition("]")[0] + "]")
    results = {}
    for i, a in case.argument_sets():
        variable = keras.Variable(a["theta"])
        adam = MpiAdam([variable], **settings[int(i)])
        for k in range(sum(key.startswith("grad_") for key in a)):
            adam.update(a[f"grad_{k}"], float(a[f"rate_{k}"]))
            results[f"result/{i}/theta_{k}"] = variable.numpy()
    return results


@driver("function", COMMON + "mpi_running_mean_std.RunningMeanStd")
def mpi_running_mean_std(case: Case) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for i, a in case.argument_sets():
        rms = RunningMeanStd(shape=a["batch_0"].shape[1:])
        results |= {f"result/{i}/mean_init": rms.mean, f"result/{i}/std_init": rms.std}
        for j in range(len(a)):
            rms.update(a[f"batch_{j}"])
            state = rms.get_state()
            row = {"mean": rms.mean, "std": rms.std, "count": state["count"]}
            row |= {"sum": state["runningsum"], "sumsq": state["runningsumsq"]}
            results |= {f"result/{i}/{name}_{j}": value for name, value in row.items()}
    return results


@driver("function", COMMON + "tf_util")
def tf_util_functions(case: Case) -> dict[str, Any]:
    import tensorflow as tf

    from stable_baselines_tf2.common import tf_util

    x, y = tf.constant(case.arrays["arg/x"]), tf.constant(case.arrays["arg/y"])
    with mock.patch.object(tf.random, "uniform", return_value=tf.constant(case.arrays["arg/uniform"])):
        sample = tf_util.sample(x)
    sequence = tf_util.batch_to_seq(x, 2, 2)
    values = {
        "huber_loss": tf_util.huber_loss(x),
        "huber_loss_delta": tf_util.huber_loss(x, float(case.arrays["arg/delta"])),
        "calc_entropy": tf_util.calc_entropy(x),
        "mse": tf_util.mse(x, y),
        "avg_norm": tf_util.avg_norm(x),
        "q_explained_variance": tf_util.q_explained_variance(x, y),
        "sample": sample,
        "seq_0": sequence[0],
        "seq_1": sequence[1],
        "seq_2": tf_util.seq_to_batch(sequence),
    }
    return {f"result/{name}": value.numpy() for name, value in values.items()}


# ------------------------------------------------------------------------------------------------------- Atari wrappers
class ScriptedGame(gymnasium.Env):
    """Shows the frames of a case one after the other, whatever the actions are."""

    def __init__(self, case: Case):
        self.script = case.under("arg/")
        self.observation_space = spaces.Box(0, 255, self.script["frames"].shape[1:], np.uint8)
        self.action_space = spaces.Discrete(4)
        self.np_random = np.random.RandomState(7)  # type: ignore[assignment]
        self.ale = SimpleNamespace(lives=lambda: int(self.script["lives"][self.t]))
        self.t = 0
        self.calls: list[int] = []

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE", "RIGHT", "LEFT"]

    def _advance(self, call: int) -> np.ndarray:
        self.calls.append(call)
        self.t = (self.t + 1) % len(self.script["frames"])
        return self.script["frames"][self.t]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self._advance(-1), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        frame = self._advance(action)
        return frame, float(self.script["rewards"][self.t]), bool(self.script["dones"][self.t]), False, {}


@driver("function", COMMON + "atari_wrappers")
def atari(case: Case) -> dict[str, Any]:
    lib = atari_wrappers
    makers = {
        "max_and_skip": lib.MaxAndSkipEnv,
        "max_and_skip_2": lambda env: lib.MaxAndSkipEnv(env, skip=2),
        "clip_reward": lib.ClipRewardEnv,
        "episodic_life": lib.EpisodicLifeEnv,
        "noop_reset": lambda env: lib.NoopResetEnv(env, noop_max=5),
        "fire_reset": lib.FireResetEnv,
        "scaled_float": lib.ScaledFloatFrame,
        "frame_stack": lambda env: lib.FrameStack(env, 3),
        "deepmind": lambda env: lib.wrap_deepmind(env, frame_stack=True, scale=True),
        "deepmind_plain": lib.wrap_deepmind,
    }
    results: dict[str, Any] = {}
    for name, maker in makers.items():
        game = ScriptedGame(case)
        env = maker(game)
        observations, rewards, dones = [np.asarray(env.reset()[0])], [], []
        for action in case.arrays["arg/actions"].tolist():
            obs, reward, terminated, truncated, _ = env.step(action)
            rewards.append(reward)
            dones.append(terminated or truncated)
            observations.append(np.asarray(obs))
            if dones[-1]:
                observations.append(np.asarray(env.reset()[0]))
        shown = np.array(observations)
        if name.startswith("deepmind"):  # the case keeps only the first of these large images
            shown = shown[: len(case.arrays[f"result/{name}/observations"])]
        if name == "deepmind":
            shown = shown[:, ::9, ::9]
        row = {"observations": shown, "rewards": rewards, "dones": dones, "base_calls": game.calls}
        row["shape"] = env.observation_space.shape
        results |= {f"result/{name}/{key}": value for key, value in row.items()}
    results["result/warp_frame"] = lib.WarpFrame(ScriptedGame(case)).reset()[0]
    results["result/warp_large_frame"] = lib.WarpFrame(ScriptedGame(case)).observation(case.arrays["arg/large_frame"])
    return results
