"""Policies written as graphs of TensorFlow 1."""

import io
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from stable_baselines_tf2 import A2C, ACER, ACKTR, DQN, PPO2, SAC, TD3
from stable_baselines_tf2.common import sessions
from stable_baselines_tf2.common.policies import ActorCriticPolicy, FeedForwardPolicy
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.archive import read_archive
from stable_baselines_tf2.core.graph_layers import GraphNeeded
from stable_baselines_tf2.deepq.policies import DQNPolicy
from stable_baselines_tf2.migration.legacy_zip import write_legacy
from tests.helpers import RandomEnv, box

v1 = tf.compat.v1
DATA = Path(__file__).parents[1] / "golden" / "graph_data"
ORIGINAL = os.environ.get("SBTF2_ORIGINAL", "")  # a Python with Stable Baselines 2.10.2
DISCRETE = gymnasium.spaces.Discrete(3)
OBS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def test_numbers_of_the_original():
    command = [sys.executable, "-m", "tests.golden", str(DATA), "--graphs"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert result.stdout.splitlines()[-1] == "19 passed, 0 failed", result.stdout + result.stderr


class Graph(ActorCriticPolicy):
    """A policy whose parts subclasses replace."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=False)
        self.fill(reuse, **kwargs)
        self._setup_init()

    def fill(self, reuse, width=6):
        with v1.variable_scope("model", reuse=reuse):
            self.heads(self.layer(self.processed_obs, width, "first"))

    def layer(self, x, size, name):
        kernel = v1.get_variable(
            f"{name}/kernel", [x.shape[1].value, size], initializer=v1.glorot_uniform_initializer()
        )
        return tf.tanh(tf.matmul(x, kernel) + v1.get_variable(f"{name}/bias", [size], initializer=tf.zeros_initializer))

    def heads(self, latent):
        self._value_fn = self.layer(latent, 1, "vf")
        self._proba_distribution, self._policy, self.q_value = self.pdtype.proba_distribution_from_latent(
            latent, latent, init_scale=0.1
        )

    def step(self, obs, state=None, mask=None, deterministic=False):
        chosen = self.deterministic_action if deterministic else self.action
        action, value, neglogp = self.sess.run([chosen, self.value_flat, self.neglogp], {self.obs_ph: obs})
        return action, value, self.initial_state, neglogp

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs})

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, {self.obs_ph: obs})


def make(algorithm=A2C, policy=Graph, actions=None, **kwargs):
    return algorithm(policy, RandomEnv(box(4), actions or DISCRETE), seed=3, **kwargs)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("algorithm", [A2C, PPO2, ACER, ACKTR])
def test_training(algorithm):
    model = make(algorithm, n_steps=8, policy_kwargs={"width": 5})
    names = [f"{layer}/{part}" for layer in ("first", "vf") for part in ("kernel", "bias")]
    names += [f"{head}/{part}" for head in ("pi", "q") for part in ("w", "b")]
    before = model.get_parameters()
    assert list(before) == [f"model/{name}:0" for name in names]
    assert before["model/first/kernel:0"].shape == (4, 5)
    model.learn(32)
    unused = "model/vf/" if algorithm is ACER else "model/q/"
    moved = {name for name, array in model.get_parameters().items() if not np.array_equal(array, before[name])}
    assert moved == {name for name in before if not name.startswith(unused)}
    policy = model.acting_policy
    close(model.action_probability(OBS), policy.proba_step(OBS))
    np.testing.assert_array_equal(model.predict(OBS, deterministic=True)[0], policy.proba_step(OBS).argmax(axis=1))


def test_gradients_and_outputs_are_those_of_the_same_network_made_of_layers():
    class Layers(FeedForwardPolicy):
        pass

    class Same(Graph):
        def fill(self, reuse):
            with v1.variable_scope("model", reuse=reuse):
                x = self.processed_obs
                pi = tf.tanh(self.linear(tf.tanh(self.linear(x, "pi_fc0")), "pi_fc1"))
                vf = tf.tanh(self.linear(tf.tanh(self.linear(x, "vf_fc0")), "vf_fc1"))
                self._value_fn = self.linear(vf, "vf", 1)
                self._proba_distribution, self._policy, self.q_value = self.pdtype.proba_distribution_from_latent(
                    pi, vf
                )

        def linear(self, x, name, size=8):
            with v1.variable_scope(name):
                return tf.matmul(x, v1.get_variable("w", [x.shape[1].value, size])) + v1.get_variable("b", [size])

    kwargs = {"n_steps": 16, "learning_rate": 1e-2}
    models = [
        make(PPO2, Layers, policy_kwargs={"layers": [8, 8], "feature_extraction": "mlp"}, **kwargs),
        make(PPO2, Same, **kwargs),
    ]
    models[0].load_parameters(models[1].get_parameters())
    rng = np.random.default_rng(1)
    batch = {"obs": rng.normal(size=(16, 4)).astype(np.float32), "actions": rng.integers(0, 3, 16)}
    batch |= {name: rng.normal(size=16).astype(np.float32) for name in ("returns", "values", "neglogp")}
    rows, sequences = np.arange(16, dtype=np.int32).reshape(2, 8), np.zeros((2, 0), np.int32)
    statistics = [model.train(dict(batch), rows, sequences, 1e-2, 0.2, 0.2) for model in models]
    for name, value in statistics[0].items():
        close(statistics[1][name], value)
    for name, array in models[0].get_parameters().items():
        close(models[1].get_parameters()[name], array)


def test_a_file_and_resumption(tmp_path):
    def collect(model, n):
        actions = []
        model.learn(n, callback=lambda found, _: actions.append(found["actions"].copy()), reset_num_timesteps=False)
        return np.concatenate(actions)

    def environment():
        env = DummyVecEnv([lambda: RandomEnv(box(4), DISCRETE)])
        env.seed(77)
        return env

    model = make(PPO2, n_steps=8, nminibatches=2)
    model.learn(16)
    model.save(tmp_path / "model")
    again = PPO2.load(tmp_path / "model", custom_objects={"policy": Graph})
    again.set_env(environment())  # load(env=…) would seed it
    model.set_env(environment())
    np.testing.assert_array_equal(collect(model, 32), collect(again, 32))
    for name, array in model.get_parameters().items():
        np.testing.assert_array_equal(again.get_parameters()[name], array)


def test_a_legacy_file_names_the_class():
    model, file = make(PPO2, n_steps=8), io.BytesIO()
    write_legacy(file, model)
    file.seek(0)
    again = PPO2.load(file)
    assert again.policy is Graph
    close(again.act_model.value(OBS), model.act_model.value(OBS))

    class Inside(Graph):
        pass

    with pytest.raises(ValueError, match="Inside is made inside of a function"):
        write_legacy(io.BytesIO(), make(PPO2, Inside, n_steps=8))


def test_converting_there_and_back(tmp_path):
    program = INITIAL.replace("tests.golden.", "") + f"model.save({str(tmp_path / 'model')!r})"
    root = DATA.parent
    environment = {**os.environ, "PYTHONPATH": str(root.parents[1])}
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=root, env=environment)
    convert = [sys.executable, "-m", "stable_baselines_tf2", "convert"]
    policy = ["--policy", "graph_policies.py:FeedForward"]
    for old, new, more in (("model", "legacy", ["--to-legacy"]), ("legacy", "again", ["--algo", "a2c"])):
        command = [*convert, tmp_path / f"{old}.zip", tmp_path / new, *more, *policy]
        result = subprocess.run(command, capture_output=True, text=True, cwd=root)
        assert result.returncode == 0, result.stderr
    first, last = (read_archive(tmp_path / f"{name}.zip").parameters for name in ("model", "again"))
    assert list(first) == list(last)
    for name, array in first.items():
        np.testing.assert_array_equal(last[name], array)
    if ORIGINAL:
        program = f"""
import sys
sys.path.insert(0, {str(root)!r})
from stable_baselines import A2C
print(A2C.load({str(tmp_path / "legacy")!r}).get_parameters()["model/first/kernel:0"][0, 0])
"""
        environment = {
            name: value for name, value in os.environ.items() if name != "TF2_BEHAVIOR"
        }  # TensorFlow sets it
        found = subprocess.run([ORIGINAL, "-c", program], capture_output=True, text=True, env=environment)
        assert found.returncode == 0, found.stderr
        close(float(found.stdout.split()[-1]), first["model/first/kernel:0"][0, 0])
    wrong = subprocess.run([*convert, "a", "b", "--policy", "nothing"], capture_output=True, text=True, cwd=root)
    assert wrong.returncode == 2


def test_same_seed_same_weights():
    first, second, other = (A2C(Graph, RandomEnv(box(4), DISCRETE), seed=seed).get_parameters() for seed in (3, 3, 4))
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
    assert not np.array_equal(first["model/first/kernel:0"], other["model/first/kernel:0"])


INITIAL = """
from stable_baselines_tf2.migration import install
install()
import gymnasium
from stable_baselines import A2C
from tests.golden.graph_policies import FeedForward
from tests.helpers import RandomEnv, box
model = A2C(FeedForward, RandomEnv(box(4), gymnasium.spaces.Discrete(3)), seed=3)
for name, array in model.get_parameters().items():
    if name.endswith("kernel:0"):
        print(name, *array.ravel()[:3])
"""


def test_initial_weights_are_those_of_the_original():
    command = [sys.executable, "-c", INITIAL]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    found = {line.split()[0]: [float(x) for x in line.split()[1:]] for line in result.stdout.splitlines()}
    assert list(found) == ["model/first/kernel:0", "model/second/kernel:0", "model/vf/kernel:0"], result.stderr
    close(found["model/first/kernel:0"], [-0.2157071, -0.5475093, 0.3237192])
    close(found["model/second/kernel:0"], [-0.1008420, 0.1226969, -0.1523239])
    close(found["model/vf/kernel:0"], [-0.4295165, -0.3264361, -0.5822985])


def test_cloning_draws_untrained_weights_anew_and_keeps_others():
    class Data:
        train_loader = val_loader = [None]

        def get_next_batch(self, part):
            return OBS, np.zeros((5, 1), np.int64)

    model = make()
    before = model.get_parameters()["model/vf/kernel:0"]
    model.pretrain(Data(), n_epochs=1)
    after = model.get_parameters()["model/vf/kernel:0"]
    assert not np.array_equal(before, after)
    model.pretrain(Data(), n_epochs=1)
    np.testing.assert_array_equal(model.get_parameters()["model/vf/kernel:0"], after)


def test_export(tmp_path):
    model = make(PPO2, actions=box(2))
    model.export(tmp_path)
    found = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](observation=tf.constant(OBS))
    close(next(iter(found.values())).numpy(), model.predict(OBS, deterministic=True)[0])


# ------------------------------------------------------------ sessions
@pytest.mark.parametrize("policy", [Graph, "MlpPolicy"])
def test_session_reads_and_assigns(policy):
    model = make(PPO2, policy, n_steps=8)
    model.learn(16)
    acting = model.act_model
    for variable, array in zip(model.params, model.sess.run(model.params), strict=True):
        np.testing.assert_array_equal(model.get_parameters()[variable.name], array)
    probabilities, values = model.sess.run([acting.policy_proba, acting.value_flat], {acting.obs_ph: OBS})
    close(probabilities, model.action_probability(OBS))
    close(values, acting.value(OBS))
    assert model.sess.run(acting.action, {acting.obs_ph: OBS}).shape == (5,)
    model.learn(16)
    close(model.sess.run(acting.policy_proba, {acting.obs_ph: OBS}), model.action_probability(OBS))

    variable = model.params[0]
    variable.load(np.full(variable.shape.as_list(), 2.0), model.sess)
    assert (model.get_parameters()[variable.name] == 2.0).all()
    with model.graph.as_default():
        model.sess.run(v1.assign_add(variable, tf.ones_like(variable)))
        total = tf.reduce_sum(variable)
        saver = v1.train.Saver()
    assert (model.get_parameters()[variable.name] == 3.0).all()
    assert model.sess.run(total) == 3.0 * variable.shape.num_elements()
    close(model.sess.run(acting.policy_proba, {acting.obs_ph: OBS}), model.action_probability(OBS))
    assert saver.saver_def


def test_sessions_of_other_algorithms():
    models = [
        make(DQN, "MlpPolicy", learning_starts=10),
        SAC("MlpPolicy", RandomEnv(box(4), box(2, low=-1, high=1))),
        TD3("MlpPolicy", RandomEnv(box(4), box(2, low=-1, high=1))),
        A2C("MlpLstmPolicy", RandomEnv(box(4), DISCRETE)),
    ]
    for model in models:
        weights = model.get_parameters()
        for variable, array in zip(model.params, model.sess.run(model.params), strict=True):
            np.testing.assert_array_equal(weights[variable.name], array)
    recurrent = models[-1].step_model
    feed = {recurrent.obs_ph: OBS[:1], recurrent.states_ph: recurrent.initial_state, recurrent.dones_ph: [0.0]}
    value, state = models[-1].sess.run([recurrent.value_flat, recurrent.snew], feed)
    _, expected, new_state, _ = recurrent.step(OBS[:1], recurrent.initial_state, [0.0])
    close(value, expected)
    close(state, new_state)


def test_random_numbers_of_sessions_follow_the_seed():
    def draw():
        policy = make(PPO2, actions=box(2)).act_model
        return np.concatenate([policy.step(OBS)[0] for _ in range(3)])

    drawn = draw()
    np.testing.assert_array_equal(drawn, draw())
    assert len(np.unique(drawn)) == drawn.size


# ------------------------------------------------------------ functions on graphs
def test_functions_of_sessions():
    with tf.Graph().as_default() as graph, sessions.single_threaded_session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [], name="x")
        variables = [v1.get_variable(name, initializer=value) for name, value in (("a", [1.0, 2.0]), ("b", [[3.0]]))]
        sessions.initialize()
        assert sessions.get_trainable_vars("a") == [variables[0]] and len(sessions.get_globals_vars("")) == 2
        loss = x * tf.reduce_sum(tf.square(variables[0]))
        double = sessions.function([x], {"loss": loss}, updates=[v1.assign_add(variables[1], [[1.0]])], givens={x: 1.0})
        assert double(2.0) == {"loss": 10.0} and double(x=3.0) == {"loss": 15.0} and double() == {"loss": 5.0}
        flat = sessions.GetFlat(variables)
        close(flat(), [1.0, 2.0, 6.0])
        sessions.SetFromFlat(variables)(np.array([5.0, 6.0, 7.0]))
        close(flat(), [5.0, 6.0, 7.0])
        close(session.run(sessions.flatgrad(loss, variables, clip_norm=1.0), {x: 1.0}), [5 / 61**0.5, 6 / 61**0.5, 0])
        with pytest.raises(ValueError, match="takes 1 arguments, 2 were given"):
            double(1.0, 2.0)
        with pytest.raises(TypeError, match="no arguments y; it has x"):
            double(y=2.0)
    with pytest.raises(ValueError, match="no default session"):
        sessions.initialize()
    with pytest.raises(GraphNeeded):
        sessions.get_trainable_vars("a")


def test_in_session():
    seen = []

    @sessions.in_session
    def inside(x):
        seen.append(v1.get_default_session().run(tf.constant(x) * 2))

    inside(3)
    assert seen == [6] and tf.executing_eagerly()


# ------------------------------------------------------------ mistakes
class NoSetup(Graph):
    def _setup_init(self):
        pass


class NoValue(Graph):
    def heads(self, latent):
        super().heads(latent)
        self._value_fn = None


class OtherScope(Graph):
    def fill(self, reuse):
        with v1.variable_scope("net", reuse=reuse):
            self.heads(self.layer(self.processed_obs, 6, "first"))


class Twice(Graph):
    def fill(self, reuse):
        with v1.variable_scope("model", reuse=reuse):
            v1.get_variable("first/kernel", [4, 6])
        super().fill(reuse)


class WrongShape(Graph):
    def fill(self, reuse):
        with v1.variable_scope("model", reuse=reuse):
            self.heads(tf.matmul(self.processed_obs, v1.get_variable("w", [7, 6])))


@pytest.mark.parametrize(
    ("policy", "error", "message"),
    [
        (NoSetup, TypeError, r"NoSetup must call self\._setup_init\(\) at the end of its constructor"),
        (NoValue, TypeError, "NoValue builds a graph, but its constructor leaves _value_fn unset"),
        (OtherScope, TypeError, r"no trainable variables within tf\.variable_scope\('model'\)"),
        (Twice, ValueError, "Variable model/first/kernel already exists"),
        (WrongShape, ValueError, "Dimensions must be equal, but are 4 and 7"),
    ],
)
def test_mistakes(policy, error, message):
    with pytest.raises(error, match=message):
        make(policy=policy)


def test_variables_outside_of_the_scope():
    class Partly(Graph):
        def fill(self, reuse):
            hidden = self.layer(self.processed_obs, 6, "front")
            with v1.variable_scope("model", reuse=reuse):
                self.heads(hidden)

    with pytest.warns(UserWarning, match="neither trained nor saved: front/kernel, front/bias"):
        model = make(policy=Partly)
    assert list(model.get_parameters())[0] == "model/vf/kernel:0"


def test_what_is_not_fed_to_a_q_network():
    class Extra(DQNPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            with v1.variable_scope("model", reuse=kwargs.get("reuse", False)):
                obs = self.processed_obs
                values = obs @ v1.get_variable("w", [obs.shape[1], self.n_actions])
                self.q_values = values * v1.placeholder(tf.float32, [], "factor")
            self._setup_init()

        def step(self, obs, state=None, mask=None, deterministic=True):
            q_values = self.sess.run(self.q_values, {self.obs_ph: obs})
            return np.argmax(q_values, axis=1), q_values, None

        def proba_step(self, obs, state=None, mask=None):
            raise NotImplementedError

    model = make(DQN, Extra)  # no error before someone wants the values
    with pytest.raises(tf.errors.InvalidArgumentError, match="factor' is needed"):
        model.predict(OBS)


def test_sessions_give_the_structure_that_was_asked_for():
    policy = make().step_model
    obs = {policy.obs_ph: np.zeros((1, 4), np.float32)}
    action, value = policy.action, policy.value_flat
    assert type(policy.sess.run([action, value], obs)) is list
    assert type(policy.sess.run((action, value), obs)) is tuple
    assert policy.sess.run(value, obs).shape == policy.sess.run([value], obs)[0].shape == (1,)
    (inner,), last = policy.sess.run(([action], value), obs)
    assert inner.shape == last.shape == (1,)
    assert policy.sess.run({"value": value}, obs)["value"].shape == (1,)


def test_what_is_not_fed():
    class Extra(Graph):
        def fill(self, reuse):
            with v1.variable_scope("model", reuse=reuse):
                self.heads(self.layer(self.processed_obs + v1.placeholder(tf.float32, [None, 4], "extra"), 6, "first"))

    with pytest.raises(tf.errors.InvalidArgumentError, match="the placeholder 'model/extra' is needed"):
        make(policy=Extra).learn(5)
    model = make()
    with pytest.raises(ValueError, match=r"input/Ob:0 takes values of shape \(None, 4\), not of shape \(2, 5\)"):
        model.sess.run(model.step_model.action, {model.step_model.obs_ph: np.zeros((2, 5))})


def test_other_errors_stay_as_they_are():
    class Wrong(ActorCriticPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.no_such_thing  # noqa: B018

    with pytest.raises(AttributeError, match="no_such_thing"):
        A2C(Wrong, "CartPole-v1")


def test_layers_made_at_every_call_are_found():
    def extractor(images, **_):
        return tf.reshape(images, (-1, 64)) @ tf.Variable(tf.ones((64, 3)))

    class Images(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 1), np.uint8)
        action_space = gymnasium.spaces.Discrete(2)

    model = A2C("CnnPolicy", Images(), policy_kwargs={"cnn_extractor": extractor})
    assert list(model.get_parameters())[0] == "model/Variable:0"
