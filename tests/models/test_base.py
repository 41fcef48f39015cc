"""What PPO2 and A2C share: environments, prediction, parameters, files, callbacks."""

import io
import warnings

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from stable_baselines_tf2 import A2C, PPO2, logger
from stable_baselines_tf2.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
)
from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines_tf2.models.training import SetVerbosity
from tests.helpers import RandomEnv, box
from tests.on_policy_cases import ACTION_SPACES, ALGORITHMS, KWARGS, UPDATE, Scripted, make, random_env, same

OBS = np.random.default_rng(0).normal(0, 1, (5, 3)).astype(np.float32)


def reload(model, **kwargs):
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    return type(model).load(buffer, **kwargs)


# -------------------------------------------------------------------------------------------------------- environments
def test_kinds_of_environments():
    for env in ("CartPole-v1", gymnasium.make("CartPole-v1"), DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])):
        model = A2C("MlpPolicy", env, policy_kwargs=dict(net_arch=[4]))
        assert isinstance(model.get_env(), DummyVecEnv) and model.n_envs == 1
        assert model.observation_space.shape == (4,) and model.action_space == spaces.Discrete(2)
        assert model.get_vec_normalize_env() is None
    assert A2C("MlpPolicy", None, _init_setup_model=False).get_env() is None


def test_vec_normalize_is_found():
    normalize = VecNormalize(random_env())
    model = make("A2C", env=normalize)
    assert model.get_vec_normalize_env() is normalize
    model.set_env(random_env())
    assert model.get_vec_normalize_env() is None


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_another_number_of_environments(policy):
    model = make("A2C", policy)
    model.learn(8)
    model.set_env(random_env(5))
    assert model.n_envs == 5 and model.n_batch == 20
    assert (model.initial_state is None) if policy == "MlpPolicy" else (model.initial_state.shape == (5, 8))
    before = model.get_parameters()
    model.learn(20)
    assert model.num_timesteps == 20 and not same(before, model.get_parameters())


# ---------------------------------------------------------------------------------------------------------- prediction
@pytest.mark.parametrize("kind", ACTION_SPACES)
def test_predict(kind):
    space = ACTION_SPACES[kind]
    model = make("A2C", env=random_env(action_space=space))
    single, state = model.predict(OBS[0], deterministic=True)
    batch, _ = model.predict(OBS, deterministic=True)
    assert state is None and np.shape(single) == space.shape and batch.shape == (5, *space.shape)
    np.testing.assert_allclose(batch[0], single, rtol=1e-5, atol=1e-6)
    for obs in (OBS[0].tolist(), OBS[0].astype(np.float64)):
        np.testing.assert_allclose(model.predict(obs, deterministic=True)[0], single)
    sampled = np.array([model.predict(OBS[0])[0] for _ in range(30)])
    assert len(np.unique(sampled, axis=0)) > 1
    assert model.predict(np.zeros((0, 3)))[0].shape == (0, *space.shape)


def test_predicted_actions_are_within_bounds():
    model = make("A2C", env=random_env(action_space=box(2, low=-0.1, high=0.2)))
    actions = np.array([model.predict(OBS)[0] for _ in range(20)])
    assert actions.min() == np.float32(-0.1) and actions.max() == np.float32(0.2)


@pytest.mark.parametrize("policy", ["MlpLstmPolicy", "MlpLnLstmPolicy"])
def test_recurrent_prediction(policy):
    model = make("A2C", policy)
    _, single = model.predict(OBS[0])
    _, batch = model.predict(OBS)  # any number, whatever the model was trained with
    assert single.shape == (1, 8) and batch.shape == (5, 8)
    np.testing.assert_allclose(batch[:1], single, rtol=1e-5, atol=1e-6)
    _, after = model.predict(OBS, batch, np.array([True, False, False, False, False]))
    np.testing.assert_allclose(after[0], batch[0], rtol=1e-5, atol=1e-6)  # the mask started over
    assert not np.allclose(after[1], batch[1])
    _, from_list = model.predict(OBS[0], single.tolist(), [False])
    _, plain = model.predict(OBS[0], single)
    np.testing.assert_array_equal(from_list, plain)


def test_discrete_observations():
    model = make("A2C", env=random_env(observation_space=spaces.Discrete(3)))
    assert np.shape(model.predict(1)[0]) == () and model.predict([0, 1, 2])[0].shape == (3,)
    assert model.action_probability(np.int64(2)).shape == (4,)


