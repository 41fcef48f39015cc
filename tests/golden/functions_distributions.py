"""Drivers of the golden cases of distributions, observation processing, initial weights and the rollout collector."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common import distributions as lib
from stable_baselines_tf2.common.tf_layers import ortho_init as initializer
from stable_baselines_tf2.core.collect import OnPolicyCollector
from stable_baselines_tf2.core.returns import generalized_advantage_estimation
from stable_baselines_tf2.envs.preprocessing import Preprocessor
from stable_baselines_tf2.ppo2.ppo2 import swap_and_flatten
from tests.golden import Case, driver


@driver("function", "stable_baselines.common.distributions")
def distributions(case: Case) -> dict[str, Any]:
    """All four kinds."""
    results: dict[str, Any] = {}
    for name in ("categorical", "multicategorical", "diaggaussian", "bernoulli"):
        a = case.under(f"arg/{name}/")
        kind = {
            "categorical": lambda width: lib.CategoricalProbabilityDistributionType(width),
            "multicategorical": lambda width: lib.MultiCategoricalProbabilityDistributionType(case.arrays["arg/nvec"]),
            "diaggaussian": lambda width: lib.DiagGaussianProbabilityDistributionType(width // 2),
            "bernoulli": lambda width: lib.BernoulliProbabilityDistributionType(width),
        }[name](a["flat"].shape[1])
        distribution, other = (kind.proba_distribution_from_flat(tf.constant(a[key])) for key in ("flat", "other"))
        noise = np.concatenate([a[key] for key in sorted(a) if key.startswith("noise_")], axis=1)
        values = {
            "neglogp": distribution.neglogp(tf.constant(a["x"])),
            "logp": distribution.logp(tf.constant(a["x"])),
            "kl": distribution.kl(other),
            "entropy": distribution.entropy(),
            "mode": distribution.mode(),
            "flatparam": distribution.flatparam(),
            "sample": distribution.sample(tf.constant(noise)),
            "param_shape": np.array(kind.param_shape(), np.int64),
            "sample_shape": np.array(kind.sample_shape(), np.int64),
            "sample_dtype": np.array(tf.as_dtype(kind.sample_dtype()).name),
        }
        results |= {f"result/{name}/{key}": np.asarray(value) for key, value in values.items()}
    return results


@driver("function", "stable_baselines.common.input.observation_input")
def observation_input(case: Case) -> dict[str, Any]:
    """Network inputs, in TensorFlow and in NumPy."""
    a, spaces = case.under("arg/"), gymnasium.spaces
    kinds = {
        "box": spaces.Box(a["low"], a["high"], dtype=np.float32),
        "image": spaces.Box(0, 255, a["image"].shape[1:], np.uint8),
        "unbounded": spaces.Box(-np.inf, np.inf, a["unbounded"].shape[1:], np.float32),
        "discrete": spaces.Discrete(5),
        "multibinary": spaces.MultiBinary(a["multibinary"].shape[1]),
        "multidiscrete": spaces.MultiDiscrete(a["nvec"]),
    }
    results = {}
    for name, space in kinds.items():
        for scale in (False, True):
            preprocessor = Preprocessor(space, scale)
            processed = preprocessor.tensor(tf.constant(a[name])).numpy()
            np.testing.assert_allclose(preprocessor.array(a[name]), processed, rtol=1e-6, atol=1e-7)
            if name == "multidiscrete":  # the original had an axis of one here, which the next layer flattened away
                processed = processed[:, np.newaxis]
            results[f"result/{name}/scale_{scale}"] = processed
    return results


@driver("function", "stable_baselines.common.tf_layers.ortho_init")
def ortho_init(case: Case) -> dict[str, Any]:
    """Initial weights from NumPy's global generator."""
    results = {}
    for i, (number, a) in enumerate(case.argument_sets()):
        np.random.seed(int(case.arrays["arg/seed"]) + i)
        results[f"result/{number}/weights"] = initializer(float(a["scale"]))(tuple(a["shape"]))
    return results


class _Script:
    """A vectorized environment and a model that replay arrays."""

    def __init__(self, a: dict[str, np.ndarray]) -> None:
        self.a, self.num_envs, self.t, self.acted, self.valued = a, a["observations"].shape[1], 0, 0, 0

    def reset(self) -> np.ndarray:
        return self.a["observations"][0]

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        self.t += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        return self.a["observations"][self.t], self.a["rewards"][self.t - 1], self.a["dones"][self.t - 1], infos

    def act(self, obs: Any, states: Any, dones: Any) -> tuple[Any, ...]:
        t, self.acted = self.acted, self.acted + 1
        return self.a["actions"][t], self.a["values"][t], None, self.a["neglogpacs"][t]

    def value(self, obs: Any, states: Any, dones: Any) -> np.ndarray:
        self.valued += 1
        return self.a["last_values"][self.valued - 1]


@driver("function", "stable_baselines.ppo2.ppo2.Runner")
def ppo2_runner(case: Case) -> dict[str, Any]:
    """Two rollouts with their returns."""
    results = {}
    for number, a in case.argument_sets():
        script = _Script(a)
        collector = OnPolicyCollector(script, script.act, script.value, int(a["n_steps"]))
        for run in range(len(a["last_values"])):
            rollout = collector.run()
            _, returns = generalized_advantage_estimation(
                rollout.rewards.T,
                rollout.values.T,
                rollout.starts.T,
                rollout.last_values,
                rollout.last_dones,
                float(a["gamma"]),
                float(a["lam"]),
            )
            values = {
                "obs": rollout.flat(rollout.obs),
                "returns": swap_and_flatten(returns),
                "masks": rollout.flat(rollout.starts),
                "actions": rollout.flat(rollout.actions),
                "values": rollout.flat(rollout.values),
                "neglogpacs": rollout.flat(rollout.neglogp),
                "true_reward": rollout.flat(rollout.rewards),
            }
            results |= {f"result/{number}/run_{run}/{key}": value for key, value in values.items()}
    return results
