"""ACER: what goes into its updates, and what comes out."""

import io

import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import ACER, logger
from stable_baselines_tf2.acer.acer_simple import get_by_index, q_retrace, strip
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from tests.helpers import box
from tests.on_policy_cases import Failing, Scripted, make, random_env, same

STATISTICS = (
    *("loss", "loss_q", "entropy", "loss_policy", "loss_f", "loss_bc", "explained_variance", "norm_grads"),
    *("norm_grads_q", "norm_grads_policy", "avg_norm_grads_f", "avg_norm_k", "avg_norm_g", "avg_norm_k_dot_g"),
    *("avg_norm_adj", "advantage"),
)
IMAGE = box(36, 36, 1, low=0, high=255, dtype=np.uint8)


def noting(model):
    """The model notes the arguments of its updates instead of training."""
    model.noted = []

    def train(batches, learning_rate):
        model.noted.append((batches, learning_rate))
        return dict.fromkeys(STATISTICS, 0.0)

    model.train = train
    return model


def scripted(*rewards, n_envs=2, **kwargs):
    return DummyVecEnv([lambda: Scripted(list(rewards), **kwargs)] * n_envs)


def test_defaults():
    model = ACER("MlpPolicy", random_env())
    assert (model.gamma, model.n_steps, model.max_grad_norm, model.n_batch) == (0.99, 20, 10, 40)
    assert (model.q_coef, model.ent_coef, model.learning_rate, model.lr_schedule) == (0.5, 0.01, 7e-4, "linear")
    assert (model.rprop_alpha, model.rprop_epsilon, model.alpha, model.delta) == (0.99, 1e-5, 0.99, 1)
    assert (model.buffer_size, model.replay_ratio, model.replay_start) == (5000, 4, 1000)
    assert (model.correction_term, model.trust_region, model.n_cpu_tf_sess) == (10.0, True, 1)
    assert model.replay_buffer.size == 250 and model.replay_buffer.n_env == 2
    with pytest.warns(DeprecationWarning, match="num_procs is deprecated"):
        assert ACER("MlpPolicy", None, num_procs=1, _init_setup_model=False, n_cpu_tf_sess=2).n_cpu_tf_sess == 1


# ------------------------------------------------------------------------------------------- what the updates are given
@pytest.mark.parametrize("replay_ratio", [0, 1])
def test_new_rollouts(replay_ratio):
    model = noting(make("ACER", env=scripted(1.0, 2.0, 4.0), replay_ratio=replay_ratio, replay_start=64))
    with_buffer = model.replay_buffer is not None
    model.learn(16)
    (first, _), (second, _) = model.noted
    np.testing.assert_array_equal(first["rewards"].reshape(2, 4), [[1, 2, 4, 1]] * 2)
    np.testing.assert_array_equal(first["dones"].reshape(2, 4), [[0, 0, 1, 0]] * 2)
    obs = second["obs"].reshape(2, 5, 2)
    np.testing.assert_array_equal(obs[0], [[1, 1], [2, 1], [0, 2], [1, 2], [2, 2]])
    assert {name: array.shape for name, array in second.items()} == {
        "obs": (1, 10, 2), "actions": (1, 8), "rewards": (1, 8), "mus": (1, 8, 2), "dones": (1, 8)}  # fmt: skip
    np.testing.assert_allclose(
        second["mus"].reshape(2, 4, 2)[1], model.action_probability(obs[1, :4]), rtol=1e-5, atol=1e-6
    )
    assert with_buffer is (replay_ratio > 0) is (model.replay_buffer is not None)


def test_replay():
    """Replays begin once there are enough steps, and show what the buffer holds."""
    model = noting(make("ACER", env=scripted(*range(1, 1000)), replay_ratio=2, replay_start=13, buffer_size=20))
    model.learn(8 * 200)
    new = [batches["rewards"][0].reshape(2, 4) for batches, _ in model.noted]
    np.testing.assert_array_equal(np.concatenate(new, axis=1)[0], np.arange(1, 801))
    replayed = [batches["rewards"][1:].reshape(-1, 2, 4) for batches, _ in model.noted]
    assert [len(batch) for batch in replayed[:2]] == [0, 0]  # 13 steps are three rollouts, to whole ones
    counts = [len(batch) for batch in replayed[2:]]
    assert np.mean(counts) == pytest.approx(2, abs=0.35) and np.var(counts) == pytest.approx(2, abs=0.7)
    ages = [t - (batch[:, :, 0] - 1) / 4 for t, batch in enumerate(replayed)]
    ages = np.concatenate(ages)
    assert set(ages.ravel().tolist()) == {0, 1, 2, 3, 4} and (ages[:, 0] != ages[:, 1]).mean() > 0.5
    np.testing.assert_array_equal(np.concatenate(replayed)[:, :, 3] % 4, 0)  # always whole rollouts


