"""PPO2: what goes into its updates."""

import numpy as np
import pytest

from stable_baselines_tf2 import PPO2, logger
from stable_baselines_tf2.bench import Monitor
from stable_baselines_tf2.common.schedules import LinearFunction
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize
from stable_baselines_tf2.ppo2.ppo2 import Runner, swap_and_flatten
from tests.on_policy_cases import Scripted, make, random_env, same


@pytest.fixture
def model():
    """A model that notes the arguments of its updates instead of training."""
    return noting(make("PPO2"))


def noting(model):
    model.noted = []

    def train(*arguments):
        model.noted.append(arguments)
        return dict.fromkeys((*model.loss_names, "loss"), 0.0)

    model.train = train
    return model


def test_defaults():
    model = PPO2("MlpPolicy", random_env(4))
    assert (model.gamma, model.n_steps, model.learning_rate) == (0.99, 128, 2.5e-4)
    assert (model.ent_coef, model.vf_coef) == (0.01, 0.5)
    assert (model.max_grad_norm, model.lam, model.nminibatches, model.noptepochs) == (0.5, 0.95, 4, 4)
    assert (model.cliprange, model.cliprange_vf, model.n_batch) == (0.2, None, 512)


def test_schedules_follow_the_remaining_progress(model):
    model.learning_rate, model.cliprange = LinearFunction(4.0), lambda p: p / 2
    model.cliprange_vf = LinearFunction(0, 8)
    model.learn(8 * 4 + 7)  # the incomplete fifth rollout is not played
    assert model.num_timesteps == 32
    np.testing.assert_allclose([noted[3:] for noted in model.noted],
                               [(4, 0.5, 0), (3, 0.375, 2), (2, 0.25, 4), (1, 0.125, 6)])  # fmt: skip


@pytest.mark.parametrize("given, used", [(None, 0.2), (0.5, 0.5), (lambda p: 0.25 * p, 0.25), (-1, -1)])
def test_range_of_value_clipping(model, given, used):
    model.cliprange_vf = given
    model.learn(8)
    assert model.noted[0][5] == used


def test_three_meanings_of_value_clipping():
    """Real updates from the same weights on the same data, by two steps each."""
    rng = np.random.default_rng(0)
    model = make("PPO2", max_grad_norm=None)
    first, obs = model.get_parameters(), rng.normal(size=(8, 3)).astype(np.float32)
    numbers = {name: rng.normal(size=8).astype(np.float32) for name in ("returns", "values")}
    batch = dict(obs=obs, actions=rng.integers(0, 4, 8), neglogp=np.full(8, 1.4, np.float32), **numbers)
    plain_loss = 0.5 * np.mean((model.value(obs) - batch["returns"]) ** 2)
    rows = np.tile(np.arange(8, dtype=np.int32), (2, 1))

    def update(cliprange_vf):
        model.load_parameters(first)
        model.moments = model.optimizer.initial_state(sum(model.parameters.sizes))
        model.cliprange_vf = cliprange_vf
        used = 0.2 if cliprange_vf is None else cliprange_vf
        return model.train(batch, rows, np.zeros((2, 0), np.int32), 0.05, 0.2, used), model.get_parameters()

    (_, like_the_policy), (clipped, same_range), (plain, off), (_, wide) = map(update, (None, 0.2, -1, 1e6))
    assert same(like_the_policy, same_range) and not same(off, same_range)
    assert clipped["value_loss"] > plain_loss > plain["value_loss"]  # which is the mean over both steps
    for name in off:
        np.testing.assert_allclose(off[name], wide[name], atol=1e-5)
    assert model.phase.n_traces == 1


def test_returns_are_those_of_generalized_advantage_estimation():
    model = noting(make("PPO2", env=DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])] * 2), gamma=0.5, lam=0.25))
    model.learn(8)
    batch = model.noted[0][0]
    values, last = batch["values"].reshape(2, 4), model.value(model.runner.obs)
    rewards, ends = np.tile([1, 2, 4, 1], (2, 1)), np.tile([0, 0, 1, 0], (2, 1))
    following = np.concatenate([values[:, 1:], last[:, None]], axis=1)
    delta = rewards + 0.5 * (1 - ends) * following - values
    advantages, later = np.zeros((2, 4)), np.zeros(2)
    for t in (3, 2, 1, 0):
        advantages[:, t] = later = delta[:, t] + 0.5 * 0.25 * (1 - ends[:, t]) * later
    np.testing.assert_allclose(batch["returns"].reshape(2, 4), advantages + values, rtol=1e-5)
    assert batch["obs"].shape == (8, 2) and batch["actions"].shape == batch["neglogp"].shape == (8,)


def test_minibatches(model):
    rows, sequences = model.minibatches()
    assert rows.shape == (4, 4) and sequences.shape == (4, 0)
    np.testing.assert_array_equal(np.sort(rows.reshape(2, 8)), np.tile(np.arange(8), (2, 1)))


