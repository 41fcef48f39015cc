"""Drivers of the golden cases of off-policy algorithms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.noise import AdaptiveParamNoiseSpec
from stable_baselines_tf2.deepq.dqn import epsilon_greedy
from stable_baselines_tf2.sac.policies import gaussian_entropy
from stable_baselines_tf2.td3.td3 import PolicyUpdates
from tests.golden import Case, driver
from tests.golden.on_policy import _parameters, make_model


def _transitions(case: Case, k: int) -> dict[str, np.ndarray]:
    """The batch of step k, as one batch of a training phase, [1, B, …]."""
    inputs, legacy = case.under(f"step/{k}/in/"), {"obs": "observations", "next_obs": "next_observations"}
    names = ("obs", "actions", "rewards", "next_obs", "dones")
    return {name: inputs[legacy.get(name, name)][np.newaxis] for name in names}


def _dqn_noise(case: Case, copy: Any) -> np.ndarray:
    """The draws for the weights of a perturbed network, in order."""
    draws = case.under("input/noise/")
    return np.concatenate([draws[name].ravel() for name in copy.params.names if name in draws])


@driver("forward", "DQN")
def dqn_forward(case: Case) -> dict[str, Any]:
    """Values and actions; with noise on the weights, the perturbed networks as well."""
    model = make_model(case)
    inputs, policy = case.under("input/"), model.step_model
    obs = inputs["observations"]
    q_values = policy.q_values(obs)
    compiled = policy.with_weights(policy.params.vector, tf.constant(obs)).numpy()
    np.testing.assert_allclose(compiled, q_values, rtol=1e-4, atol=1e-5)  # what trains agrees with what acts
    results: dict[str, Any] = {
        "q_values": q_values,
        "q_values_target": model.target_model.q_values(obs),
        "action_probability": model.action_probability(obs),
        "action": model.predict(obs)[0],
    }
    if "eps" in inputs:
        draws = inputs["noise/uniform"], inputs["noise/random_actions"]
        results["action_epsilon_greedy"] = epsilon_greedy(
            lambda: policy.q_values(obs).argmax(axis=1), inputs["eps"], *draws
        )
    noise = model.parameter_noise
    if noise is not None:
        noise.scale, noise.threshold = float(inputs["param_noise_scale"]), float(inputs["param_noise_threshold"])
        noise.perturb(noise.perturbed, _dqn_noise(case, noise.perturbed))
        results["mean_kl"] = noise.adapt(obs, _dqn_noise(case, noise.adaptive))
        results["q_values_perturbed"] = noise.perturbed.q_values(obs)
        results["q_values_adaptive"] = noise.adaptive.q_values(obs)
        results["param_noise_scale"] = noise.scale
        results |= {f"param/{name}": value for name, value in model.get_parameters().items()}
    return {f"output/{name}": value for name, value in results.items()}


@driver("update", "DQN")
def dqn_update(case: Case) -> dict[str, Any]:
    """One gradient step for each step, and the update of the older copy where the case has one."""
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        inputs = case.under(f"step/{k}/in/")
        batch = _transitions(case, k) | {"weights": inputs["weights"][np.newaxis]}
        statistics = model.update(batch, model.learning_rate)
        if inputs["update_target"]:
            model.update_target()
        results |= {f"step/{k}/loss/{name}": values[0] for name, values in statistics.items()} | _parameters(model, k)
    return results


@driver("forward", "TD3")
def td3_forward(case: Case) -> dict[str, Any]:
    """Actions and values of the networks and of their older copies."""
    model = make_model(case)
    inputs = case.under("input/")
    policy, target = model.policy_tf, model.target_policy_tf
    obs, next_obs, vector = inputs["observations"], inputs["next_observations"], target.params.vector
    acts = policy.step(obs)
    compiled = policy.with_weights(policy.params.vector, tf.constant(obs)).numpy()
    np.testing.assert_allclose(compiled, acts, rtol=1e-4, atol=1e-5)  # what trains agrees with what acts
    q1, q2 = model.critic_values(policy, obs, inputs["actions"], policy.params.vector)
    next_actions = model.target_action(vector, next_obs, inputs["noise"])
    q1_target, q2_target = model.critic_values(target, next_obs, next_actions, vector)
    results = {"policy": acts, "policy_target": target.step(next_obs), "action": model.predict(obs)[0]}
    values = {"qf1": q1, "qf2": q2, "qf1_target": q1_target, "qf2_target": q2_target}
    results |= {name: value.numpy()[:, np.newaxis] for name, value in values.items()}
    return {f"output/{name}": value for name, value in results.items()}


@driver("update", "TD3")
def td3_update(case: Case) -> dict[str, Any]:
    """One gradient step for each step."""
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        inputs = case.under(f"step/{k}/in/")
        batch = _transitions(case, k) | {"noise": case.arrays[f"step/{k}/noise/target"][np.newaxis]}
        variant = PolicyUpdates.of(inputs["update_policy"])
        statistics = model.update(batch, float(inputs["learning_rate"]), variant)
        found = {name: values[0] for name, values in statistics.items()}
        results |= {f"step/{k}/loss/{name}": value for name, value in found.items()} | _parameters(model, k)
    return results


@driver("forward", "SAC")
def sac_forward(case: Case) -> dict[str, Any]:
    """Distributions, actions and values of the networks, and values of the older copy."""
    model = make_model(case)
    inputs = {name: tf.constant(array) for name, array in case.under("input/").items()}
    policy, target = model.policy_tf, model.target_policy
    obs = inputs["observations"].numpy()
    mean, std = policy.proba_step(obs)
    with policy.using(policy.params.vector):
        processed = policy.preprocessor.tensor(obs)
        compiled_mean, log_std = policy.gaussian(processed)
        deterministic, sampled, logp = policy.make_actor(processed, noise=inputs["noise"])
        q1, q2, value = policy.make_critics(processed, inputs["actions"])
    np.testing.assert_allclose(compiled_mean, mean, rtol=1e-4, atol=1e-5)  # what trains agrees with what acts
    np.testing.assert_allclose(tf.exp(log_std), std, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(deterministic, policy.step(obs, deterministic=True), rtol=1e-4, atol=1e-5)
    with target.using(target.params.vector):
        next_obs = target.preprocessor.tensor(inputs["next_observations"])
        value_target = target.make_critics(next_obs, create_qf=False)[2]
    results = {
        **{"mean": mean, "log_std": log_std, "std": std, "action": model.predict(obs)[0]},
        **{"deterministic_policy": deterministic, "policy": sampled, "logp": logp},
        **{"qf1": q1, "qf2": q2, "value_fn": value, "value_target": value_target},
        "entropy_mean": tf.reduce_mean(gaussian_entropy(log_std)),
    }
    return {f"output/{name}": np.asarray(value) for name, value in results.items()}


@driver("update", "SAC")
def sac_update(case: Case) -> dict[str, Any]:
    """One gradient step for each step."""
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        inputs = case.under(f"step/{k}/in/")
        batch = _transitions(case, k) | {"noise": case.arrays[f"step/{k}/noise/policy"][np.newaxis]}
        if model.target_update_interval > 1:
            batch["update_target"] = inputs["update_target"].astype(np.float32)[np.newaxis]
        statistics = model.update(batch, float(inputs["learning_rate"]))
        found = {name: values[0] for name, values in statistics.items()}
        results |= {f"step/{k}/loss/{name}": value for name, value in found.items()} | _parameters(model, k)
    return results


@driver("forward", "DDPG")
def ddpg_forward(case: Case) -> dict[str, Any]:
    """Actions, values before and after normalization is undone, and the critic's targets."""
    model = make_model(case)
    inputs, policy = case.under("input/"), model.policy_tf
    obs, vector = inputs["observations"], policy.params.vector
    acts, normalized = policy.step(obs), policy.value(obs, inputs["actions"])
    compiled = policy.with_weights(vector, tf.constant(obs)).numpy()
    np.testing.assert_allclose(compiled, acts, rtol=1e-4, atol=1e-5)  # what trains agrees with what acts
    batch = {name: inputs[name][:, 0] for name in ("rewards", "dones")} | {"next_obs": inputs["next_observations"]}
    results = {
        "actor": acts,
        "normalized_critic": normalized[:, np.newaxis],
        "critic": model.denormalized_q(normalized, model.ret_rms)[:, np.newaxis],
        "critic_with_actor": model.critic_values(obs)[:, np.newaxis],
        "target_q": model.target_q(model.target_policy.params.vector, batch, model.ret_rms).numpy()[:, np.newaxis],
        "action": model.predict(obs)[0],
    }
    return {f"output/{name}": value for name, value in results.items()}


