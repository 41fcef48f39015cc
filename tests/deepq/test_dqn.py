"""Deep Q-learning: policies, exploration, prioritized replay, logs."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2 import DQN
from stable_baselines_tf2.common.buffers import PrioritizedReplayBuffer
from stable_baselines_tf2.common.policies import register_policy
from stable_baselines_tf2.common.tf_layers import conv, conv_to_fc, linear
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.tensorboard import read_scalars
from stable_baselines_tf2.deepq import MlpPolicy, build_act, build_train
from stable_baselines_tf2.deepq.dqn import epsilon_greedy
from stable_baselines_tf2.deepq.policies import DQNPolicy, FeedForwardPolicy
from tests.helpers import RandomEnv, box
from tests.off_policy_cases import OBS, make_off_policy, off_policy_env
from tests.on_policy_cases import same

IMAGE = box(36, 36, 2, low=0, high=255, dtype=np.uint8)


def make(policy="MlpPolicy", env=None, **arguments):
    return make_off_policy("DQN", policy, env, **arguments)


# ------------------------------------------------------------------------------------------------------------- policies
@pytest.mark.parametrize("policy", ["MlpPolicy", "LnMlpPolicy"])
@pytest.mark.parametrize("options", [{}, dict(dueling=False), dict(act_fun=tf.tanh), dict(layers=[])])
def test_numpy_and_tensorflow_agree(policy, options):
    model = make(policy, policy_kwargs={"layers": [8, 6], **options})
    model.learn(20)
    network = model.step_model
    assert network.is_small
    np.testing.assert_allclose(
        network.q_values(OBS), network.with_weights(network.params.vector, tf.constant(OBS)), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(network.q_values(OBS), network.call(tf.constant(OBS)), rtol=1e-5, atol=1e-6)


def test_dueling_values_are_centred_on_the_state_value():
    model = make()
    weights = model.get_parameters()
    hidden = np.maximum(OBS @ weights["deepq/model/state_value/fully_connected/weights:0"], 0)
    value = hidden @ weights["deepq/model/state_value/fully_connected_1/weights:0"]
    np.testing.assert_allclose(model.step_model.q_values(OBS).mean(axis=1), value[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["CnnPolicy", "LnCnnPolicy"])
def test_images(policy):
    env = off_policy_env(observation_space=IMAGE)
    model = make(policy, env, batch_size=2, learning_starts=2, policy_kwargs=dict(layers=[4]))
    before = model.get_parameters()
    model.learn(4)
    assert not same(model.get_parameters(), before)
    assert model.replay_buffer.storage[0][0].dtype == np.uint8
    action, _ = model.predict(env.reset()[0])
    assert action in range(4)


def test_a_network_of_ones_own(tmp_path):
    def extractor(scaled_images, n_filters):
        layer = tf.nn.relu(conv(scaled_images, "first", n_filters=n_filters, filter_size=6, stride=4))
        return tf.nn.relu(linear(conv_to_fc(layer), "second", n_hidden=5))

    class Custom(FeedForwardPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs, cnn_extractor=extractor, n_filters=3, layers=[4])

    model = make(Custom, off_policy_env(observation_space=IMAGE), policy_kwargs={})
    shapes = {name: array.shape for name, array in model.get_parameters().items()}
    assert shapes["deepq/model/action_value/first/w:0"] == (6, 6, 2, 3)
    assert shapes["deepq/model/action_value/fully_connected/weights:0"] == (5, 4)
    assert shapes["deepq/model/state_value/fully_connected/weights:0"] == (5, 4)

    class Linear(DQNPolicy):
        def q_network(self, processed_obs):
            return linear(processed_obs, "q", self.n_actions)

    register_policy("LinearQ", Linear)
    model = make("LinearQ", policy_kwargs={})
    model.learn(20)
    weights = model.get_parameters()
    np.testing.assert_allclose(
        model.step_model.q_values(OBS), OBS @ weights["deepq/model/q/w:0"] + weights["deepq/model/q/b:0"], rtol=1e-5
    )


def test_a_partial_policy():
    model = make(functools.partial(MlpPolicy, dueling=False))
    assert not any("state_value" in name for name in model.get_parameters())
    assert model.policy is MlpPolicy and model.policy_kwargs == dict(dueling=False, layers=[8])


# ----------------------------------------------------------------------------------------------------------- prediction
def test_predict():
    model = make()
    q_values = model.step_model.q_values(OBS)
    actions, state = model.predict(OBS)
    np.testing.assert_array_equal(actions, q_values.argmax(axis=1))  # deterministic by default
    assert state is None and model.predict(OBS[0])[0] == actions[0]
    many = np.repeat(OBS[:1], 4000, axis=0)
    shares = np.bincount(model.predict(many, deterministic=False)[0], minlength=4) / 4000
    softmax = np.exp(q_values[0]) / np.exp(q_values[0]).sum()
    np.testing.assert_allclose(shares, softmax, atol=0.04)
    np.testing.assert_allclose(model.action_probability(OBS[0]), softmax, rtol=1e-5)
    given = model.action_probability(OBS, actions=actions)
    np.testing.assert_allclose(given, model.action_probability(OBS).max(axis=1)[:, np.newaxis], rtol=1e-5)
    np.testing.assert_allclose(np.log(given), model.action_probability(OBS, actions=actions, logp=True), rtol=1e-5)
    with pytest.raises(ValueError, match="observation has shape"):
        model.predict(np.zeros(4))


# ---------------------------------------------------------------------------------------------------------- exploration
def test_epsilon_greedy():
    uniform, random_actions = np.array([0.1, 0.3, 0.5]), np.array([7, 8, 9])
    best = np.array([1, 2, 3])
    assert epsilon_greedy(lambda: best, 0.3, uniform, random_actions).tolist() == [7, 2, 3]
    assert epsilon_greedy(lambda: pytest.fail("needless"), 1.0, uniform, random_actions).tolist() == [7, 8, 9]


def epsilons(model, n, **kwargs):
    noted = []
    model.learn(n, callback=lambda *_: noted.append(float(model.get_parameters()["deepq/eps:0"])), **kwargs)
    return noted


def test_exploration_goes_on_over_several_calls():
    arguments = dict(exploration_fraction=1.0, exploration_final_eps=0.0, learning_starts=1000)
    np.testing.assert_allclose(epsilons(make(**arguments), 10), np.arange(1, 0, -0.1), rtol=1e-6)
    model = make(**arguments)
    epsilons(model, 5)
    # The schedule spans the steps of all calls: it is not at its end when the second call begins.
    np.testing.assert_allclose(epsilons(model, 5, reset_num_timesteps=False), [0.5, 0.4, 0.3, 0.2, 0.1], rtol=1e-6)
    assert epsilons(model, 5)[0] == 1.0
    assert epsilons(make(exploration_fraction=0.0), 3) == pytest.approx([0.02] * 3)
    assert epsilons(make(exploration_initial_eps=0.4), 3)[0] == pytest.approx(0.4)


def test_an_interrupted_training_goes_on_exploring():
    model = make(exploration_fraction=1.0, exploration_final_eps=0.0)
    model.learn(20, callback=lambda *_: model.num_timesteps < 4)
    assert epsilons(model, 16, reset_num_timesteps=False)[0] == pytest.approx(0.8)


def test_share_of_random_actions():
    model = make(exploration_initial_eps=0.4, exploration_final_eps=0.4, learning_starts=10**6)
    greedy = []

    def note(locals_, globals_):
        greedy.append(model.predict(locals_["obs"])[0] == locals_["action"])

    model.learn(1500, callback=note)
    assert np.mean(greedy) == pytest.approx(1 - 0.4 * 3 / 4, abs=0.04)


def test_noise_on_the_weights():
    model = make("LnMlpPolicy", param_noise=True, learning_starts=10**6)
    noise, acted = model.parameter_noise, []

    def note(locals_, globals_):
        acted.append(noise.perturbed.q_values(locals_["obs"][np.newaxis]).argmax() == locals_["action"])

    model.learn(40, callback=note)
    assert all(acted)
    weights = model.get_parameters()
    moved = {
        name.removeprefix("deepq/model/")
        for name, array in weights.items()
        if name.startswith("deepq/model/")
        and not np.array_equal(array, weights[name.replace("deepq/", "deepq/perturbed_model/")])
    }
    assert moved == {
        name.removeprefix("deepq/model/") for name in weights if "deepq/model/" in name and "fully" in name
    }
    assert weights["deepq/eps:0"] == 0
    noise.scale, noise.threshold = 0.5, 1e9
    noise.adapt(OBS, noise.draw(model.generator))
    assert noise.scale == pytest.approx(0.505)
    noise.threshold = -1.0
    noise.adapt(OBS, noise.draw(model.generator))
    assert noise.scale == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------------------------- training
def test_the_older_network_follows():
    model, differs = make(learning_starts=4, target_network_update_freq=5), []

    def older_differs(locals_, globals_):
        weights = model.get_parameters()
        name = "model/action_value/fully_connected/weights:0"
        differs.append(not np.array_equal(weights[f"deepq/{name}"], weights[f"deepq/target_q_func/{name}"]))

    model.learn(13, callback=older_differs)
    # Gradient steps come after steps 5, 6 …; the older network is set after steps 5 and 10.
    assert differs == [False] * 6 + [True] * 4 + [False, True, True]


def test_priorities_follow_errors():
    model = make(prioritized_replay=True, learning_starts=20, prioritized_replay_alpha=1.0, prioritized_replay_eps=0.5)
    assert isinstance(model.replay_buffer, PrioritizedReplayBuffer)
    noted = []
    update, set_priorities = model.update, model.replay_buffer.update_priorities
    model.update = lambda batches, rate: noted.append([batches["weights"], update(batches, rate)]) or noted[-1][1]
    model.replay_buffer.update_priorities = lambda *args: noted[-1].append(args) or set_priorities(*args)
    model.learn(24)
    assert len(noted) == 4 and model.beta_schedule.value(24) == 1.0
    for weights, statistics, (rows, priorities) in noted:
        assert weights.shape == (1, 4) and rows.shape == (4,) and weights.max() <= 1.0
        np.testing.assert_allclose(priorities, np.abs(statistics["td_errors"][0]) + 0.5)


def test_several_gradient_steps_in_one_call_are_those_in_turn():
    models = [make(env=off_policy_env(2)) for _ in range(2)]
    rng = np.random.default_rng(1)
    batches = {
        "obs": rng.normal(size=(3, 4, 3)).astype(np.float32),
        "next_obs": rng.normal(size=(3, 4, 3)).astype(np.float32),
        "actions": rng.integers(4, size=(3, 4)),
        "rewards": rng.normal(size=(3, 4)),
        "dones": rng.random((3, 4)) < 0.3,
        "weights": rng.random((3, 4)),
    }
    together = models[0].update(batches, 1e-3)
    assert together["loss"].shape == (3,) and together["td_errors"].shape == (3, 4)
    for k in range(3):
        alone = models[1].update({name: array[k : k + 1] for name, array in batches.items()}, 1e-3)
        np.testing.assert_allclose(together["loss"][k], alone["loss"][0], rtol=1e-5)
        np.testing.assert_allclose(together["td_errors"][k], alone["td_errors"][0], rtol=1e-4, atol=1e-6)
    for first, second in zip(*(model.get_parameters().values() for model in models), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_a_second_call_traces_nothing_new():
    model = make(env=off_policy_env(2), prioritized_replay=True)
    model.learn(30)
    traces = model.single_step_phase.n_traces, model.multi_step_phase.n_traces
    assert sum(traces) == 1
    model.learn(30)
    assert (model.single_step_phase.n_traces, model.multi_step_phase.n_traces) == traces


def test_the_same_seed_gives_the_same_model():
    first, second = (make(env=off_policy_env(seed=3)) for _ in range(2))
    for model in (first, second):
        model.learn(30)
    assert same(first.get_parameters(), second.get_parameters())


def test_learning():
    class Guess(RandomEnv):
        """Pays for the action that the observation names."""

        def step(self, action):
            reward = float(action == int(self.obs[0] > 0))
            self.obs = self.observation_space.sample()
            return self.obs, reward, True, False, {}

        def reset(self, **kwargs):
            self.obs, info = super().reset(**kwargs)
            return self.obs, info

    env = DummyVecEnv([lambda: Guess(box(1), spaces.Discrete(2))])
    model = DQN("MlpPolicy", env, 0.9, 5e-3, learning_starts=50, seed=0, policy_kwargs=dict(layers=[16]))
    model.learn(600)
    points = np.linspace(-1, 1, 20, dtype=np.float32)[:, np.newaxis]
    assert np.mean(model.predict(points)[0] == (points[:, 0] > 0)) >= 0.9


# ----------------------------------------------------------------------------------------------------------------- logs
@pytest.mark.parametrize("full", [False, True])
def test_tensorboard(tmp_path, full):
    model = make(tensorboard_log=tmp_path, full_tensorboard_log=full, learning_starts=10, env=off_policy_env())
    model.learn(15)
    (path,) = tmp_path.glob("DQN_1/*")
    points = list(read_scalars(path))
    for tag in ("loss/td_error", "loss/loss", "input_info/rewards", "input_info/importance_weights"):
        assert [step for step, name, _ in points if name == tag] == [11, 12, 13, 14, 15]
    assert {value for _, name, value in points if name == "input_info/importance_weights"} == {1.0}


def test_tables(capsys):
    make(verbose=1).learn(100, log_interval=3)
    table = capsys.readouterr().out
    for key in ("steps", "episodes", "mean 100 episode reward", "% time spent exploring"):
        assert f"| {key} " in table


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(env=DummyVecEnv([lambda: RandomEnv(box(3), box(2))])), "Discrete action space"),
        (dict(policy="MlpLstmPolicy"), "policy: 'MlpLstmPolicy' is unknown; there are CnnPolicy"),
        (dict(target_network_update_freq=0), "target_network_update_freq"),
        (dict(prioritized_replay=True, prioritized_replay_alpha=-1), "prioritized_replay_alpha"),
        (dict(learning_rate=-1e-3), "learning_rate"),
        (dict(policy_kwargs=dict(layers=[0])), "layers: a layer size must be a positive integer, not 0"),
        (dict(policy_kwargs=dict(layer=[8])), "unknown keyword arguments"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_graph_builders_say_where_to_look():
    for function, count in ((build_act, 6), (build_train, 5)):
        with pytest.raises(NotImplementedError, match="TensorFlow 1"):
            function(*[None] * count)


def test_behaviour_cloning():
    class Expert:
        train_loader = val_loader = range(4)

        def get_next_batch(self, _split):
            obs = np.random.default_rng(0).uniform(-1, 1, (32, 3)).astype(np.float32)
            return obs, (obs[:, :1] > 0).astype(np.int64)

    model = make()
    model.pretrain(Expert(), n_epochs=60, learning_rate=1e-2)
    obs, actions = Expert().get_next_batch("train")
    assert np.mean(model.predict(obs)[0] == actions[:, 0]) > 0.95
