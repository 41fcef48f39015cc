"""Generative adversarial imitation learning; its numbers are tested by the golden cases."""

import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import GAIL, logger
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.gail import ExpertDataset
from stable_baselines_tf2.gail.adversary import TransitionClassifier, logit_bernoulli_entropy, logsigmoid
from tests.helpers import RandomEnv, box
from tests.on_policy_cases import Scripted, random_env, same

SMALL = {"timesteps_per_batch": 128, "g_step": 2, "hidden_size_adversary": 8, "vf_iters": 1, "cg_iters": 2, "seed": 1}

LOSSES = dict.fromkeys(TransitionClassifier.loss_name, 0.0)


def expert(ob_space=None, ac_space=None, n=40):
    """Observations as the environment's, always with the same action."""
    ob_space, ac_space = ob_space or box(3), ac_space or spaces.Discrete(4)
    ob_space.seed(0)
    actions = np.full((n, *(ac_space.shape or (1,))), 2 if isinstance(ac_space, spaces.Discrete) else 0.5)
    data = {
        "obs": np.array([ob_space.sample() for _ in range(n)]),
        "actions": actions,
        "episode_starts": np.arange(n) % 10 == 0,
        "episode_returns": np.ones(n // 10),
    }
    return ExpertDataset(traj_data=data, batch_size=8, verbose=0)


def make(env=None, dataset=None, policy="MlpPolicy", **arguments):
    return GAIL(policy, env or random_env(1), expert() if dataset is None else dataset, **{**SMALL, **arguments})


def test_the_expert_s_action_is_preferred_in_the_end():
    model = make(random_env(1), expert(n=1000), gamma=0.0, d_stepsize=1e-2, max_kl=0.05, g_step=1)
    obs = np.random.default_rng(1).uniform(-1, 1, (100, 3)).astype(np.float32)
    before = model.action_probability(obs)[:, 2].mean()
    model.learn(128 * 30)
    assert model.num_timesteps == 128 * 30
    assert before < 0.35
    assert model.action_probability(obs)[:, 2].mean() > 0.6
    rewards = [model.reward_giver.get_reward(obs, np.full(100, action)).mean() for action in range(4)]
    assert np.argmax(rewards) == 2


def test_rollouts_for_each_update_of_the_discriminator():
    model = make(g_step=3)
    calls = []
    model.train_adversary = lambda *arrays: calls.append([len(array) for array in arrays]) or LOSSES
    model.learn(2 * 128)
    assert model.num_timesteps == 2 * 3 * 128
    assert calls == [[128, 128, 40, 40]] * 2


def test_minibatches_of_the_discriminator():
    model = make(g_step=1, d_step=3, timesteps_per_batch=128 + 2)
    sizes = []
    model.train_adversary = lambda *arrays: sizes.append(len(arrays[0])) or LOSSES
    model.learn(1)
    assert sizes == [43] * 3
    sizes.clear()
    model.d_step = 50  # minibatches of 2 of the 130 steps
    model.learn(1)
    assert sizes == [2] * 65


def test_the_discriminator_s_step_size_can_be_changed():
    model = make(g_step=1)
    model.learn(1)
    before = model.reward_giver.params.vector.numpy()
    model.d_stepsize = 0.0
    model.learn(1)
    np.testing.assert_array_equal(model.reward_giver.params.vector.numpy(), before)


def test_rounds_are_whole():
    model = make(g_step=2)
    calls = []
    model.train_adversary = lambda *arrays: calls.append(model.num_timesteps) or LOSSES
    model.learn(128 + 64)
    assert calls == [256, 512] and model.num_timesteps == 512


@pytest.mark.parametrize("bootstrap", [False, True])
def test_time_limits(bootstrap):
    env = DummyVecEnv([lambda: Scripted([1.0] * 5, truncates=True)])
    data = expert(env.observation_space)
    data.actions[:] = 1
    model = make(env, data, bootstrap_timeouts=bootstrap)
    seen = []
    model.imitation_rewards = lambda rollout: np.ones(rollout.rewards.shape, np.float32)
    model.learn_from = lambda rollout: seen.append(rollout) or dict.fromkeys({*model.loss_names, *model.log_tags}, 0.0)
    model.learn(64)
    cut = np.flatnonzero(seen[0].rewards != 1.0)
    assert cut.tolist() == ([*range(4, 128, 5)] if bootstrap else [])


def test_returns_are_told_of_both_kinds_of_rewards():
    model = make(random_env(2))
    model.learn(128)
    rewards = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    dones = np.array([[False, True, False], [True, False, True]])
    model._learned_returns = np.array([0.5, 0.0])
    assert model._returns_of(rewards, dones) == [10.0, 3.5, 50.0]
    np.testing.assert_array_equal(model._learned_returns, [3.0, 0.0])


def test_training_goes_on_from_a_file(tmp_path):
    model = make(d_step=2)
    model.learn(128)
    model.save(tmp_path / "gail")
    model.learn(256, reset_num_timesteps=False)
    loaded = GAIL.load(tmp_path / "gail", env=random_env(1), expert_dataset=expert())
    # The environments of both start anew, but from other states.
    model_again = GAIL.load(tmp_path / "gail", env=random_env(1), expert_dataset=expert())
    for again in (loaded, model_again):
        again.learn(256, reset_num_timesteps=False)
    assert loaded.num_timesteps == model.num_timesteps == 6 * 128
    assert same(loaded.get_parameters(), model_again.get_parameters())


def test_resumption_is_exact(tmp_path):
    model = make(d_step=2)
    model.learn(128)
    model.save(tmp_path / "gail")
    loaded = GAIL.load(tmp_path / "gail", env=random_env(1), expert_dataset=expert())
    for one in (model, loaded):
        one.set_env(random_env(1))
        one.learn(256, reset_num_timesteps=False)
    assert same(model.get_parameters(), loaded.get_parameters())
    (_, first), (_, second) = model.training_state(), loaded.training_state()
    assert same(first, second)
    assert any(name.startswith("adversary/") for name in first)


@pytest.mark.parametrize(
    ("ob_space", "ac_space"),
    [
        (box(3), spaces.MultiDiscrete([3, 2])),
        (box(3), spaces.MultiBinary(2)),
        (spaces.Discrete(5), box(2)),
        (spaces.MultiDiscrete([3, 2]), spaces.Discrete(3)),
        (spaces.Box(0, 255, (4, 4, 3), np.uint8), spaces.Discrete(3)),
    ],
    ids=str,
)
def test_spaces_of_the_discriminator(ob_space, ac_space):
    discriminator = TransitionClassifier(ob_space, ac_space, 8)
    for space in (ob_space, ac_space):
        space.seed(0)
    obs, actions = (np.stack([space.sample() for _ in range(5)]) for space in (ob_space, ac_space))
    discriminator.observe(obs)
    rewards = discriminator.get_reward(obs, actions)
    assert rewards.shape == (5, 1) and (rewards > 0).all()
    np.testing.assert_allclose(discriminator.get_reward(obs[1], actions[1]), rewards[1:2], rtol=1e-5)


def test_a_recurrent_policy_imitates():
    policy_kwargs = {"n_lstm": 4, "net_arch": [6, "lstm"]}
    model = make(policy="MlpLstmPolicy", policy_kwargs=policy_kwargs)
    before = model.get_parameters()
    model.learn(128)
    assert not same(before, model.get_parameters())


def test_functions():
    x = np.array([-100.0, 0.0, 3.0], np.float32)
    np.testing.assert_allclose(logsigmoid(x), [-100.0, np.log(0.5), np.log(1 / (1 + np.exp(-3)))], rtol=1e-5)
    p = 1 / (1 + np.exp(-3.0))
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    np.testing.assert_allclose(logit_bernoulli_entropy(x), [0.0, np.log(2), entropy], rtol=1e-4, atol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="expert_dataset"):
        GAIL("MlpPolicy", random_env(1), **SMALL).learn(128)
    for dataset, message in [
        (expert(ob_space=box(2)), "observations have the shape"),
        (expert(ac_space=box(2)), "actions have the shape"),
        (expert(ac_space=spaces.Discrete(4)), None),
    ]:
        model = make(dataset=dataset)
        if message is None:
            model.learn(128)
            continue
        before = model.get_parameters()
        with pytest.raises(ValueError, match=message):
            model.learn(128)
        assert same(before, model.get_parameters())
    for arguments in ({"g_step": 0}, {"d_step": 129}, {"d_stepsize": -1.0}, {"hidden_size_adversary": 1.5}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            make(**arguments)
    discriminator = TransitionClassifier(box(3), spaces.Discrete(2), 4)
    with pytest.raises(ValueError, match="2 observations and 3 actions"):
        discriminator.get_reward(np.zeros((2, 3)), np.zeros(3))
    with pytest.raises(TypeError):
        TransitionClassifier(spaces.Text(3), spaces.Discrete(2), 4)


def test_nan_in_the_discriminator_stops_training():
    class Infinite(RandomEnv):
        def step(self, action):
            obs, *rest = super().step(action)
            return np.full_like(obs, np.nan), *rest

    model = make(Infinite(box(3), spaces.Discrete(4)))
    before = model.get_parameters()
    with pytest.raises(FloatingPointError):
        model.learn(128)
    assert same(before, model.get_parameters())


def test_tables_come_once_in_g_step_updates_with_the_entropy_of_the_policy(monkeypatch):
    rows, dump = [], logger.dumpkvs
    monkeypatch.setattr(logger, "dumpkvs", lambda: (rows.append(dict(logger.getkvs())), dump()))
    model = make(random_env(1, spaces.Discrete(4)), expert(ac_space=spaces.Discrete(4)), g_step=2, verbose=1)
    model.learn(2 * model.timesteps_per_batch)
    assert [row["TimestepsSoFar"] for row in rows] == [n * model.timesteps_per_batch for n in (2, 4)]
    assert all(1.2 < row["entropy"] <= np.log(4) + 1e-6 and row["generator_loss"] > 0 for row in rows)


def test_the_first_expert_batch_is_learned_from(monkeypatch):
    model = make()
    data, taken = model.expert_dataset, []
    monkeypatch.setattr(model, "train_adversary", lambda *arrays: taken.append(arrays[2]) or dict.fromkeys(LOSSES, 0.0))
    LOSSES = model.reward_giver.loss_name
    seeds = []
    initialize = data.init_dataloader
    monkeypatch.setattr(
        data, "init_dataloader", lambda size, seed: (seeds.append((size, seed)), initialize(size, seed))[1]
    )
    model.learn(model.timesteps_per_batch)
    initialize(*seeds[-1])
    np.testing.assert_array_equal(taken[0], data.get_next_batch()[0])