@pytest.mark.parametrize("kind", ACTION_SPACES)
def test_action_probability(kind):
    space = ACTION_SPACES[kind]
    model = make("A2C", env=random_env(action_space=space))
    flat = np.random.default_rng(0).normal(0, 1, 4).astype(np.float32)  # the same for every observation
    names = {"model/pi/b:0": flat[: model.get_parameters()["model/pi/b:0"].size], "model/pi/w:0": 0}
    if kind == "Box":
        names["model/pi/logstd:0"] = np.float32([[0.5, -1]])
    elif kind == "MultiDiscrete":
        names["model/pi/b:0"] = flat = np.float32([0, 1, 2, 3, 4])
    parameters = model.get_parameters()
    model.load_parameters({n: np.broadcast_to(v, parameters[n].shape) for n, v in names.items()}, exact_match=False)
    result, one = model.action_probability(OBS), model.action_probability(OBS[0])
    if kind == "Discrete":
        expected = np.exp(flat) / np.exp(flat).sum()
        np.testing.assert_allclose(result, np.tile(expected, (5, 1)), rtol=1e-5)
        np.testing.assert_allclose(one, expected, rtol=1e-5)
        actions, logp = np.array([0, 1, 2, 3, 0]), np.log(expected[[0, 1, 2, 3, 0]])
    elif kind == "Box":
        np.testing.assert_allclose(result[0], np.tile(flat[:2], (5, 1)), rtol=1e-5)
        np.testing.assert_allclose(one[1], np.exp([0.5, -1]), rtol=1e-5)
        actions = np.random.default_rng(1).normal(0, 2, (5, 2))
        logp = -0.5 * (((actions - flat[:2]) / np.exp([0.5, -1])) ** 2).sum(1) - (0.5 - 1) - np.log(2 * np.pi)
    elif kind == "MultiDiscrete":
        first, second = np.exp(flat[:3]) / np.exp(flat[:3]).sum(), np.exp(flat[3:]) / np.exp(flat[3:]).sum()
        np.testing.assert_allclose(result[0], np.tile(first, (5, 1)), rtol=1e-5)
        np.testing.assert_allclose(one[1], second, rtol=1e-5)
        actions = np.array([[0, 0], [1, 1], [2, 0], [0, 1], [2, 1]])
        logp = np.log(first[actions[:, 0]] * second[actions[:, 1]])
    else:
        p = 1 / (1 + np.exp(-flat[:3]))
        np.testing.assert_allclose(one, p, rtol=1e-5)
        actions = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
        logp = np.log(np.where(actions, p, 1 - p)).sum(1)
    np.testing.assert_allclose(model.action_probability(OBS, actions=actions, logp=True)[:, 0], logp, rtol=1e-4)
    probability = model.action_probability(OBS, actions=actions)
    assert probability.shape == (5, 1)
    np.testing.assert_allclose(probability[:, 0], np.exp(logp), rtol=1e-4)
    single = model.action_probability(OBS[1], actions=actions[1:2])
    assert single.shape == (1,)
    np.testing.assert_allclose(single, np.exp(logp[1:2]), rtol=1e-4)


# ------------------------------------------------------------------------------------------------- seeds and parameters
@pytest.mark.parametrize("name, policy", [("A2C", "MlpPolicy"), ("A2C", "MlpLstmPolicy"), ("A2C", "CnnPolicy")])
def test_the_same_seed_gives_the_same_model(name, policy):
    image = box(36, 36, 1, low=0, high=255, dtype=np.uint8)
    results = []
    for seed in (3, 3, 4) if policy == "MlpPolicy" else (3, 3):
        env = random_env(observation_space=image if "Cnn" in policy else None, seed=None)
        model = make(name, policy, env, seed=seed)
        model.learn(16)
        results.append((model.get_parameters(), [model.predict(model.runner.obs)[0].tolist() for _ in range(8)]))
    assert same(results[0][0], results[1][0]) and results[0][1] == results[1][1]
    assert not same(results[0][0], results[-1][0]) or len(results) == 2


def test_seeding_later():
    model, draws = make("A2C", seed=None), []
    for seed in (7, 7, 8):
        model.set_random_seed(seed)
        draws.append([model.predict(OBS)[0].tolist() for _ in range(10)])
    assert draws[0] == draws[1] != draws[2]
    model.set_random_seed(None)
    assert model.train_model.generator is model.generator


