"""DDPG: policies, statistics, noise on weights, rollouts and training phases, evaluation, tables, bad input."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2 import DDPG, logger
from stable_baselines_tf2.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise
from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc, linear, mlp
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines_tf2.core.tensorboard import read_scalars
from stable_baselines_tf2.ddpg import noise
from stable_baselines_tf2.ddpg.ddpg import denormalize, normalize, reduce_std, reduce_var
from stable_baselines_tf2.ddpg.policies import DDPGPolicy, FeedForwardPolicy
from stable_baselines_tf2.ddpg.statistics import Moments, NormalizedObservations, RunningStatistics
from tests.helpers import RandomEnv, box
from tests.off_policy_cases import OBS, make_off_policy, off_policy_env
from tests.on_policy_cases import Scripted, same

IMAGE = box(36, 36, 1, low=0, high=255, dtype=np.uint8)
EVERYTHING = dict(normalize_observations=True, normalize_returns=True, enable_popart=True)


def make(policy="MlpPolicy", env=None, **arguments):
    return make_off_policy("DDPG", policy, env, **arguments)


class Moving(Scripted):
    """Scripted episodes for continuous actions, which it notes."""

    def __init__(self, rewards, truncates=False):
        super().__init__(rewards, truncates)
        self.action_space, self.actions = box(1, low=-2.0, high=4.0), []

    def step(self, action):
        self.actions.append(np.array(action))
        return super().step(action)


def scripted(rewards=(1, 2, 3), n_envs=1, truncates=False, **arguments):
    return make(env=DummyVecEnv([lambda: Moving(list(rewards), truncates)] * n_envs), **arguments)


# ------------------------------------------------------------------------------------------------------------- policies
@pytest.mark.parametrize("policy", ["MlpPolicy", "LnMlpPolicy"])
@pytest.mark.parametrize("options", [{}, dict(act_fun=tf.tanh), dict(layers=[5])])
def test_numpy_and_tensorflow_agree(policy, options):
    model = make(policy, policy_kwargs={"layers": [8, 6], **options}, normalize_observations=True)
    model.learn(20)
    network = model.policy_tf
    assert network.is_small
    model._observations.sync()
    compiled = network.with_weights(network.params.vector, tf.constant(OBS))
    np.testing.assert_allclose(network.step(OBS), compiled, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.step(OBS), network.proba_step(OBS))


def test_the_critic_takes_actions_after_its_first_layer():
    model = make(policy_kwargs=dict(layers=[7, 5]))
    weights = {name.removeprefix("model/qf/"): array for name, array in model.get_parameters().items()}
    actions = np.random.default_rng(1).uniform(-1, 1, (5, 2)).astype(np.float32)
    hidden = np.maximum(OBS @ weights["fc0/kernel:0"], 0)
    hidden = np.maximum(np.concatenate([hidden, actions], axis=1) @ weights["fc1/kernel:0"], 0)
    expected = hidden @ weights["qf_output/kernel:0"]
    np.testing.assert_allclose(model.policy_tf.value(OBS, actions), expected[:, 0], rtol=1e-5, atol=1e-7)
    assert np.abs(weights["qf_output/kernel:0"]).max() <= 3e-3


@pytest.mark.parametrize("policy", ["CnnPolicy", "LnCnnPolicy"])
def test_images(policy):
    env = off_policy_env(observation_space=IMAGE, name="DDPG")
    model = make(policy, env, batch_size=2, nb_rollout_steps=2, nb_train_steps=2, policy_kwargs=dict(layers=[4, 3]))
    before = model.get_parameters()
    shapes = {name: array.shape for name, array in before.items()}
    assert shapes["model/pi/fc1/w:0"] == (64, 512) and shapes["model/qf/fc1/kernel:0"] == (6, 3)
    model.learn(4)
    assert not same(model.get_parameters(), before)
    assert model.replay_buffer.storage[0][0].dtype == np.uint8
    assert env.action_space.contains(model.predict(env.reset()[0])[0])


def test_normalized_images():
    env = off_policy_env(observation_space=IMAGE, name="DDPG")
    model = make("CnnPolicy", env, normalize_observations=True, nb_rollout_steps=50, policy_kwargs=dict(layers=[4]))
    image = env.reset()
    before = model.predict(image)[0]
    model.obs_rms.update(255 - image)
    after = model.predict(image)[0]
    assert not np.array_equal(before, after)  # the compiled network follows the statistics
    assert model.policy_tf._actor is not None and not model.policy_tf.is_small


def test_a_network_of_ones_own():
    def extractor(scaled_images, n_filters):
        layer = tf.nn.relu(conv(scaled_images, "first", n_filters=n_filters, filter_size=6, stride=4))
        return tf.nn.relu(linear(conv_to_fc(layer), "second", n_hidden=5))

    class Custom(FeedForwardPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs, cnn_extractor=extractor, n_filters=3, layers=[4])

    model = make(Custom, off_policy_env(observation_space=IMAGE, name="DDPG"), policy_kwargs={})
    shapes = {name: array.shape for name, array in model.get_parameters().items()}
    assert shapes["model/pi/first/w:0"] == (6, 6, 1, 3) and shapes["target/qf/fc0/kernel:0"] == (5, 4)

    class Plain(DDPGPolicy):
        def make_actor(self, obs=None, reuse=False, scope="pi"):
            return tf.tanh(linear(obs, f"{scope}_out", self.n_actions))

        def make_critic(self, obs=None, action=None, reuse=False, scope="qf"):
            return linear(mlp(tf.concat([obs, action], 1), [3]), "value", 1)

    model = make(Plain, policy_kwargs={}, param_noise=AdaptiveParamNoiseSpec())
    names = [name for name in model.get_parameters() if name.startswith("noise/")]
    assert names == ["noise/pi_out/w:0", "noise/pi_out/b:0"]
    model.learn(14)
    assert not model.policy_tf.is_small and model.predict(OBS)[0].shape == (5, 2)
    with pytest.raises(ValueError, match="enable_popart: the critic's last layer must be called qf_output"):
        make(Plain, policy_kwargs={}, normalize_returns=True, enable_popart=True)
    with pytest.raises(NotImplementedError, match="must override make_critic"):
        make(type("Half", (Plain,), {"make_critic": DDPGPolicy.make_critic}), policy_kwargs={})


def test_act_fun_without_a_numpy_twin():
    model = make(policy_kwargs=dict(layers=[4], act_fun=tf.nn.gelu), normalize_observations=True)
    model.obs_rms.update(3 + OBS)
    model._observations.sync()
    expected = model.policy_tf.with_weights(model.policy_tf.params.vector, tf.constant(OBS))
    model.obs_rms.update(3 - OBS)
    assert not np.allclose(model.policy_tf.step(OBS), expected, atol=1e-6)


# ----------------------------------------------------------------------------------------------------------- statistics
def test_functions_of_statistics():
    x = np.float32([[1, 2], [3, 6]])
    stats = Moments(np.float32(1), np.float32(2))
    np.testing.assert_allclose(normalize(x, stats), [[0, 0.5], [1, 2.5]])
    np.testing.assert_allclose(denormalize(normalize(x, stats), stats), x)
    assert normalize(x, None) is x and denormalize(x, None) is x
    np.testing.assert_allclose(reduce_var(x), 3.5)
    np.testing.assert_allclose(reduce_std(x, axis=0), [1, 2])
    assert reduce_std(x, axis=1, keepdims=True).shape == (2, 1)


def test_statistics_are_weights():
    sums = RunningStatistics("obs_rms", (2,))
    names = [f"input/obs_rms/{name}:0" for name in ("runningsum", "runningsumsq", "count")]
    assert sums.names == names and sums.shapes == [(2,), (2,), ()]
    sums.update(np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert [variable.numpy().tolist() for variable in sums.variables] == [[0, 0], [0.01, 0.01], 0.01]
    sums.sync()
    assert [variable.numpy().tolist() for variable in sums.variables] == [[4, 8], [10.01, 40.01], 2.01]
    sums.advance(2 * sums.vector)
    assert sums.as_dict()[names[0]].tolist() == [8, 16] and sums.as_dict()[names[2]] == 4.02
    sums.assign({names[2]: np.array(8.0)})
    np.testing.assert_allclose(sums.mean, [1, 2])
    version = sums.version
    sums.update(np.ones((1, 2)))
    assert sums.version == version + 1


def test_observations_are_clipped_without_normalization():
    plain = make().policy_tf.preprocessor
    assert isinstance(plain, NormalizedObservations) and plain.statistics is None
    far = np.full((1, 3), 100, np.float32)
    assert plain.array(far).tolist() == [[5, 5, 5]] == plain.tensor(tf.constant(far)).numpy().tolist()
    narrow = make(observation_range=(-0.5, 0.25)).policy_tf.preprocessor
    assert narrow.flat_array(-far).tolist() == [[-0.5] * 3]


def test_statistics_of_observations_follow_what_is_stored():
    model = scripted(normalize_observations=True)
    model.learn(5)
    stored = np.stack([obs for obs, *_ in model.replay_buffer.storage])
    found = model.get_parameters()
    np.testing.assert_allclose(found["input/obs_rms/runningsum:0"], stored.sum(axis=0))
    np.testing.assert_allclose(found["input/obs_rms/runningsumsq:0"], np.square(stored).sum(axis=0) + 1e-2)
    assert found["input/obs_rms/count:0"] == 5.01 and found["input/obs_rms/count:0"].dtype == np.float64


def test_statistics_of_normalized_environments_are_of_original_observations():
    env = VecNormalize(DummyVecEnv([lambda: Moving([10, 20, 30])]))
    model = make(env=env, normalize_observations=True, reward_scale=0.5)
    model.learn(3)
    assert model.obs_rms.get_state()["runningsum"].tolist() == [3, 0]
    assert [reward for _, _, reward, _, _ in model.replay_buffer.storage] == [5, 10, 15]


def test_popart_keeps_what_the_critic_says():
    model = make(**EVERYTHING, critic_lr=0.0, actor_lr=0.0, tau=0.0)
    model.ret_rms.update(np.array([1.0, 3.0, 8.0]))
    before = model.critic_values(OBS)
    target = {name: array for name, array in model.get_parameters().items() if name.startswith("target/qf/qf_output")}
    model.normalize_observations = False
    model.obs_rms.update = lambda obs: None
    count = model.ret_rms.get_state()["count"].copy()
    model.learn(12)
    assert model.ret_rms.get_state()["count"] == count + 2 * model.batch_size
    np.testing.assert_allclose(model.critic_values(OBS), before, rtol=1e-4, atol=1e-5)
    assert not same({name: model.get_parameters()[name] for name in target}, target)


def test_returns_without_popart_keep_their_statistics():
    model = make(normalize_returns=True)
    model.learn(12)
    assert model.ret_rms.get_state() == {"runningsum": 0, "runningsumsq": 0.01, "count": 0.01}
    assert (model.ret_rms.mean, model.ret_rms.std) == (0, 1)


def test_regularization_covers_weights_and_gains_of_hidden_layers():
    model = make("LnMlpPolicy", policy_kwargs=dict(layers=[4, 3]), critic_l2_reg=0.1)
    names = np.repeat(model.trainable.names, model.trainable.sizes)
    chosen = set(names[model.regularized_weights == 1])
    layers = ("fc0/kernel", "fc1/kernel", "LayerNorm/gamma", "LayerNorm_1/gamma")
    assert chosen == {f"model/qf/{layer}:0" for layer in layers}
    assert set(model.regularized_weights) == {0, 1}


# ----------------------------------------------------------------------------------------------------- noise on weights
def test_perturbed_actors():
    model = make("LnMlpPolicy", param_noise=AdaptiveParamNoiseSpec(0.3))
    perturbed = model.param_noise_actor.params
    noise_ = np.arange(sum(perturbed.sizes), dtype=np.float32)[: model._weight_noise.draw(model.generator).size]
    model.perturb(model.param_noise_actor, noise_)
    own = dict(zip(model.trainable.names, model.trainable.arrays(), strict=True))
    start = 0
    for name, array in zip(perturbed.names, perturbed.arrays(), strict=True):
        source = own[name.replace("noise/", "model/")]
        if "LayerNorm" in name:
            np.testing.assert_array_equal(array, source)
        else:
            drawn = noise_[start : start + source.size].reshape(source.shape)
            np.testing.assert_allclose(array, source + 0.3 * drawn, rtol=1e-6)
            start += source.size
    assert start == len(noise_)


def test_the_scale_of_noise_adapts():
    model = make(param_noise=AdaptiveParamNoiseSpec(0.5, desired_action_stddev=0.05, adoption_coefficient=1.5))
    distance = model.adapt_noise(OBS)
    difference = model.policy_tf.step(OBS) - model.adaptive_param_noise_actor.step(OBS)
    assert distance == pytest.approx(np.sqrt(np.mean(difference**2)), rel=1e-6) and distance > 0.05
    assert model.param_noise.current_stddev == pytest.approx(0.5 / 1.5)
    model.param_noise.desired_action_stddev = 10.0
    model.adapt_noise(OBS)
    assert model.param_noise.current_stddev == pytest.approx(0.5)


def test_noise_adapts_at_intervals_and_changes_with_episodes(monkeypatch):
    model = scripted((0,) * 7, param_noise=AdaptiveParamNoiseSpec(), nb_train_steps=5, param_noise_adaption_interval=2)
    noted = []
    adapt, perturb = model.adapt_noise, model.perturb
    monkeypatch.setattr(model, "adapt_noise", lambda obs: noted.append(("adapt", len(obs))) or adapt(obs))
    monkeypatch.setattr(
        model, "perturb", lambda copy, *draws: noted.append((copy.name, model.num_timesteps)) or perturb(copy, *draws)
    )
    run = model.run_phase
    monkeypatch.setattr(
        model, "run_phase", lambda batches, variant: noted.append(len(batches["rewards"])) or run(batches, variant)
    )
    model.learn(9)
    adapted = [("adapt", 4), ("noise_adapt", 6)]
    assert noted == [("noise", 0), *adapted, 2, *adapted, 2, *adapted, 1, ("noise", 7)]


def test_exploration_acts_with_the_perturbed_actor():
    model = make(param_noise=AdaptiveParamNoiseSpec(2.0))
    starts = np.ones(5, bool)
    model._noises = []
    actions, taken = model.explore(OBS, starts)
    np.testing.assert_array_equal(actions, model.param_noise_actor.step(OBS))
    np.testing.assert_allclose(taken, [-0.5, 1.0] + actions * [1.5, 2.0], rtol=1e-6)
    again, _ = model.explore(OBS, ~starts)
    np.testing.assert_array_equal(again, actions)
    new, _ = model.explore(OBS, np.array([False] * 4 + [True]))
    assert not np.array_equal(new, actions)
    low, high = model.action_space.low, model.action_space.high
    noisy, _ = model.predict(OBS, deterministic=False)
    np.testing.assert_allclose(noisy, low + 0.5 * (model.param_noise_actor.step(OBS) + 1) * (high - low), rtol=1e-5)
    assert not np.allclose(noisy, model.predict(OBS)[0])


# ------------------------------------------------------------------------------------------------------------ the loop
@pytest.mark.parametrize("n_envs, n_rollout, expected", [(1, 6, 4), (1, 5, 4), (2, 6, 4), (3, 8, 3)])
def test_phases_follow_rollouts(n_envs, n_rollout, expected):
    model = scripted(n_envs=n_envs, nb_rollout_steps=n_rollout, nb_train_steps=3)
    phases = []
    run = model.run_phase
    model.run_phase = lambda batches, variant: phases.append(len(batches["rewards"])) or run(batches, variant)
    model.learn(24)
    assert phases == [3] * expected and model.n_updates == 3 * expected


def test_phases_of_large_images_come_in_parts():
    model = make("CnnPolicy", off_policy_env(observation_space=IMAGE, name="DDPG"), batch_size=64)
    fitting = 2**26 // (2 * 64 * 36 * 36)

    def lengths(model, n):
        parts = model.chunks(np.arange(n))
        np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))
        return [len(part) for part in parts]

    assert fitting == 404 and lengths(model, 404) == [404] and lengths(model, 405) == [203, 202]
    assert lengths(model, 1000) == [334, 333, 333] and lengths(make(), 10**4) == [10**4]


def test_settings_may_change_between_calls():
    model = make()
    model.learn(6)
    model.nb_rollout_steps, model.actor_lr, model.critic_lr = 3, 0.0, 0.0
    before = model.trainable.vector.numpy()
    model.learn(6)
    np.testing.assert_array_equal(model.trainable.vector.numpy(), before)
    assert model.n_updates == 2
    model.nb_train_steps = -1
    with pytest.raises(ValueError, match="nb_train_steps must be an integer of at least 0, not -1"):
        model.learn(6)


def test_rendering(monkeypatch):
    shown = []
    evaluated = DummyVecEnv([lambda: Moving([1])])
    model = scripted(eval_env=evaluated, render=True, render_eval=True)
    monkeypatch.setattr(model.env, "render", lambda *a, **k: shown.append("train"))
    monkeypatch.setattr(evaluated, "render", lambda *a, **k: shown.append("eval"))
    model.learn(7)
    assert shown == ["train"] * 5 + ["eval"] * 5 + ["train"] * 2


def test_random_exploration():
    model = scripted(random_exploration=1.0, nb_rollout_steps=1000)
    model.learn(40)
    taken = np.concatenate(model.vec_env.envs[0].unwrapped.actions)
    assert taken.min() < -1 and taken.max() > 3
    stored = np.concatenate([action for _, action, *_ in model.replay_buffer.storage])
    np.testing.assert_allclose(taken, -2 + 3 * (stored + 1), rtol=1e-5, atol=1e-5)


def test_evaluation_goes_on_between_phases(capsys):
    model = scripted(verbose=1, eval_env=Moving([5, 5, 5, 5]), nb_eval_steps=6)
    model.learn(18, log_interval=1)
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines() if "| eval/" in line]
    found = {
        key: [float(value) for name, value in rows if name.strip() == key] for key in ("eval/return", "eval/episodes")
    }
    assert found == {"eval/return": [20, 20, 20], "eval/episodes": [1, 2, 1]}
    acted = model.eval_env.envs[0].actions
    assert len(acted) == 18
    model.learn(0)  # starts anew
    assert len(acted) == 18


def test_tables(capsys):
    model = scripted(verbose=1, param_noise=AdaptiveParamNoiseSpec(), **EVERYTHING)
    model.learn(30, log_interval=2)
    tables = capsys.readouterr().out
    rows = [line.split("|")[1:3] for line in tables.splitlines() if line.startswith("|")]
    found = {}
    for key, value in rows:
        found.setdefault(key.strip(), []).append(float(value))
    assert found["total/steps"] == [12, 24] and found["total/epochs"] == [1, 2]
    assert found["rollout/episodes"] == [4, 4] and found["total/episodes"] == [4, 8]
    assert found["rollout/return"] == found["rollout/return_history"] == [6, 6]
    assert found["rollout/episode_steps"] == [3, 3] and found["obs_rms_mean"] == pytest.approx([1.25, 2.25], abs=0.01)
    for key in (
        "reference_Q_mean",
        "reference_actor_Q_std",
        "reference_action_mean",
        "rollout/actions_std",
        "ret_rms_std",
    ):
        assert len(found[key]) == 2 and np.isfinite(found[key]).all()
    model.learn(12, log_interval=None)
    assert model._report is None and capsys.readouterr().out == ""


def test_tables_count_phases_without_training_and_show_no_noise_as_zero(monkeypatch):
    rows, dump = [], logger.dumpkvs
    monkeypatch.setattr(logger, "dumpkvs", lambda: (rows.append(dict(logger.getkvs())), dump()))
    model = make(verbose=1, nb_rollout_steps=4, nb_train_steps=1, batch_size=10, random_exploration=0.0)
    model.learn(41, log_interval=2)  # phases end at 4, 8, …; the one at 12 is the first with 10 transitions
    assert [row["total/steps"] for row in rows] == [16, 24, 32, 40]
    assert {row["train/param_noise_distance"] for row in rows} == {0.0}
    rows.clear()
    model.learn(8, log_interval=2, reset_num_timesteps=False)
    assert len(rows) == 1


def test_reporting_changes_nothing():
    models = [make(verbose=verbose) for verbose in (0, 1)]
    for model in models:
        model.learn(24, log_interval=1)
    assert same(models[0].get_parameters(), models[1].get_parameters())
    assert models[0].generator.random() == models[1].generator.random()


def test_tensorboard(tmp_path):
    model = make(tensorboard_log=tmp_path, full_tensorboard_log=True, param_noise=AdaptiveParamNoiseSpec(0.7))
    model.learn(13)
    (path,) = tmp_path.glob("DDPG_1/*")
    scalars = list(read_scalars(path))
    legacy = {"loss/critic_target", "input_info/rewards", "input_info/param_noise_stddev"}
    legacy |= {"Adam_mpi/actor_loss", "Adam_mpi/critic_loss"}
    for tag in legacy:
        assert [step for step, name, _ in scalars if name == tag] == [6, 12]
    (first, _) = [value for _, name, value in scalars if name == "input_info/param_noise_stddev"]
    assert first == pytest.approx(0.7 * 1.01) or first == pytest.approx(0.7 / 1.01)


def test_only_one_trace():
    model = make(**EVERYTHING, nb_train_steps=3)
    model.learn(12)
    calls, original = [], FeedForwardPolicy.make_critic
    FeedForwardPolicy.make_critic = lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs)
    try:
        model.actor_lr = model.critic_lr = 1e-5
        model.learn(24)
    finally:
        FeedForwardPolicy.make_critic = original
    assert not calls and model.multi_step_phase.n_traces == 1


def test_pretraining():
    class Expert:
        train_loader = val_loader = range(20)

        def get_next_batch(self, split):
            return OBS, np.tile(np.float32([0.5, 2.0]), (5, 1))

    model = make(normalize_observations=True)
    model.obs_rms.update(OBS)
    model.pretrain(Expert(), n_epochs=10, learning_rate=1e-2)
    np.testing.assert_allclose(model.predict(OBS)[0], [[0.5, 2.0]] * 5, atol=0.1)


def test_no_distribution():
    model = make()
    with pytest.warns(UserWarning, match="DDPG has no distribution"):
        assert model.action_probability(OBS) is None
    with pytest.raises(ValueError, match="actions: DDPG"):
        model.action_probability(OBS, actions=np.zeros((5, 2)))


def test_deprecated_arguments():
    with pytest.warns(DeprecationWarning, match="memory_limit is deprecated"):
        assert make(memory_limit=50).replay_buffer.buffer_size == 50
    with pytest.warns(DeprecationWarning, match="memory_policy is ignored"):
        make(memory_policy=object)
    with pytest.warns(UserWarning, match="enable_popart has no effect without normalize_returns"):
        assert make(enable_popart=True).ret_rms is None
    assert noise.NormalActionNoise is NormalActionNoise


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(nb_rollout_steps=0), ValueError, "nb_rollout_steps must be an integer of at least 1, not 0"),
        (dict(nb_eval_steps=1.5), ValueError, "nb_eval_steps must be an integer"),
        (dict(param_noise_adaption_interval=-1), ValueError, "param_noise_adaption_interval"),
        (dict(actor_lr=-1.0), ValueError, "actor_lr must be a number of at least 0"),
        (dict(critic_lr="fast"), ValueError, "critic_lr must be a number"),
        (dict(clip_norm=0.0), ValueError, "clip_norm"),
        (dict(reward_scale=np.nan), ValueError, "reward_scale must be a finite number, not nan"),
        (dict(observation_range=(5, -5)), ValueError, r"observation_range must be two numbers.*not \(5, -5\)"),
        (dict(return_range=3.0), ValueError, "return_range must be two numbers"),
        (dict(param_noise=0.1), TypeError, "param_noise must be an AdaptiveParamNoiseSpec or None, not 0.1"),
        (dict(action_noise=0.1), TypeError, "action_noise must be an ActionNoise or None, not 0.1"),
        (
            dict(action_noise=NormalActionNoise(np.zeros(3), np.ones(3))),
            ValueError,
            r"noise of shape \(3,\), but actions",
        ),
        (dict(policy_kwargs=dict(layers=[])), ValueError, "at least one hidden layer"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)


def test_bad_environments():
    with pytest.raises(ValueError, match="must be a Box with one axis, not Discrete"):
        make(env=off_policy_env())
    with pytest.raises(ValueError, match="must be finite"):
        make(env=DummyVecEnv([lambda: RandomEnv(box(3), box(2, low=-np.inf, high=np.inf))]))
    with pytest.raises(ValueError, match="eval_env: its observation_space is .* but the model's is"):
        make(eval_env=RandomEnv(box(4), make().action_space))
    discrete = DummyVecEnv([lambda: RandomEnv(spaces.Discrete(3), box(2))])
    with pytest.raises(ValueError, match="normalize_observations: observations of Discrete"):
        make(env=discrete, normalize_observations=True)
    make(env=discrete).learn(7)


def test_rewards_that_are_not_finite():
    with pytest.raises(ValueError, match="rewards must be finite"):
        scripted((1, np.nan)).learn(5)
    with pytest.raises(FloatingPointError, match="before the weights changed"):
        scripted((1e38, 1e38), gamma=1.0, critic_lr=1e38).learn(60)


def test_a_single_environment(tmp_path):
    model = DDPG(
        "LnMlpPolicy", gymnasium.make("Pendulum-v1"), nb_rollout_steps=20, nb_train_steps=1, batch_size=8, seed=0
    )
    model.learn(45)
    assert model.num_timesteps == 45 and model.predict(np.zeros(3))[0].shape == (1,)
    model.save(tmp_path / "model")
    loaded = DDPG.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(OBS)[0], model.predict(OBS)[0])