@driver("update", "DDPG")
def ddpg_update(case: Case) -> dict[str, Any]:
    """For each step what training does around one gradient step: statistics, the weights' noise and the step."""
    spec = dict(case.spec["model_kwargs"])
    if "param_noise" in spec:
        spec["param_noise"] = AdaptiveParamNoiseSpec(**spec["param_noise"])
    model, results = make_model(dataclasses.replace(case, spec=case.spec | {"model_kwargs": spec})), {}
    for k in range(case.n_steps):
        inputs, found = case.under(f"step/{k}/in/"), {}
        for row in inputs.get("stored_observations", ()):
            model.obs_rms.update(row[np.newaxis])

        def draws(copy: Any, k: int = k) -> np.ndarray:
            given = case.under(f"step/{k}/noise/")
            return np.concatenate([given[name].ravel() for name in copy.params.names if name in given])

        if model.param_noise is not None:
            adaptive = model.adaptive_param_noise_actor
            found["param_noise_distance"] = model.adapt_noise(inputs["observations"], draws(adaptive))
            found["param_noise_stddev"] = model.param_noise.current_stddev
        statistics = model.update(_transitions(case, k), model.learning_rate_at(1.0))
        found |= {name: values[0] for name, values in statistics.items()}
        if model.param_noise is not None:
            model.perturb(model.param_noise_actor, draws(model.param_noise_actor))
            found["perturbed_action"] = model.param_noise_actor.step(inputs["observations"])
        results |= {f"step/{k}/loss/{name}": value for name, value in found.items()} | _parameters(model, k)
    return results