def test_parameters_round_trip(tmp_path):
    first, second = make("PPO2", seed=1), make("PPO2", seed=2)
    assert not same(first.get_parameters(), second.get_parameters())
    second.load_parameters(first.get_parameters())
    assert same(first.get_parameters(), second.get_parameters())
    np.testing.assert_array_equal(first.action_probability(OBS), second.action_probability(OBS))
    first.load_parameters({name: array * 2 for name, array in first.get_parameters().items()})
    first.save(tmp_path / "first")
    second.load_parameters(str(tmp_path / "first.zip"))
    assert same(first.get_parameters(), second.get_parameters())
    for variable, array in zip(second.get_parameter_list(), first.get_parameters().values(), strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)


def test_loading_parameters_keeps_the_optimizer():
    model = make("A2C")
    model.learn(16)
    state = {name: value.numpy() for name, value in model.moments.items()}
    model.load_parameters(model.get_parameters())
    for name, value in model.moments.items():
        np.testing.assert_array_equal(value, state[name])


# --------------------------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("name", ALGORITHMS)
def test_files(tmp_path, name):
    model = make(
        name, gamma=0.9, **(dict(lam=0.5) if name in ("PPO1", "TRPO") else dict(max_grad_norm=None, ent_coef=0.5))
    )
    model.learn(2 * UPDATE[name])
    model.save(str(tmp_path / "model"))
    loaded = ALGORITHMS[name].load(str(tmp_path / "model"))
    assert same(model.get_parameters(), loaded.get_parameters())
    for attribute in (*model.saved, *model.saved_always):
        assert getattr(loaded, attribute) == getattr(model, attribute), attribute
    assert loaded.num_timesteps == 2 * UPDATE[name] and loaded.get_env() is None
    np.testing.assert_array_equal(model.predict(OBS, deterministic=True)[0], loaded.predict(OBS, deterministic=True)[0])
    np.testing.assert_array_equal(model.predict(OBS)[0], loaded.predict(OBS)[0])  # the generator goes on


def test_loading_with_other_hyperparameters():
    model = make("PPO2")
    loaded = reload(
        model, verbose=0, gamma=0.5, learning_rate=1e-2, tensorboard_log="x", policy_kwargs=KWARGS["MlpPolicy"]
    )
    assert (loaded.gamma, loaded.learning_rate, loaded.tensorboard_log) == (0.5, 1e-2, "x")
    assert same(model.get_parameters(), loaded.get_parameters())
    loaded = reload(model, custom_objects={"policy": "MlpPolicy", "learning_rate": 0.5})
    assert loaded.learning_rate == 0.5 and loaded.policy.__name__ == "MlpPolicy"


def test_policy_kwargs_with_tuples_and_functions():
    kwargs = dict(net_arch=(4, dict(pi=(3,))), act_fun=tf.nn.relu)
    loaded = reload(make("A2C", policy_kwargs=kwargs), policy_kwargs=kwargs)
    assert loaded.train_model.params.names[:4] == [f"model/{n}/{p}:0" for n in ("shared_fc0", "pi_fc0") for p in "wb"]
    assert loaded.train_model.act_fun is tf.nn.relu


def test_loaded_models_are_seeded_as_legacy_files_were():
    """A file without state for resumption seeds the environment, as the original did."""
    model = make("A2C", seed=4)
    model.training_state = lambda: ({}, {})
    loaded = reload(model, env=random_env(seed=None))
    np.testing.assert_array_equal(loaded.runner.obs, random_env(seed=4).reset())
    assert loaded.num_timesteps == 0


def test_pickles_of_old(tmp_path):
    import pickle

    model = make("A2C")
    model.save(tmp_path / "model", cloudpickle=True)
    data, parameters = pickle.loads((tmp_path / "model.pkl").read_bytes())
    assert data["gamma"] == 0.99 and data["policy"] is model.policy and same(parameters, model.get_parameters())