def test_more_replays_than_fit_in_a_call():
    model = make("ACER", replay_ratio=2, replay_start=0)
    assert model.steps_per_call == 9
    calls, train = [], model.train
    model.train = lambda batches, rate: calls.append(len(batches["rewards"])) or train(batches, rate)
    model._sample = model.replay_buffer.sample_indices
    model.replay_buffer.sample_indices = lambda n, generator: model._sample(20, generator)
    model.learn(8)
    assert calls == [9, 9, 3] and model.phase.n_traces == 1


def test_recurrent_batches():
    """The memory is empty at the start of each rollout, and where an episode starts."""
    model = noting(make("ACER", "MlpLstmPolicy", scripted(1.0, 2.0, 4.0)))
    model.learn(16)
    batches, _ = model.noted[1]
    np.testing.assert_array_equal(batches["starts"].reshape(2, 5)[0], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(batches["states"], np.zeros((2, 8)))


def test_rates():
    model = noting(make("ACER", learning_rate=0.5, lr_schedule="linear"))
    model.learn(30)  # rounded up to four rollouts
    np.testing.assert_allclose([rate for _, rate in model.noted], [0.5 * (1 - n / 30) for n in (8, 16, 24, 30)])
    model.learn(30, reset_num_timesteps=False)
    np.testing.assert_allclose(model.noted[4][1], 0.5 * (1 - 8 / 30))  # it starts anew, rather than below zero
    assert model.num_timesteps == 64


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_timeouts(policy):
    model = noting(make("ACER", policy, scripted(1.0, 2.0, truncates=True), bootstrap_timeouts=True, gamma=0.5))
    model.learn(8)
    memory = (tf.zeros((1, 8)), tf.zeros(3)) if model.train_model.recurrent else ()
    outputs = model.train_model(tf.constant([[0.0, 0], [1, 0], [2, 0]]), *memory, n_steps=3)
    value = np.sum(tf.nn.softmax(outputs.policy) * outputs.q_value, axis=1)[2]
    rewards = model.noted[0][0]["rewards"][0]
    np.testing.assert_allclose(rewards[:2], [1, 2 + 0.5 * value], rtol=1e-5)
    assert model.noted[0][0]["dones"][0, 1] == 1


# ----------------------------------------------------------------------------------------------------------- the update
def batch_of(model, rng, n_obs=3, n_actions=4):
    n_envs, n_steps = model.n_envs, model.n_steps
    mus = rng.dirichlet(np.ones(n_actions), n_envs * n_steps)
    return {
        "obs": rng.normal(size=(1, n_envs * (n_steps + 1), n_obs)).astype(np.float32),
        "actions": rng.integers(0, n_actions, (1, n_envs * n_steps)),
        "rewards": rng.normal(size=(1, n_envs * n_steps)).astype(np.float32),
        "mus": mus[np.newaxis].astype(np.float32),
        "dones": (rng.random((1, n_envs * n_steps)) < 0.2).astype(np.float32),
    }


@pytest.mark.parametrize("trust_region", [True, False])
def test_one_update_in_numpy(trust_region):
    """Linear heads alone: losses, gradients and averages in loops over rows."""
    arguments = dict(policy_kwargs=dict(net_arch=[]), trust_region=trust_region, delta=0.02, correction_term=1.5)
    model = make("ACER", max_grad_norm=None, ent_coef=0.1, gamma=0.8, rprop_alpha=0.9, alpha=0.75, **arguments)
    rng = np.random.default_rng(0)
    old = {name: rng.normal(0, 0.5, array.shape) for name, array in model.get_parameters().items()}
    model.load_parameters(old)
    average = model.target_parameters["average"]
    average.advance(average.vector * 0.8)
    batch = batch_of(model, rng)
    statistics = model.train(batch, 0.1)

    def network(weights):
        obs = batch["obs"][0].astype(np.float64)
        logits, q = (obs @ weights[f"model/{head}/w:0"] + weights[f"model/{head}/b:0"] for head in ("pi", "q"))
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), q

    (pi, q), (average, _) = network(old), network({name: 0.8 * array for name, array in old.items()})
    v, actions, n = (pi * q).sum(axis=1), batch["actions"][0], 8
    d_logits, d_q, loss_f, loss_bc, loss_q, advantages = np.zeros_like(pi), np.zeros_like(q), 0.0, 0.0, 0.0, []
    adjusted = 0
    for env in range(2):
        target = v[5 * env + 4]
        for t in reversed(range(4)):
            row, step = 5 * env + t, 4 * env + t
            a, p, mu = actions[step], pi[row], batch["mus"][0, step]
            target = batch["rewards"][0, step] + 0.8 * (1 - batch["dones"][0, step]) * target
            rho, advantage = p / (mu + 1e-6), target - v[row]
            advantages.append(advantage)
            weights = np.eye(4)[a] * min(1.5, rho[a]) * advantage
            correction = np.maximum(0, 1 - 1.5 / rho) * p * (q[row] - v[row])
            loss_f -= np.sum(weights * np.log(p)) / n
            loss_bc -= np.sum(correction * np.log(p)) / n
            loss_q += 0.5 * (q[row, a] - target) ** 2 / n
            g, k = (weights + correction) / p, -average[row] / p
            if trust_region:
                factor = max(0.0, (k @ g - 0.02) / (k @ k))
                adjusted += factor > 0
                g = g - factor * k
            d_logits[row] = -p * (g - g @ p) / n
            d_q[row, a] = 0.5 * (q[row, a] - target) / n
            target = min(1, rho[a]) * (target - q[row, a]) + v[row]
    entropy = -np.sum(pi * np.log(pi))
    if trust_region:
        assert 0 < adjusted < 8
    else:
        d_logits += 0.1 * pi * (np.log(pi) - np.sum(pi * np.log(pi), axis=1, keepdims=True))
    expected = dict(loss_q=loss_q, entropy=entropy, loss_f=loss_f, loss_bc=loss_bc, loss_policy=loss_f + loss_bc)
    expected |= dict(loss=loss_f + loss_bc + 0.5 * loss_q - 0.1 * entropy, advantage=np.mean(advantages))
    for name, value in expected.items():
        assert statistics[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert ("avg_norm_adj" in statistics) is trust_region
    obs, new, averages = batch["obs"][0], model.get_parameters(), model.average_parameters
    for name, gradient in {
        "model/pi/w:0": obs.T @ d_logits,
        "model/pi/b:0": d_logits.sum(axis=0),
        "model/q/w:0": obs.T @ d_q,
        "model/q/b:0": d_q.sum(axis=0),
        "model/vf/w:0": 0 * old["model/vf/w:0"],
    }.items():
        moved = old[name] - 0.1 * gradient / np.sqrt(0.9 + 0.1 * gradient**2 + 1e-5)
        np.testing.assert_allclose(new[name], moved, rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(averages[name], 0.75 * 0.8 * old[name] + 0.25 * moved, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_several_steps_are_single_steps_in_turn(policy):
    first, second = (make("ACER", policy, replay_ratio=4) for _ in range(2))
    rng = np.random.default_rng(0)
    batches = [batch_of(first, rng) for _ in range(3)]
    if policy == "MlpLstmPolicy":
        for batch in batches:
            batch |= {"starts": np.zeros((1, 10), np.float32)}
    states = {"states": np.ones((2, 8), np.float32)} if policy == "MlpLstmPolicy" else {}
    together = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    told = first.train({**together, **states}, 1e-2)
    each = [second.train({**batch, **states}, 1e-2) for batch in batches]
    assert told == pytest.approx(each[0], rel=1e-5)
    for name, array in first.get_parameters().items():
        np.testing.assert_allclose(array, second.get_parameters()[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(first.average_parameters[name], second.average_parameters[name], atol=1e-6)


def test_helpers():
    x = tf.reshape(tf.range(12.0), (6, 2))
    np.testing.assert_array_equal(strip(x, 2, 2), [[0, 1], [2, 3], [6, 7], [8, 9]])
    np.testing.assert_array_equal(strip(x[:, 0], 2, 2, flat=True), [0, 2, 6, 8])
    np.testing.assert_array_equal(get_by_index(x[:3], tf.constant([0, 1, 1])), [0, 3, 5])
    one = tf.ones(4)
    targets = q_retrace(tf.constant([1.0, 2, 3, 4]), tf.zeros(4), one, tf.ones(6), 2 * one, 2, 2, 0.5)
    np.testing.assert_array_equal(targets, [1 + 0.5 * 2.5, 2.5, 3 + 0.5 * 4.5, 4.5])


# ------------------------------------------------------------------------------ averages, buffers, environments, table
def test_the_average_follows_weights_that_are_set():
    model = make("ACER")
    assert same(model.average_parameters, model.get_parameters())
    model.learn(16)
    assert not same(model.average_parameters, model.get_parameters())
    model.load_parameters({name: array + 1 for name, array in model.get_parameters().items()})
    assert same(model.average_parameters, model.get_parameters())


def test_pretraining_moves_the_average():
    class Dataset:
        train_loader = val_loader = range(4)

        def get_next_batch(self, split):
            return np.eye(3, dtype=np.float32), np.array([[1], [2], [3]])

    model = make("ACER")
    model.pretrain(Dataset(), n_epochs=30, learning_rate=3e-2)
    assert model.predict(np.eye(3), deterministic=True)[0].tolist() == [1, 2, 3]
    assert same(model.average_parameters, model.get_parameters())


def test_the_buffer_belongs_to_the_environments(tmp_path):
    model = make("ACER")
    model.learn(24)
    assert model.replay_buffer.num_in_buffer == 3
    model.learn(8)  # a further call goes on with it
    assert model.replay_buffer.num_in_buffer == 4
    model.save_replay_buffer(tmp_path / "buffer")
    model.set_env(random_env(3))
    assert model.replay_buffer is None
    model.learn(12)
    assert model.replay_buffer.n_env == 3 and model.replay_buffer.num_in_buffer == 1
    with pytest.raises(ValueError, match="with n_env 2, this one's is 3"):
        model.load_replay_buffer(tmp_path / "buffer")
    model.set_env(random_env(2))
    model.load_replay_buffer(tmp_path / "buffer")
    assert model.replay_buffer.num_in_buffer == 4
    content = io.BytesIO()
    model.save(content)
    without = ACER.load(io.BytesIO(content.getvalue()))
    with pytest.raises(ValueError, match="env: the size of the replay buffer depends on the number of environments"):
        without.load_replay_buffer(tmp_path / "buffer")
    with pytest.raises(ValueError, match="no replay buffer before it has an environment"):
        without.save_replay_buffer(tmp_path / "other")


def test_what_is_not_finite_is_not_kept():
    model = make("ACER", env=DummyVecEnv([lambda: Failing("nan", 14)] * 2))
    with pytest.raises(FloatingPointError):
        model.learn(100)
    assert model.replay_buffer.num_in_buffer == 3
    model.learn(80)  # the environment recovers, and nothing bad comes back
    assert all(np.isfinite(array).all() for array in model.get_parameters().values())


def test_a_buffer_too_small_for_replay():
    with pytest.warns(UserWarning, match="replay_start=100 is more than buffer_size=64: nothing is replayed"):
        make("ACER", replay_start=100)


def test_images():
    env = random_env(observation_space=IMAGE)
    model = make("ACER", "CnnPolicy", env, replay_ratio=2)
    before = model.get_parameters()
    model.learn(48)
    assert model.steps_per_call == 1 and model.phase.n_traces == 1
    assert model.replay_buffer.get()[0].dtype == np.uint8 and model.replay_buffer.num_in_buffer == 6
    for name, array in model.get_parameters().items():
        assert name.startswith("model/vf/") or not np.array_equal(array, before[name]), name


def test_normalized_images():
    model = make("ACER", "CnnPolicy", VecNormalize(random_env(observation_space=IMAGE)))
    model.learn(16)
    obs = model.replay_buffer.get()[0]
    assert obs.dtype == np.float32 and 0.1 < obs.std() < 2  # not cut to integers


def test_table(tmp_path):
    model = noting(make("ACER", env=scripted(1.0, 2.0, 4.0), verbose=1))
    logger.configure(str(tmp_path), ["csv"])
    try:
        model.learn(32, log_interval=2)
    finally:
        logger.reset()
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    names = ["total_timesteps", "fps", "mean_episode_length", "mean_episode_reward", *STATISTICS[:-1]]
    assert header.split(",") == names and len(rows) == 3
    assert [[float(x) for x in row.split(",")[2:4]] for row in rows] == [[3, 7]] * 3