def test_recurrent_minibatches_hold_whole_sequences():
    model = make("PPO2", "MlpLstmPolicy", random_env(4))
    rows, sequences = model.minibatches()
    assert rows.shape == (4, 8) and sequences.shape == (4, 2)
    np.testing.assert_array_equal(np.sort(sequences.reshape(2, 4)), np.tile(np.arange(4), (2, 1)))
    np.testing.assert_array_equal(rows.reshape(4, 2, 4), sequences[:, :, None] * 4 + np.arange(4))


def test_recurrent_batches():
    model = noting(make("PPO2", "MlpLstmPolicy", DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])] * 2)))
    model.learn(16)
    first, second = (noted[0] for noted in model.noted)
    np.testing.assert_array_equal(first["starts"].reshape(2, 4), [[0, 0, 0, 1]] * 2)
    np.testing.assert_array_equal(second["starts"].reshape(2, 4), [[0, 0, 1, 0]] * 2)
    assert not first["states"].any() and second["states"].shape == (2, 8) and second["states"].any()
    # The recorded values are those of the network run over the recorded sequence from the recorded state.
    outputs = model.train_model(second["obs"], second["states"], second["starts"], n_steps=4)
    np.testing.assert_allclose(outputs.value, second["values"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs.distribution.neglogp(second["actions"]), second["neglogp"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_timeouts(bootstrap):
    env = DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0], truncates=True)] * 2)
    model = noting(make("PPO2", env=env, bootstrap_timeouts=bootstrap, gamma=0.5, lam=1.0))
    model.learn(8)
    batch, bonus = model.noted[0][0], 0.5 * model.value(np.float32([[3, 0]]))[0]
    returns = batch["returns"].reshape(2, 4)[0, :3]
    reward = 4 + bonus if bootstrap else 4
    np.testing.assert_allclose(returns, [1 + 0.5 * (2 + 0.5 * reward), 2 + 0.5 * reward, reward], rtol=1e-5)


def test_timeouts_under_normalization():
    """The observation that a time limit cut off is normalized like all others."""
    env = VecNormalize(DummyVecEnv([lambda: Scripted([1.0, 2.0], truncates=True)]), norm_reward=False, training=False)
    env.obs_rms.mean, env.obs_rms.var = np.array([10.0, 0.0]), np.array([4.0, 1.0])
    model = noting(make("PPO2", env=env, bootstrap_timeouts=True, gamma=0.5, lam=1.0))
    asked, value = [], model.collector._value
    model.collector._value = lambda obs, *rest: asked.append(obs) or value(obs, *rest)
    model.learn(4)
    np.testing.assert_allclose(asked[0], [[(2 - 10) / 2, 0]], rtol=1e-5)
    stacked = VecFrameStack(VecNormalize(DummyVecEnv([lambda: Scripted([1.0])])), 2)
    with pytest.raises(ValueError, match="bootstrap_timeouts: VecNormalize must be outside"):
        make("PPO2", env=stacked, bootstrap_timeouts=True).learn(8)
    noting(make("PPO2", env=stacked)).learn(4)


def test_table(tmp_path):
    env = DummyVecEnv([lambda: Monitor(Scripted([1.0, 2.0, 4.0]), None)] * 2)
    model = noting(make("PPO2", env=env, verbose=1))
    logger.configure(str(tmp_path), ["csv"])
    try:
        model.learn(40, log_interval=2)
    finally:
        logger.reset()
    header, *rows = [line.split(",") for line in (tmp_path / "progress.csv").read_text().splitlines()]
    names = {"serial_timesteps", "n_updates", "total_timesteps", "fps", "explained_variance", "time_elapsed"}
    assert set(header) == names | {"ep_reward_mean", "ep_len_mean"} | set(model.loss_names)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(row["n_updates"], row["total_timesteps"], row["serial_timesteps"]) for row in table] == [
        ("1", "8", "4"), ("2", "16", "8"), ("4", "32", "16")]  # fmt: skip
    times = [float(row["time_elapsed"]) for row in table]  # when the rollouts of these updates began
    assert times == sorted(times) and 0 <= times[0] < times[-1] and all(int(row["fps"]) > 0 for row in table)
    assert table[-1]["ep_reward_mean"] == "7.0" and table[-1]["ep_len_mean"] == "3.0"


def test_nothing_to_do(model):
    before = model.get_parameters()
    assert model.learn(0) is model and model.learn(7).num_timesteps == 0
    assert same(model.get_parameters(), before)


def test_legacy_names():
    runner = Runner(env=random_env(), model=make("PPO2"), n_steps=3, gamma=0.9, lam=0.8)
    assert len(runner.run()) == 9 and runner.run()[0].shape == (6, 3)
    np.testing.assert_array_equal(swap_and_flatten(np.arange(6).reshape(3, 2)), [0, 2, 4, 1, 3, 5])