# ----------------------------------------------------------------------------------------------------------- callbacks
class Watch(BaseCallback):
    """Notes every event, with the first weight as variable and as array."""

    def _init_callback(self):
        self.events, self.variables, self.policy = [], self.model.get_parameter_list(), self.model.train_model

    def note(self, event):
        array = self.model.get_parameters()["model/pi_fc0/b:0"]
        seen = [self.variables[1].numpy(), self.policy.weights[1].numpy(), self.policy.get_weights()[1]]
        assert all(np.array_equal(array, other) for other in seen)
        self.events.append((event, self.model.num_timesteps, float(np.abs(array).sum())))
        return True

    def _on_training_start(self):
        self.note("start")

    def _on_rollout_start(self):
        self.note("rollout")

    def _on_step(self):
        return self.note("step")

    def _on_rollout_end(self):
        self.note("end")

    def _on_training_end(self):
        self.note("stop")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_events_and_fresh_weights(name):
    watch, steps = Watch(), UPDATE[name]
    model = make(name)
    model.learn(3 * steps, callback=watch)
    taken = [("step", step) for step in range(2, steps + 1, 2)]
    first = [("start", 0), ("rollout", 0), *taken, ("end", steps)]
    assert [event[:2] for event in watch.events[: len(first)]] == first
    assert [event[0] for event in watch.events].count("end") == 3 and watch.events[-1][:2] == ("stop", 3 * steps)
    changes = [b[0] for a, b in zip(watch.events, watch.events[1:], strict=False) if a[2] != b[2]]
    assert changes == ["rollout", "rollout", "stop"]  # updates happen between rollouts


@pytest.mark.parametrize("name", ALGORITHMS)
def test_held_variables_after_training_without_callbacks(name):
    model = make(name)
    policy, variables, before = model.train_model, model.get_parameter_list(), model.get_parameters()
    model.learn(UPDATE[name])
    for variable, (key, array) in zip(variables, model.get_parameters().items(), strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)
        untrained = ("model/vf/" if name == "ACER" else "model/q/", "oldpi/")
        assert key.startswith(untrained) or not np.array_equal(array, before[key])
    acting = {"PPO2": "act_model", "PPO1": "policy_pi", "TRPO": "policy_pi"}.get(name, "step_model")
    assert getattr(model, acting) is policy and hasattr(model, "act_model") == (name == "PPO2")


def test_loading_parameters_inside_a_callback():
    source = make("A2C", seed=9).get_parameters()
    seen = []

    def load_at_12(locals_, globals_):
        model = locals_["self"]
        if model.num_timesteps == 12:  # in the middle of the second rollout
            model.load_parameters(source)
        seen.append((model.num_timesteps, same(model.get_parameters(), source)))

    model = make("A2C", learning_rate=1e-6)
    model.learn(24, callback=load_at_12)
    assert [equal for _, equal in seen] == [False] * 5 + [True] * 3 + [False] * 4
    for name, array in model.get_parameters().items():
        np.testing.assert_allclose(array, source[name], atol=1e-4)  # small steps from what was loaded


def test_setting_keras_weights_inside_a_callback():
    model = make("A2C", learning_rate=1e-6)
    ones = [np.ones_like(array) for array in model.get_parameters().values()]

    def set_weights(locals_, globals_):
        if model.num_timesteps == 12:
            model.train_model.set_weights(ones)

    model.learn(24, callback=set_weights)
    for array in model.get_parameters().values():
        np.testing.assert_allclose(array, 1, atol=1e-4)


@pytest.mark.parametrize("stop", [False, np.bool_(False)])
def test_functions_that_stop(stop):
    steps = []
    model = make("A2C")
    model.learn(80, callback=lambda locals_, _: steps.append(1) or (stop if len(steps) == 6 else None))
    assert len(steps) == 6 and model.num_timesteps == 12
    model.learn(8, reset_num_timesteps=False)  # and training can go on
    assert model.num_timesteps == 20


def test_locals_of_function_callbacks():
    noted = []
    model = make("PPO2")
    model.learn(8, callback=lambda locals_, globals_: noted.append(dict(locals_)))
    last = noted[-1]
    shapes = dict(
        obs=(2, 3), actions=(2,), rewards=(2,), dones=(2,), values=(2,), neglogpacs=(2,), clipped_actions=(2,)
    )
    assert {name: np.shape(last[name]) for name in shapes} == shapes
    assert last["self"].model is model and last["writer"] is None and last["total_timesteps"] == 8
    assert len(last["infos"]) == 2 and last["tb_log_name"] == "PPO2" and last["reset_num_timesteps"] is True
    assert [locals_["step"] for locals_ in noted] == [0, 1, 2, 3]


