"""Drivers of the golden cases of TRPO, PPO1 and GAIL."""

from __future__ import annotations

from typing import Any

import numpy as np

from stable_baselines_tf2.core.collect import Rollout
from stable_baselines_tf2.models.cloning import expert_arrays
from stable_baselines_tf2.models.parallel import Minibatches
from stable_baselines_tf2.trpo_mpi.trpo_mpi import VALUE_BATCH
from stable_baselines_tf2.trpo_mpi.utils import add_vtarg_and_adv
from tests.golden import Case, driver
from tests.golden.on_policy import _parameters, _pretrain, make_model


@driver("function", "stable_baselines.trpo_mpi.utils.add_vtarg_and_adv")
def vtarg_and_adv(case: Case) -> dict[str, Any]:
    """Advantages and returns of segments."""
    results = {}
    for i, arguments in case.argument_sets():
        seg = {name.removeprefix("seg/"): value for name, value in arguments.items()}
        gamma, lam = float(seg.pop("gamma")), float(seg.pop("lam"))
        add_vtarg_and_adv(seg, gamma, lam)
        results |= {f"result/{i}/{name}": seg[name] for name in ("adv", "tdlamret")}
    return results


def rollout_of(segment: dict[str, np.ndarray]) -> Rollout:
    """A segment of one environment as the collector gives it."""
    arrays = {name: segment[name][np.newaxis] for name in ("observations", "actions", "rewards", "vpred")}
    return Rollout(
        obs=arrays["observations"],
        actions=arrays["actions"],
        rewards=arrays["rewards"],
        values=arrays["vpred"],
        neglogp=np.zeros_like(arrays["vpred"]),
        starts=segment["episode_starts"][np.newaxis],
        states=None,
        last_obs=arrays["observations"][:, -1],  # not asked for
        last_values=segment["nextvpred"][np.newaxis],
        last_dones=np.zeros(1, bool),  # nextvpred is 0 where the last step ended the episode
        episode_infos=[],
        episodes=[],
        episode_lengths=[],
    )


def minibatches_of(rows: np.ndarray) -> Minibatches:
    return Minibatches(rows.astype(np.int32), np.zeros((len(rows), 0), np.int32))


def check_advantages(case: Case, prefix: str, rollout: Rollout, batch: dict[str, np.ndarray]) -> None:
    """What goes into the update must be what the original fed."""
    inputs = case.under(prefix)
    np.testing.assert_allclose(rollout.returns[0], inputs["tdlamret"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(batch["advantages"], inputs["atarg"], rtol=1e-4, atol=1e-5)


def trpo_step(case: Case, model: Any, k: int, part: str = "") -> tuple[dict[str, Any], Rollout]:
    """One update of the policy on the segment ``step/<k>/in/<part>``."""
    prefix = f"step/{k}/in/{part}"
    segment = case.under(prefix)
    rollout = rollout_of(segment)
    batch = model.training_batch(rollout, model.standardized_advantages(rollout), VALUE_BATCH)
    check_advantages(case, prefix, rollout, batch)
    statistics = model.train(batch, minibatches_of(segment["vf_minibatches"]))
    chosen = model.policy_mask > 0
    aux = {
        "grad": statistics["gradient"][chosen],
        "lossbefore": statistics["before"],
        "stepdir": statistics["direction"][chosen],
        "cg_fvps": np.int64(statistics["n_products"]),
        "shs": statistics["shs"],
        "lagrange_multiplier": statistics["multiplier"],
        "fullstep": statistics["full_step"][chosen],
        "linesearch": statistics["tried"][: statistics["n_tried"]],
        "stepsize": statistics["step_size"],
    }
    results = {f"step/{k}/aux/{part}{name}": value for name, value in aux.items()}
    results |= {f"step/{k}/loss/{part}{name}": statistics[name] for name in model.loss_names}
    return results, rollout


@driver("update", "PPO1")
def ppo1_update(case: Case) -> dict[str, Any]:
    """One whole update for each step."""
    if case.id.startswith("pretrain"):
        return _pretrain(case)
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        prefix = f"step/{k}/in/"
        segment = case.under(prefix)
        rollout = rollout_of(segment)
        batch = model.training_batch(rollout, model.standardized_advantages(rollout), model.minibatch_size)
        check_advantages(case, prefix, rollout, batch)
        rows, final = segment["minibatches"], segment["eval_minibatches"]
        statistics = model.train(batch, minibatches_of(np.concatenate([rows, final])), float(segment["lrmult"]))
        losses = np.stack([statistics[name] for name in model.loss_names], axis=1)  # [K, 5]
        results[f"step/{k}/loss/minibatch"] = losses[: len(rows)]
        means = losses[len(rows) :].mean(axis=0)
        results |= {f"step/{k}/loss/{name}": mean for name, mean in zip(model.loss_names, means, strict=True)}
        results |= _parameters(model, k)
    return results


@driver("update", "TRPO")
def trpo_update(case: Case) -> dict[str, Any]:
    """One whole update for each step."""
    if case.id.startswith("pretrain"):
        return _pretrain(case)
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        results |= trpo_step(case, model, k)[0] | _parameters(model, k)
    return results


@driver("forward", "GAIL")
def gail_classifier(case: Case) -> dict[str, Any]:
    """The discriminator's rewards."""
    discriminator, inputs = make_model(case).reward_giver, case.under("input/")
    obs, actions = inputs["obs"], inputs["actions"]
    results = {"output/reward_before_rms_update": discriminator.get_reward(obs, actions)}
    discriminator.observe(inputs["rms_update"])
    return results | {
        "output/reward": discriminator.get_reward(obs, actions),
        "output/logits": discriminator.build_graph(obs, actions).numpy(),
        "output/rms_mean": discriminator.obs_rms.mean,
        "output/rms_std": discriminator.obs_rms.std,
    }


@driver("update", "GAIL")
def gail_update(case: Case) -> dict[str, Any]:
    """The policy's updates and the discriminator's that follow, for each step."""
    model, results = make_model(case), {}
    for k in range(case.n_steps):
        for g in range(model.g_step):
            part = f"g{g}/" if model.g_step > 1 else ""
            told, rollout = trpo_step(case, model, k, part)
            results |= told
            np.testing.assert_allclose(model.imitation_rewards(rollout), rollout.rewards, rtol=1e-3, atol=1e-4)
        for i in range(model.d_step):
            inputs = case.under(f"step/{k}/in/d{i}/")
            rows = inputs["indices"]
            expert = expert_arrays(
                inputs["expert_obs"], inputs["expert_actions"], model.train_model.preprocessor, model.action_space
            )
            found = model.train_adversary(rollout.obs[0, rows], rollout.actions[0, rows], *expert)
            results[f"step/{k}/loss/d{i}"] = [found[name] for name in model.reward_giver.loss_name]
        results |= _parameters(model, k)
        for name, array in model.reward_giver.obs_rms.get_state().items():
            results[f"step/{k}/aux/adversary/obfilter/{name}:0"] = array
    return results
