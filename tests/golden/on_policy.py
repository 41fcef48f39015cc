"""Drivers of the golden cases of policies and on-policy algorithms."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

import numpy as np
import tensorflow as tf

import stable_baselines_tf2
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.envs.spaces import space_from_dict
from tests.golden import Case, driver
from tests.helpers import RandomEnv


def make_model(case: Case) -> Any:
    """The model that a case describes, with its parameters."""
    spec = case.spec
    policy_kwargs = dict(spec.get("policy_kwargs") or {})
    if isinstance(policy_kwargs.get("act_fun"), str):
        policy_kwargs["act_fun"] = getattr(tf.nn, policy_kwargs["act_fun"])
    ob_space, ac_space = space_from_dict(spec["observation_space"]), space_from_dict(spec["action_space"])
    env = DummyVecEnv([lambda: RandomEnv(ob_space, ac_space) for _ in range(spec["n_envs"])])
    algorithm = getattr(stable_baselines_tf2, spec["algorithm"])
    model = algorithm(spec["policy"], env, policy_kwargs=policy_kwargs, **(spec.get("model_kwargs") or {}))
    model.load_parameters(case.under("param/"))
    return model


def _unscramble_noise(inputs: dict[str, np.ndarray]) -> np.ndarray | None:
    """The raw draws as one array; the parts of a MultiDiscrete space side by side."""
    if "noise" in inputs:
        return inputs["noise"]
    parts = sorted(key for key in inputs if key.startswith("noise/"))
    return np.concatenate([inputs[key] for key in parts], axis=-1) if parts else None


def _forward(
    model: Any, inputs: dict[str, np.ndarray], state: np.ndarray | None
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Everything that acting computes for one step."""
    policy = model.train_model
    obs, mask, actions = inputs["obs"], inputs.get("mask"), inputs["actions"]
    noise = _unscramble_noise(inputs)
    recurrent = {"state": state, "mask": mask} if policy.recurrent else {}
    acted, value, new_state, neglogp = policy.step(obs, **recurrent, noise=noise)
    outputs = policy.actor(*policy.network_inputs(obs, state, mask))
    tensors = policy.with_weights(
        policy.params.vector,
        tf.constant(obs),
        *([tf.constant(state), tf.constant(mask, tf.float32)] if recurrent else []),
    )
    # The distribution of the compiled updates must agree with what acts.
    neglogp_of_input = tensors.distribution.neglogp(tf.constant(actions)).numpy()
    np.testing.assert_allclose(policy.sampler.neglogp(outputs.flat, actions), neglogp_of_input, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tensors.distribution.flatparam().numpy(), outputs.flat, rtol=1e-4, atol=1e-5)
    results: dict[str, Any] = {
        "value": value,
        "neglogp": neglogp_of_input,
        "entropy": tensors.distribution.entropy().numpy(),
        "q_value": tensors.q_value.numpy(),
        "action": acted,
        "action_neglogp": neglogp,
        "deterministic_action": policy.step(obs, **recurrent, deterministic=True)[0],
        "predict": model.predict(obs, **recurrent, deterministic=True)[0],
        "action_prob": model.action_probability(obs, **recurrent, actions=actions),
        "action_logp": model.action_probability(obs, **recurrent, actions=actions, logp=True),
        "logits": outputs.flat,
    }
    if outputs.flat.shape[1] == 2 * np.prod(model.action_space.shape or (0,)):
        results["mean"], results["logstd"] = np.split(outputs.flat, 2, axis=1)
    probabilities = model.action_probability(obs, **recurrent)
    if isinstance(probabilities, list | tuple):
        results |= {f"action_probability/{i}": part for i, part in enumerate(probabilities)}
    else:
        results["action_probability"] = probabilities
    if new_state is not None:
        results["state"] = new_state
    return results, new_state


@driver("forward", "A2C", "ACER", "ACKTR", "PPO1", "PPO2", "TRPO")
def forward(case: Case) -> dict[str, Any]:
    """Acting, step by step for recurrent policies."""
    model = make_model(case)
    inputs = case.under("input/")
    if not model.train_model.recurrent:
        return {f"output/{name}": value for name, value in _forward(model, inputs, None)[0].items()}
    state, results = inputs["state"], {}
    for t in range(sum(key.endswith("/obs") for key in inputs)):
        outputs, state = _forward(model, case.under(f"input/{t}/"), state)
        results |= {f"output/{t}/{name}": value for name, value in outputs.items()}
    return results


def _parameters(model: Any, k: int) -> dict[str, np.ndarray]:
    return {f"step/{k}/param/{name}": value for name, value in model.get_parameters().items()}


def _batch(case: Case, k: int, **renamed: str) -> dict[str, np.ndarray]:
    """The k-th batch under the names that the update takes."""
    inputs = case.under(f"step/{k}/in/")
    names = {"obs": "obs", "actions": "actions", "returns": "returns", "values": "values", **renamed}
    batch = {name: inputs[key] for name, key in names.items()}
    if "states" in inputs:
        batch |= {"states": inputs["states"], "starts": inputs["masks"].astype(np.float32)}
    return batch


