"""TRPO beyond what the golden cases show."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2 import TRPO
from stable_baselines_tf2.common.callbacks import BaseCallback
from stable_baselines_tf2.common.math_util import explained_variance
from stable_baselines_tf2.common.vec_env import DummyVecEnv, UnvecWrapper
from stable_baselines_tf2.models.parallel import Minibatches
from stable_baselines_tf2.trpo_mpi.utils import add_vtarg_and_adv, flatten_lists, traj_segment_generator
from tests.helpers import box
from tests.on_policy_cases import ACTION_SPACES, KWARGS, Scripted, make, random_env

IMAGE = box(36, 36, 1, low=0, high=255, dtype=np.uint8)


def batch_of(model):
    rollout = model.make_collector().run()
    return {
        name: tf.constant(array)
        for name, array in model.training_batch(rollout, model.standardized_advantages(rollout), 128).items()
    }


def divergence_gradient(model, batch, vector):
    """The gradient of the mean divergence of every fifth row, as a compiled function of the weights."""
    pdtype, recurrent = model.train_model.pdtype, model.train_model.recurrent

    def flat(weights):
        return model.policy_outputs(weights, batch, model.sequence_length if recurrent else 1).distribution.flatparam()[
            ::5
        ]

    old = pdtype.proba_distribution_from_flat(flat(vector))

    @tf.function(autograph=False)
    def gradient(weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            divergence = tf.reduce_mean(old.kl(pdtype.proba_distribution_from_flat(flat(weights))))
        return tape.gradient(divergence, weights)

    return gradient


@pytest.mark.parametrize(
    "policy, kind", [("MlpPolicy", "MultiDiscrete"), ("MlpLstmPolicy", "Box"), ("MlpLnLstmPolicy", "Discrete")]
)
def test_fisher_products_are_second_derivatives(policy, kind):
    model = make("TRPO", policy, random_env(2, ACTION_SPACES[kind]), cg_damping=0.0)
    batch, rng = batch_of(model), np.random.default_rng(0)
    vector = model.trainable.vector
    tangent = rng.normal(size=vector.shape).astype(np.float32) * model.policy_mask
    tangent /= np.linalg.norm(tangent)
    product = tf.function(lambda v: model.fisher_product(vector, batch)(v), autograph=False)(tangent).numpy()
    gradient, h = divergence_gradient(model, batch, vector), 3e-3
    numeric = (gradient(vector + h * tangent) - gradient(vector - h * tangent)).numpy() / (2 * h) * model.policy_mask
    assert np.linalg.norm(numeric) > 1e-4
    assert np.linalg.norm(product - numeric) < 0.03 * np.linalg.norm(numeric)
    model.cg_damping = 2.0
    damped = model.fisher_product(vector, batch)(tf.constant(tangent)).numpy()
    np.testing.assert_allclose(damped, product + 2.0 * tangent, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("policy", ["MlpLstmPolicy", "MlpLnLstmPolicy", "CnnPolicy", "CnnLstmPolicy"])
def test_policies_that_the_original_could_not_build_and_images(policy):
    env = random_env(2, None, IMAGE if policy.startswith("Cnn") else None)
    kwargs = {"n_lstm": 4} if policy == "CnnLstmPolicy" else KWARGS[policy]
    model = make("TRPO", policy, env, policy_kwargs=kwargs, cg_iters=2, vf_iters=1, timesteps_per_batch=256)
    before = model.get_parameters()
    model.learn(256)
    after = model.get_parameters()
    names = [name for name in before if name.startswith("model/")]
    changed = {name for name in names if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in names if not name.startswith("model/q/")}
    assert [name for name in before if name.startswith("oldpi/")] == [f"oldpi/{name}" for name in names]
    for name in names:
        np.testing.assert_array_equal(after[f"oldpi/{name}"], before[name])


def test_which_weights_each_objective_changes():
    model = make("TRPO", policy_kwargs=dict(net_arch=[4, dict(pi=[5], vf=[6])]), env=random_env(2, box(2)))
    params = model.trainable
    parts = np.split(np.arange(len(model.policy_mask)), np.cumsum(params.sizes)[:-1])
    policy = {name for name, rows in zip(params.names, parts, strict=True) if model.policy_mask[rows].all()}
    value = {name for name, rows in zip(params.names, parts, strict=True) if model.value_mask[rows].all()}
    assert policy & value == {"model/shared_fc0/w:0", "model/shared_fc0/b:0"}
    assert policy - value == {
        "model/pi_fc0/w:0",
        "model/pi_fc0/b:0",
        "model/pi/w:0",
        "model/pi/b:0",
        "model/pi/logstd:0",
    }
    assert policy | value == set(params.names)


def test_a_short_batch_leaves_the_value_function_alone():
    with pytest.warns(UserWarning, match="timesteps_per_batch=64: the value function.*minibatches of 128"):
        model = make("TRPO", timesteps_per_batch=64)
    before = model.get_parameters()
    model.learn(64)
    after = model.get_parameters()
    changed = {name for name in before if not np.array_equal(before[name], after[name]) and name.startswith("model/")}
    assert changed == {name for name in before if name.startswith("model/pi")}


def test_minibatches():
    model = make("TRPO", timesteps_per_batch=300, env=random_env(2))
    rows, sequences = model.minibatches(3, 128)
    assert rows.shape == (6, 128) and sequences.shape == (6, 0)
    for k in range(0, 6, 2):  # each pass visits a row once at most
        assert len(set(rows[k : k + 2].ravel())) == 256
    assert not np.array_equal(np.sort(rows[:2].ravel()), np.sort(rows[2:4].ravel()))
    assert model.minibatches(0, 128).rows.shape == (0, 128)


def test_recurrent_minibatches_are_chunks_that_start_with_the_state_of_then():
    model = make("TRPO", "MlpLstmPolicy", timesteps_per_batch=560, env=random_env(2))
    rollout = model.make_collector().run()
    batch = model.training_batch(rollout, model.standardized_advantages(rollout), 128)
    rows, chunks = model.minibatches(2, 128)
    assert rows.shape == (8, 128) and chunks.ravel().tolist() == [0, 1, 2, 3] * 2
    assert rows[:4, 0].tolist() == [0, 128, 280, 408]
    np.testing.assert_array_equal(batch["chunk_states"][3], rollout.step_states[1, 128])
    assert model.sequence_length == 70 and batch["states"].shape == (8, 8)
    np.testing.assert_array_equal(batch["states"][5], rollout.step_states[1, 70])
    chosen = rows[3]
    values = model.train_model.with_weights(
        model.trainable.vector,
        tf.constant(batch["obs"][chosen]),
        tf.constant(batch["chunk_states"][3:4]),
        tf.constant(batch["starts"][chosen]),
        128,
    ).value
    np.testing.assert_allclose(values, rollout.values[1, 128:256], atol=1e-5)
    for n_steps, length in ((1024, 128), (1000, 125), (1021, 1021), (90, 90)):
        model.n_steps = n_steps
        assert model.sequence_length == length


def test_learn_rounds_up_to_whole_updates_and_starts_new_episodes():
    env = DummyVecEnv([lambda: Scripted([1.0] * 1000)])
    model = make("TRPO", env=env)
    assert isinstance(model.get_env(), UnvecWrapper) and model.policy_pi is model.train_model
    model.learn(129)
    assert model.num_timesteps == 256 and env.envs[0].episode == 0
    model.learn(1, reset_num_timesteps=False)
    assert model.num_timesteps == 384 and env.envs[0].episode == 1
    model.learn(0)
    assert model.num_timesteps == 0


def test_table(capsys):
    env = DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])])
    rollouts = []

    class Keep(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            rollouts.append(self.locals["rollout"])

    model = make("TRPO", env=env, verbose=1)
    tables = []
    original = model.table
    model.table = lambda *args: tables.append(original(*args)) or tables[-1]
    model.learn(256, Keep())
    assert [table["TimestepsSoFar"] for table in tables] == [128, 256]
    assert [table["EpThisIter"] for table in tables] == [42, 43] and tables[1]["EpisodesSoFar"] == 85
    assert model._episodes.maxlen == 40  # 100 for PPO1
    assert tables[1]["EpLenMean"] == 3 and tables[1]["EpRewMean"] == 7
    values, returns = (np.ravel(getattr(rollouts[1], name)) for name in ("values", "returns"))
    assert tables[1]["explained_variance_tdlam_before"] == pytest.approx(explained_variance(values, returns))
    assert set(tables[0]) == {
        *model.loss_names, "explained_variance_tdlam_before", "EpLenMean", "EpRewMean", "EpThisIter", "EpisodesSoFar",
        "TimestepsSoFar", "TimeElapsed",
    }  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.count("EpThisIter") == 2 == printed.count("Optimizing") == printed.count("done in ")
    assert [f"Iteration {i} *" in printed for i in range(3)] == [True, True, False]


def test_divergence_stays_within_the_region_and_the_gain_is_what_is_told():
    model = make("TRPO", timesteps_per_batch=512, max_kl=0.005, entcoeff=0.1, cg_iters=10)
    batch = {name: array.numpy() for name, array in batch_of(model).items()}
    statistics = model.train(batch, Minibatches(np.zeros((0, 128), np.int32), np.zeros((0, 0), np.int32)))
    assert 0 < statistics["meankl"] <= 1.5 * 0.005 and statistics["step_size"] > 0
    assert statistics["optimgain"] >= statistics["before"][0]
    assert statistics["optimgain"] == pytest.approx(statistics["surrgain"] + statistics["entloss"], abs=1e-6)
    assert statistics["entloss"] == pytest.approx(0.1 * statistics["entropy"], rel=1e-5)
    assert "value_loss" not in statistics


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(timesteps_per_batch=0), "timesteps_per_batch must be an integer of at least 1, not 0"),
        (dict(timesteps_per_batch=129), r"timesteps_per_batch must be a multiple of the number of environments \(2\)"),
        (dict(max_kl=0.0), "max_kl must be a positive number, not 0.0"),
        (dict(cg_iters=2.5), "cg_iters must be an integer of at least 1, not 2.5"),
        (dict(vf_iters=-1), "vf_iters must be an integer of at least 0, not -1"),
        (dict(cg_damping="x"), "cg_damping must be a number of at least 0, not 'x'"),
        (dict(vf_stepsize=-1e-3), "vf_stepsize must be a number of at least 0"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make("TRPO", **arguments)


def test_defaults():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also not about its default of one thread
        model = TRPO("MlpPolicy", "CartPole-v1")
    assert (model.timesteps_per_batch, model.max_kl, model.vf_iters, model.n_cpu_tf_sess) == (1024, 0.01, 3, 1)


# ------------------------------------------------------------------------------------------------------------ segments
class Notes(BaseCallback):
    def __init__(self, stop_after=10**9):
        super().__init__()
        self.events, self.stop_after = [], stop_after

    def _on_rollout_start(self):
        self.events.append("start")

    def _on_step(self):
        self.events.append("step")
        return self.events.count("step") < self.stop_after

    def _on_rollout_end(self):
        self.events.append("end")


def test_segments():
    model = make("TRPO", env=DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])]))
    policy, notes = model.policy_pi, Notes()
    notes.init_callback(model)
    notes.on_training_start({}, {})
    segments = traj_segment_generator(policy, Scripted([1.0, 2.0, 4.0]), 7, callback=notes)
    first, second = next(segments), next(segments)
    assert first["observations"].shape == (7, 2) and first["actions"].shape == (7,)
    np.testing.assert_array_equal(first["rewards"], [1, 2, 4, 1, 2, 4, 1])
    np.testing.assert_array_equal(first["episode_starts"], [1, 0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(second["episode_starts"], [0, 0, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(second["dones"], [0, 1, 0, 0, 1, 0, 0])
    assert (first["ep_rets"], first["ep_lens"], second["ep_lens"]) == ([7.0, 7.0], [3, 3], [3, 3])
    np.testing.assert_allclose(first["vpred"], policy.value(first["observations"]), rtol=1e-5)
    assert first["nextvpred"] == pytest.approx(second["vpred"][0], rel=1e-5)
    assert second["nextvpred"] != 0 and next(segments)["nextvpred"] == 0  # ends with an episode
    assert notes.events[:9] == ["start", *["step"] * 7, "end"]
    add_vtarg_and_adv(first, 0.9, 1.0)
    assert first["adv"].dtype == first["tdlamret"].dtype == np.float32
    np.testing.assert_allclose(first["tdlamret"][:3], [1 + 0.9 * 2 + 0.81 * 4, 2 + 0.9 * 4, 4], rtol=1e-5)


def test_segments_of_a_discriminator():
    class Giver:
        def get_reward(self, observations, actions):
            return observations[:, :1] + 1.0

    model = make("TRPO", env=random_env(1, spaces.Discrete(2), box(2)))
    segments = traj_segment_generator(model.policy_pi, Scripted([5.0, 5.0, 5.0]), 4, Giver(), gail=True)
    first, second = next(segments), next(segments)
    np.testing.assert_array_equal(first["rewards"], [1, 2, 3, 1])
    np.testing.assert_array_equal(first["true_rewards"], [5, 5, 5, 5])
    assert (first["ep_rets"], second["ep_rets"], second["ep_true_rets"]) == ([6.0], [6.0], [15.0])


def test_segments_stop():
    model = make("TRPO", env=random_env(1, spaces.Discrete(2), box(2)))
    notes = Notes(stop_after=5)
    notes.init_callback(model)
    notes.on_training_start({}, {})
    segments = list(traj_segment_generator(model.policy_pi, Scripted([1.0]), 3, callback=notes))
    assert [segment["continue_training"] for segment in segments] == [True, False]
    assert segments[1]["total_timestep"] == 0 and len(segments[1]["observations"]) == 0


def test_segments_of_what_does_not_fit():
    policy = make("TRPO").policy_pi
    with pytest.raises(ValueError, match="reward_giver"):
        next(traj_segment_generator(policy, Scripted([1.0]), 3, gail=True))
    with pytest.raises(ValueError, match="one environment, not 2"):
        next(traj_segment_generator(policy, random_env(2), 3))


def test_lists():
    assert flatten_lists([[1], [], [2, 3]]) == [1, 2, 3]


def test_warnings_about_arguments_come_once():
    with pytest.warns(UserWarning) as warned:
        model = make("TRPO", timesteps_per_batch=64, lam=1.1)
        model.learn(64)
    messages = [str(warning.message) for warning in warned]
    assert len(messages) == len(set(messages)) == 2