def test_real_callbacks_together(tmp_path):
    counted = []

    class Count(BaseCallback):
        def _on_step(self):
            counted.append(self.model.num_timesteps)
            return True

    evaluation = EvalCallback(
        DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])]), n_eval_episodes=2, eval_freq=6, log_path=tmp_path,
        best_model_save_path=tmp_path, verbose=0)  # fmt: skip
    callbacks = [evaluation, CheckpointCallback(4, tmp_path, "m"), EveryNTimesteps(10, Count())]
    env = DummyVecEnv([lambda: Scripted([1.0, 2.0, 4.0])] * 2)
    model = make("A2C", env=env)
    model.learn(24, callback=callbacks)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best_model.zip", "evaluations.npz", "m_16_steps.zip", "m_24_steps.zip", "m_8_steps.zip"]  # fmt: skip
    assert counted == [10, 20]
    results = np.load(tmp_path / "evaluations.npz")
    np.testing.assert_array_equal(results["timesteps"], [12, 24])
    np.testing.assert_array_equal(results["results"], [[7, 7], [7, 7]])
    np.testing.assert_array_equal(results["ep_lengths"], [[3, 3], [3, 3]])
    assert evaluation.best_mean_reward == 7
    assert A2C.load(tmp_path / "m_16_steps", env=env).num_timesteps == 16
    model.learn(8, callback=CallbackList([EveryNTimesteps(4, Count())]))
    assert counted[2:] == [4, 8]


def test_exceptions_in_callbacks_leave_things_closed():
    class Raising(BaseCallback):
        def __init__(self, event):
            super().__init__()
            self.event = event

        def _on_training_start(self):
            self.check("start")

        def _on_step(self):
            self.check("step")

        def check(self, event):
            if event == self.event:
                raise ZeroDivisionError

    model = make("A2C")
    for event in ("start", "step"):
        before = logger.get_level(), gymnasium.logger.min_level
        with pytest.raises(ZeroDivisionError):
            model.learn(8, callback=Raising(event))
        assert (logger.get_level(), gymnasium.logger.min_level) == before
    model.learn(8)
    assert model.num_timesteps == 8


# ------------------------------------------------------------------------------------------------------------ the rest
def test_verbosity():
    level, gymnasium_level = logger.get_level(), gymnasium.logger.min_level
    with SetVerbosity(0):
        assert logger.get_level() == logger.DISABLED and gymnasium.logger.min_level == gymnasium.logger.ERROR
    with SetVerbosity(2):
        assert logger.get_level() == level and gymnasium.logger.min_level == gymnasium_level
    assert logger.get_level() == level and gymnasium.logger.min_level == gymnasium_level


def test_threads_cannot_change_any_more():
    tf.constant(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make("A2C", n_cpu_tf_sess=7)
    assert any("n_cpu_tf_sess=7 has no effect" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("discrete", [True, False])
def test_pretraining_starts_from_the_weights_and_imitates(discrete):
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(256, 3)).astype(np.float32)
    actions = (obs[:, :1] > 0).astype(np.int64) if discrete else np.clip(obs[:, :2], -1, 1)

    class Dataset:
        train_loader = val_loader = range(8)

        def get_next_batch(self, split):
            rows = rng.integers(0, 256, 32)
            return obs[rows], actions[rows]

    model = make("A2C", env=random_env(action_space=spaces.Discrete(2) if discrete else box(2)))
    held = model.get_parameter_list()
    model.pretrain(Dataset(), n_epochs=20, learning_rate=2e-2)
    predicted = model.predict(obs, deterministic=True)[0]
    if discrete:
        assert (predicted == actions[:, 0]).mean() > 0.9
    else:
        assert np.mean((predicted - actions) ** 2) < 0.1 * np.mean(actions**2)
    for variable, array in zip(held, model.get_parameters().values(), strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)
    before = model.get_parameters()
    model.pretrain(Dataset(), n_epochs=1, learning_rate=1e-9)
    for name, array in model.get_parameters().items():
        np.testing.assert_allclose(array, before[name], atol=1e-5)  # not from scratch


def test_pretraining_needs_suitable_actions():
    with pytest.raises(ValueError, match="needs a Box or Discrete action space"):
        make("A2C", env=random_env(action_space=spaces.MultiBinary(2))).pretrain(None)


def test_single_environments_are_wrapped(capsys):
    PPO2("MlpPolicy", RandomEnv(box(3), box(2)), verbose=1, policy_kwargs=dict(net_arch=[4]))
    assert "Wrapping" in capsys.readouterr().out