def _pretrain(case: Case) -> dict[str, Any]:
    """Behaviour cloning, one minibatch for each step."""
    model, results = make_model(case), {}
    settings = json.loads(re.search(r"n_epochs=\d+, (\{.*?\})", case.spec["notes"])[1].replace("'", '"'))
    step = model.behaviour_cloning(settings.get("adam_epsilon", 1e-8))
    for k in range(case.n_steps):
        inputs = case.under(f"step/{k}/in/")
        loss = step(inputs["obs"], inputs["actions"], settings.get("learning_rate", 1e-4))
        results |= {f"step/{k}/loss/loss": loss} | _parameters(model, k)
    return results


@driver("update", "PPO2")
def ppo2_update(case: Case) -> dict[str, Any]:
    """One minibatch for each step."""
    if case.id.startswith("pretrain"):
        return _pretrain(case)
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        inputs = case.under(f"step/{k}/in/")
        batch = _batch(case, k, neglogp="neglogpacs")
        rows = np.arange(len(batch["obs"]), dtype=np.int32)[np.newaxis]
        sequences = np.arange(len(batch.get("states", ())), dtype=np.int32)[np.newaxis]
        clip = float(inputs["cliprange"])
        statistics = model.train(
            batch, rows, sequences, float(inputs["learning_rate"]), clip, float(inputs.get("cliprange_vf", clip))
        )
        results |= {f"step/{k}/loss/{name}": statistics[name] for name in model.loss_names} | _parameters(model, k)
    return results


@driver("update", "A2C")
def a2c_update(case: Case) -> dict[str, Any]:
    """One gradient step for each step."""
    if case.id.startswith("pretrain"):
        return _pretrain(case)
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        statistics = model.train(_batch(case, k), float(case.arrays[f"step/{k}/in/learning_rate"]))
        results |= {f"step/{k}/loss/{name}": value for name, value in statistics.items()} | _parameters(model, k)
    return results


@driver("update", "ACKTR")
def acktr_update(case: Case) -> dict[str, Any]:
    """One update for each step: cold ones, then those of K-FAC."""
    if case.id.startswith("pretrain"):
        return _pretrain(case)
    model, results = make_model(case), {}
    names, cold = model.train_model.params.names, 0
    for k in range(case.n_steps):
        noise = case.arrays[f"step/{k}/noise/value"][:, 0]
        statistics = model.train(_batch(case, k), float(case.arrays[f"step/{k}/in/learning_rate"]), noise)
        for name in ("policy_loss", "value_loss", "policy_entropy"):
            results[f"step/{k}/loss/{name}"] = statistics[name]
        state, optimizer = model.moments, model.optimizer
        updates, decompositions = int(state["kfac/updates"]), int(state["kfac/decompositions"])
        cold += not optimizer.is_due(updates)
        descents = min(updates, optimizer.cold_updates + 1)
        results[f"step/{k}/aux/counters"] = [descents, updates, cold, decompositions, updates]
        for block in optimizer.blocks:
            for kind, factor in (("fprop", block.inputs), ("bprop", block.outputs)):
                if factor is not None:
                    results[f"step/{k}/aux/{kind}/{names[block.weights]}"] = state[f"kfac/factor/{factor}"]
        results |= _parameters(model, k)
    return results


@driver("update", "ACER")
def acer_update(case: Case) -> dict[str, Any]:
    """One gradient step for each step."""
    if case.id.startswith("pretrain"):
        return _pretrain(case)
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        inputs = case.under(f"step/{k}/in/")
        names = {"obs": "obs", "actions": "actions", "rewards": "rewards", "mus": "mus", "dones": "dones"}
        if "states" in inputs:
            names["starts"] = "masks"
        batches = {name: inputs[key][np.newaxis] for name, key in names.items()}
        batches |= {name: batches[name].astype(np.float32) for name in ("dones", "starts") if name in batches}
        batches |= {"states": inputs["states"]} if "states" in inputs else {}
        statistics = model.train(batches, float(inputs["learning_rate"]))
        results |= {f"step/{k}/loss/{name}": value for name, value in statistics.items()} | _parameters(model, k)
        results |= {f"step/{k}/aux/ema/{name}": value for name, value in model.average_parameters.items()}
    return results


@driver("function", "stable_baselines.acer.acer_simple.q_retrace")
def q_retrace(case: Case) -> dict[str, Any]:
    function = importlib.import_module("stable_baselines_tf2.acer.acer_simple").q_retrace
    results = {}
    for i, a in case.argument_sets():
        tensors = {name: tf.constant(a[name]) for name in ("rewards", "dones", "q_i", "values", "rho_i")}
        sizes = {"n_envs": int(a["n_envs"]), "n_steps": int(a["n_steps"]), "gamma": float(a["gamma"])}
        results[f"result/{i}/out"] = function(**tensors, **sizes).numpy()
    return results
