"""What callbacks find in ``self.locals``, compared with what the original gave them."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from stable_baselines_tf2.common.callbacks import BaseCallback
from tests.off_policy_cases import make_off_policy
from tests.on_policy_cases import make, random_env

OWN = pathlib.Path(__file__)
FACTS = pathlib.Path(os.environ.get("SBTF2_SHARED", OWN.parents[3] / "shared")) / "field" / "facts"
# HER's callbacks get the HER model and observations of the environment's dtype; NumPy 2 calls its bool_ bool; a plain
# environment is wrapped.
KNOWN = {"HER with SAC": {"self", "obs", "new_obs", "obs_", "new_obs_"}, "ACKTR": {"is_uninitialized"}}
KNOWN |= dict.fromkeys(("TRPO", "PPO1", "GAIL"), {"env"})


def test_names_types_and_shapes_are_the_originals(tmp_path):
    path = tmp_path / "ours.json"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(FACTS / "callbacks.py"), str(path), "--ours"]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=tmp_path)
    ours, theirs = json.loads(path.read_text()), json.loads((FACTS / "callbacks.json").read_text())
    different = {}
    for algorithm, events in theirs.items():
        for event, names in events.items():
            found = ours[algorithm][event]
            for name in sorted(set(names) - {"_", "kwargs"} - KNOWN.get(algorithm, set())):
                if found.get(name) != names[name]:
                    different[algorithm, event, name] = names[name], found.get(name)
    assert not different


class Look(BaseCallback):
    """Notes everything at every event."""

    def __init__(self):
        super().__init__()
        self.steps, self.ends = [], []

    def _on_step(self):
        self.steps.append(dict(self.locals))
        return True

    def _on_rollout_end(self):
        self.ends.append(dict(self.locals))


def looked(model, n_steps):
    look = Look()
    model.learn(n_steps, look)
    return look


@pytest.mark.parametrize("name", ["A2C", "ACKTR", "PPO2", "ACER"])
def test_values_of_rollouts(name):
    look = looked(make(name, env=random_env(2)), 24)
    n = len(look.steps) // len(look.ends)
    for rollout, end in enumerate(look.ends):
        steps = look.steps[rollout * n : (rollout + 1) * n]
        for t, step in enumerate(steps):
            assert len(step["mb_obs"]) == t + 1 and len(step["mb_rewards"]) == t
            for before, now in zip(steps[:t], step["mb_rewards"], strict=True):
                np.testing.assert_array_equal(before["rewards"], now)
            np.testing.assert_array_equal(step["mb_actions"][t], step["actions"])
        rewards = np.stack([step["rewards"] for step in steps], axis=1)
        if name in ("A2C", "ACKTR"):
            np.testing.assert_array_equal(end["true_reward"], rewards.ravel())
            np.testing.assert_array_equal(end["obs"].reshape(2, n, -1)[:, 0], steps[0]["mb_obs"][0])
            returns = end["rewards" if name == "A2C" else "returns"].reshape(2, n)
            assert np.isfinite(returns).all() and len(end["rollout"]) == 8 and end["self"] is end["callback"].model
        if name == "ACER":
            np.testing.assert_array_equal(end["rewards"], rewards)
            np.testing.assert_allclose(end["mus"].sum(-1), 1.0, rtol=1e-5)
    assert look.steps[-1]["self"].model.num_timesteps == 24


@pytest.mark.parametrize("name", ["TRPO", "PPO1"])
def test_values_of_segments(name):
    model = make(name, env=random_env(1))
    look = looked(model, 3 * model.horizon)
    n = model.horizon
    rewards = [step["reward"] for step in look.steps]
    dones = [step["done"] for step in look.steps]
    running = 0.0
    for i, step in enumerate(look.steps):
        t = i % n
        assert step["i"] == step["current_it_len"] == t and step["step"] == i
        np.testing.assert_array_equal(step["rewards"][:t], np.float32(rewards[i - t : i]))
        np.testing.assert_array_equal(step["dones"][:t], dones[i - t : i])
        assert step["actions"].shape[0] == n and step["episode_start"] == (i == 0 or dones[i - 1])
        assert step["cur_ep_ret"] == pytest.approx(running)
        running = 0.0 if dones[i] else running + rewards[i]
    for k, end in enumerate(look.ends[:3]):
        np.testing.assert_array_equal(end["rewards"], np.float32(rewards[k * n : (k + 1) * n]))
        np.testing.assert_array_equal(end["dones"], dones[k * n : (k + 1) * n])


@pytest.mark.parametrize("name", ["DQN", "SAC", "TD3", "DDPG"])
def test_values_of_transitions(name):
    model = make_off_policy(name)
    look = looked(model, 40)
    for before, now in zip(look.steps[:-1], look.steps[1:], strict=True):
        np.testing.assert_array_equal(now["obs_"], before["obs"])
        np.testing.assert_array_equal(now["new_obs_"], before["new_obs"])
        assert now["reward_"] == before["reward"]
    last = look.steps[-1]
    if name == "DQN":
        assert last["num_episodes"] == len(last["episode_rewards"]) and last["can_sample"]
        assert np.shape(last["td_errors"]) == (model.batch_size,)
    elif name == "DDPG":
        assert last["total_steps"] == 39 and len(last["epoch_actions"]) == 39 == len(last["epoch_qs"])
        np.testing.assert_array_equal(last["epoch_actions"][-1], look.steps[-2]["action"])
    else:
        np.testing.assert_allclose(np.mean(last["mb_infos_vals"], axis=0), last["infos_values"], rtol=1e-5)


def test_runners_return_the_originals_tuples():
    model = make("PPO2", env=random_env(2))
    obs, returns, masks, actions, values, neglogpacs, states, ep_infos, true_reward = model.runner.run()
    n = model.n_steps * 2
    assert {len(array) for array in (obs, returns, masks, actions, values, neglogpacs, true_reward)} == {n}
    assert states is None and ep_infos == [] and model.num_timesteps == n and masks.dtype == bool
    assert model.runner.gamma == model.gamma and model.runner.batch_ob_shape == (n, 3)
    assert len(make("A2C").runner.run()) == 8 and len(make("ACER").runner.run()) == 7


def test_nothing_is_computed_where_nobody_looks(monkeypatch):
    model, calls = make("A2C", env=random_env(2)), []
    estimate = model.estimated_returns
    monkeypatch.setattr(model, "estimated_returns", lambda rollout: calls.append(1) or estimate(rollout))
    model.learn(24, BaseCallback())
    assert len(calls) == 24 // model.n_batch  # those of the updates


def test_attributes_of_the_original_that_scripts_read():
    model = make_off_policy("DQN", prioritized_replay=True)
    model.learn(30)
    buffer = model.replay_buffer
    assert len(buffer._storage) == 30 == buffer._next_idx and buffer._maxsize == buffer.buffer_size
    np.testing.assert_array_equal(buffer._storage[3][0], buffer.storage[3][0])
    assert buffer._it_sum.sum(0, 30) > 0 and buffer._it_min.min(0, 30) > 0
    obs = np.zeros((4, *model.observation_space.shape), model.observation_space.dtype)
    np.testing.assert_array_equal(model.act(obs, stochastic=False), model.predict(obs)[0])
    assert set(model.act(np.repeat(obs, 20, 0), update_eps=1.0)) > set(model.act(obs, stochastic=False))
    trpo = make("TRPO")
    assert (trpo.using_gail, trpo.nworkers, trpo.g_step) == (False, 1, 1)
    flat = trpo.get_flat()
    trpo.set_from_flat(flat * 2)
    np.testing.assert_array_equal(trpo.get_flat(), flat * 2)
    env = random_env(2)
    env.reset()
    obs, rewards, dones, infos = env.step([0, 1])
    np.testing.assert_array_equal(env.buf_obs[None], obs)
    assert env.buf_rews is rewards and env.buf_dones is dones and env.buf_infos is infos
    acer = make("ACER")
    acer.learn(16)
    assert acer.n_act == 4 and acer.names_ops[0] == "loss" and "advantage" not in acer.names_ops
