"""Bad input: each gets an exception that says what is wrong, and nothing is damaged."""

import errno
import io
import os
import pathlib
import pickle
import resource
import subprocess
import sys
import textwrap
import zipfile

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2 import A2C, PPO2
from stable_baselines_tf2.common.vec_env import DummyVecEnv, SubprocVecEnv
from tests.helpers import RandomEnv, box
from tests.off_policy_cases import make_off_policy
from tests.on_policy_cases import ACTION_SPACES, ALGORITHMS, UPDATE, Failing, OldEnv, make, random_env, same


@pytest.fixture(scope="module")
def model():
    """Tests leave it as it is."""
    return make("PPO2")


@pytest.fixture
def unchanged(model):
    before = model.get_parameters()
    yield
    assert same(model.get_parameters(), before)


# ------------------------------------------------------------------------------------------ spaces, policies, arguments
@pytest.mark.parametrize(
    "observation_space, action_space, error, message",
    [
        (spaces.Dict(a=box(1)), box(2), NotImplementedError, "the observation space is a Dict; Box, Discrete"),
        (spaces.Tuple([box(1)]), box(2), NotImplementedError, "the observation space is a Tuple"),
        (box(3), spaces.Dict(a=box(1)), NotImplementedError, "the action space is a Dict; Box, Discrete"),
        (box(3), box(2, 2), ValueError, "the action space must have one axis"),
        (box(3), spaces.Discrete(3, start=1), ValueError, "the action space must start at 0"),
    ],
)
def test_spaces_that_no_policy_takes(observation_space, action_space, error, message):
    with pytest.raises(error, match=message):
        A2C("MlpPolicy", RandomEnv(observation_space, action_space))


@pytest.mark.parametrize(
    "kind, error, message",
    [
        ("Box", NotImplementedError, r"ACER needs Discrete actions, not the continuous ones of Box\("),
        ("MultiDiscrete", ValueError, r"ACER needs Discrete actions, not MultiDiscrete\("),
        ("MultiBinary", ValueError, r"ACER needs Discrete actions, not MultiBinary\("),
    ],
)
def test_actions_that_acer_does_not_take(kind, error, message):
    with pytest.raises(error, match=message):
        make("ACER", env=random_env(action_space=ACTION_SPACES[kind]))


def test_environments_that_do_not_fit():
    model = make("PPO2", n_steps=5, nminibatches=2)
    before = model.env, model.n_envs, model.n_batch, model.runner
    for env, message in [
        (random_env(observation_space=box(4)), r"env: its observation space is Box.*\(4,\).*made for Box.*\(3,\)"),
        (random_env(observation_space=box(3, low=-2)), "env: its observation space"),
        (random_env(action_space=box(2)), r"env: its action space is Box.*made for Discrete\(4\)"),
        (random_env(action_space=spaces.Discrete(5)), r"env: its action space is Discrete\(5\)"),
        (None, "env: an environment cannot be replaced with None"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.set_env(env)
        assert (model.env, model.n_envs, model.n_batch, model.runner) == before
    model.learn(10)
    assert model.num_timesteps == 10
    model.set_env(random_env(3))  # for showing, any number will do
    model.predict(model.env.reset())
    with pytest.raises(ValueError, match=r"nminibatches: n_steps \* number of environments \(5 \* 3 = 15\)"):
        model.learn(15)


def test_environments_for_recurrent_minibatches():
    with pytest.raises(ValueError, match=r"number of environments \(2\) must be a multiple of nminibatches \(4\)"):
        make("PPO2", "MlpLstmPolicy", nminibatches=4)
    model = make("PPO2", "MlpLstmPolicy")
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    loaded = PPO2.load(buffer, env=random_env(1))
    loaded.predict(loaded.env.reset())
    with pytest.raises(ValueError, match=r"number of environments \(1\) must be a multiple of nminibatches \(2\)"):
        loaded.learn(8)


@pytest.mark.parametrize(
    "policy, message",
    [
        ("Mlp", "policy: 'Mlp' is unknown; there are CnnLnLstmPolicy.*MlpPolicy"),
        (None, "policy must be a name or a subclass of ActorCriticPolicy, not None"),
        (int, "policy must be a name or a subclass of ActorCriticPolicy"),
        ("", "policy: '' is unknown"),
    ],
)
def test_policies(policy, message):
    with pytest.raises(ValueError, match=message):
        A2C(policy, "CartPole-v1")


@pytest.mark.parametrize("env", [3, gymnasium.Env, object(), [1]])
def test_things_that_are_no_environment(env):
    with pytest.raises(TypeError, match="env must be an environment, a VecEnv or the id"):
        A2C("MlpPolicy", env)


def test_unknown_ids():
    with pytest.raises(gymnasium.error.NameNotFound, match="Nowhere"):
        A2C("MlpPolicy", "Nowhere-v1")


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("PPO2", dict(n_steps=0), "n_steps must be an integer of at least 1, not 0"),
        ("A2C", dict(n_steps=2.5), "n_steps must be an integer of at least 1, not 2.5"),
        ("PPO2", dict(nminibatches=3), r"nminibatches: n_steps \* number of environments \(4 \* 2 = 8\)"),
        ("PPO2", dict(nminibatches=0), "nminibatches must be an integer of at least 1, not 0"),
        ("PPO2", dict(noptepochs=True), "noptepochs must be an integer of at least 1, not True"),
        ("A2C", dict(gamma="x"), "gamma must be a number, not 'x'"),
        ("A2C", dict(gamma=float("nan")), "gamma must be a number, not nan"),
        ("PPO2", dict(max_grad_norm="x"), "max_grad_norm must be a number, not 'x'"),
        ("A2C", dict(lr_schedule="cosine"), "lr_schedule must be one of linear, constant.*not 'cosine'"),
        ("ACER", dict(lr_schedule=["linear"]), r"lr_schedule must be one of linear, constant.*not \['linear'\]"),
        ("ACER", dict(buffer_size=3), "buffer_size must be an integer of at least 4, not 3"),
        ("ACER", dict(replay_ratio=-1), "replay_ratio must be a number of at least 0, not -1"),
        ("ACER", dict(delta=float("nan")), "delta must be a number, not nan"),
        ("ACKTR", dict(lr_schedule="cosine"), "lr_schedule must be one of linear, constant.*not 'cosine'"),
        ("ACKTR", dict(kfac_update=0), "kfac_update must be an integer of at least 1, not 0"),
        ("ACKTR", dict(kfac_clip=-1.0), "kfac_clip must be a number of at least 0, not -1.0"),
        ("ACKTR", dict(vf_fisher_coef="x"), "vf_fisher_coef must be a number of at least 0, not 'x'"),
        ("A2C", dict(policy_kwargs=dict(net_arch=[0])), "net_arch: a layer size must be a positive integer"),
        ("A2C", dict(policy_kwargs=dict(nothing=1)), r"unknown keyword arguments for an MLP policy: \['nothing'\]"),
    ],
)
def test_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(name, **arguments)


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("A2C", dict(gamma=1.1), r"gamma=1.1 is unusual: it is between 0 and 1"),
        ("A2C", dict(n_steps=2.0), r"n_steps=2.0 is taken for the integer 2"),
        ("A2C", dict(max_grad_norm=-1.0), "max_grad_norm=-1.0 is unusual"),
        ("PPO2", dict(max_grad_norm=0), "max_grad_norm=0 is unusual"),
        ("PPO2", dict(nminibatches=2.0), "nminibatches=2.0 is taken for the integer 2"),
        ("ACER", dict(alpha=1.5), "alpha=1.5 is unusual"),
        ("ACKTR", dict(gae_lambda=1.5), "gae_lambda=1.5 is unusual"),
        ("TRPO", dict(lam=-0.6), "lam=-0.6 is unusual"),
        ("A2C", dict(policy_kwargs=dict(net_arch=[dict(pi=[4]), 4])), r"what comes after the dictionary, \[4\]"),
        ("A2C", dict(policy_kwargs=dict(net_arch=[dict(pi=[4], q=[4])])), r"only 'pi' and 'vf' .* count, not \['q'\]"),
    ],
)
def test_odd_arguments_are_taken_with_a_warning_as_in_the_original(name, arguments, message):
    with pytest.warns(UserWarning, match=message) as warned:
        model = make(name, **arguments)
    assert {pathlib.Path(warning.filename).name for warning in warned if "unusual" in str(warning.message)} <= {
        "on_policy_cases.py"
    }
    model.learn(16)


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("DQN", dict(buffer_size=64.0), "buffer_size=64.0 is taken for the integer 64"),
        ("DQN", dict(exploration_fraction=2), "exploration_fraction=2 is unusual"),
        ("SAC", dict(buffer_size=2), r"batch_size=\d+ is more than buffer_size=2: nothing is learned"),
        ("SAC", dict(tau=1.5), "tau=1.5 is unusual"),
        ("TD3", dict(learning_starts=-1), "learning_starts=-1 is unusual"),
    ],
)
def test_odd_arguments_of_off_policy_algorithms(name, arguments, message):
    with pytest.warns(UserWarning, match=message):
        model = make_off_policy(name, **arguments)
    before = model.get_parameters()
    model.learn(40)
    assert ("nothing is learned" in message) == same(model.get_parameters(), before)


@pytest.mark.parametrize("arguments", [dict(nb_train_steps=0), dict(nb_eval_steps=0)])
def test_no_training_or_evaluation_of_ddpg(arguments):
    model = make_off_policy("DDPG", **arguments)
    before = model.get_parameters()
    model.learn(40)
    assert same(model.get_parameters(), before) == ("nb_train_steps" in arguments)


def test_images_smaller_than_the_filters():
    """oneDNN would abort the process."""
    for shape in ((4,), (6, 6, 3)):
        with pytest.raises(ValueError, match="needs images, not inputs of shape|images are too small for this network"):
            make("A2C", "CnnPolicy", random_env(observation_space=box(*shape)))


def test_acer_learns_from_one_step_at_a_time():
    model = make("ACER", env=random_env(1), n_steps=1)
    before = model.get_parameters()
    model.learn(20)  # the explained variance of one number is NaN
    assert not same(model.get_parameters(), before)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(total_timesteps="8"), ValueError, "total_timesteps must be.*not '8'"),
        (dict(total_timesteps=float("inf")), ValueError, "total_timesteps must be.*not inf"),
        (dict(total_timesteps=float("nan")), ValueError, "total_timesteps must be.*not nan"),
        (dict(total_timesteps=8, log_interval=-1), ValueError, "log_interval must be a positive number"),
        (dict(total_timesteps=8, callback=5), TypeError, "callback must be a function, a BaseCallback.*not 5"),
    ],
)
def test_arguments_of_learn(model, unchanged, arguments, error, message):
    with pytest.raises(error, match=message):
        model.learn(**arguments)


def test_odd_arguments_of_learn():
    model = make("A2C", verbose=1)
    with pytest.warns(UserWarning, match="total_timesteps=-5: nothing is learned"):
        assert model.learn(-5).num_timesteps == 0
    with pytest.warns(UserWarning, match="log_interval=0 prints no tables"):
        assert model.learn(8, log_interval=0).num_timesteps == 8


def test_schedules(model, unchanged, monkeypatch):
    monkeypatch.setattr(model, "learning_rate", "fast")
    with pytest.raises(TypeError, match="value_schedule must be a number or a function.*'fast'"):
        model.learn(8)


def test_models_that_are_not_ready():
    untouched = A2C("MlpPolicy", random_env(), _init_setup_model=False)
    for use in (lambda: untouched.predict(np.zeros(3)), untouched.get_parameters, lambda: untouched.learn(10)):
        with pytest.raises(ValueError, match=r"not been built; call setup_model\(\) first"):
            use()
    buffer = io.BytesIO()
    make("A2C").save(buffer)
    buffer.seek(0)
    with pytest.raises(ValueError, match=r"env: a model without environment cannot be trained.*set_env\(\)"):
        A2C.load(buffer).learn(8)


@pytest.mark.parametrize("obs", [np.zeros(4), np.zeros((2, 4)), np.zeros((1, 2, 3)), 0.0, "abc", None, [[1, 2], [1]]])
def test_observations(model, unchanged, obs):
    for use in (model.predict, model.action_probability):
        with pytest.raises(ValueError, match="observation has shape|inhomogeneous"):
            use(obs)


@pytest.mark.parametrize("actions", [[0, 1, 2], [0, 4], [0, -1], [0, 0.5], [[0, 1, 2]], [0, np.nan]])
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_actions(model, unchanged, actions):
    with pytest.raises(ValueError, match="actions"):
        model.action_probability(np.zeros((2, 3)), actions=actions)


def test_states_and_masks():
    model = make("A2C", "MlpLstmPolicy")
    wrong = {
        "state": [np.zeros((2, 8)), np.zeros(8), np.zeros((1, 6)), np.zeros((1, 12))],
        "mask": [[0, 1], False, [[0]]],
    }
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError, match=rf"{name} must have shape \(1,.*, not \("):
                model.predict(np.zeros(3), **{name: value})


# --------------------------------------------------------------------------------------------------------------- files
def test_missing_files(model, unchanged, tmp_path):
    for use in (PPO2.load, model.load_parameters):
        with pytest.raises(FileNotFoundError, match="nothing"):
            use(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "no" / "folder")


@pytest.mark.parametrize("source", [None, 5, 0.5])
def test_sources_that_are_no_files(model, unchanged, source):
    for use in (PPO2.load, model.load_parameters):
        with pytest.raises(TypeError, match="expected the path of a model file or a binary file object"):
            use(source)


def test_files_that_are_cut_off(model, unchanged, tmp_path):
    model.save(tmp_path / "model")
    content = (tmp_path / "model.zip").read_bytes()
    inner = 0
    for length in [*range(0, len(content), 101), len(content) - 1, len(content) - 22]:
        (tmp_path / "cut.zip").write_bytes(content[:length])
        for use in (PPO2.load, model.load_parameters):
            with pytest.raises(ValueError, match=r"cut\.zip is not a model file or is damaged") as caught:
                use(tmp_path / "cut")
        inner += "it holds ['model/" in str(caught.value)
    assert inner > 5  # such zips are valid: what is left ends with the parameters' own archive


def test_files_without_what_a_model_needs(model, unchanged, tmp_path):
    model.save(tmp_path / "model")
    for missing, message in (("parameters", "holds no parameters"), ("data", "holds parameters only")):
        with zipfile.ZipFile(tmp_path / "model.zip") as source, zipfile.ZipFile(tmp_path / "less.zip", "w") as target:
            for name in source.namelist():
                if name != missing:
                    target.writestr(name, source.read(name))
        with pytest.raises(ValueError, match=message):
            PPO2.load(tmp_path / "less")
    with pytest.raises(ValueError, match="holds no parameters"):
        with zipfile.ZipFile(tmp_path / "none.zip", "w") as target:
            target.writestr("data", "{}")
        model.load_parameters(tmp_path / "none")


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_hostile_files(model, unchanged, tmp_path):
    import base64
    import json

    made = str(tmp_path / "made")
    content = pickle.dumps(Hostile(made))
    model.save(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model.zip") as source:
        members = {name: source.read(name) for name in source.namelist()}
    hostile_array = io.BytesIO()
    np.save(hostile_array, np.array([Hostile(made)], dtype=object), allow_pickle=True)
    arrays = io.BytesIO()
    with zipfile.ZipFile(arrays, "w") as npz:
        npz.writestr("model/pi/b:0.npy", hostile_array.getvalue())
    data = json.loads(members["data"])
    hostile = {":type:": "<class 'function'>", ":serialized:": base64.b64encode(content).decode()}
    replaced = [("data", json.dumps({**data, key: hostile})) for key in data] + [("parameters", arrays.getvalue())]
    for member, replacement in replaced:
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as target:
            for name, original in members.items():
                target.writestr(name, replacement if name == member else original)
        with pytest.raises(ValueError, match="cannot be restored without executing code|object arrays"):
            PPO2.load(tmp_path / "bad").learn(10)  # prediction does not need all of them
    (tmp_path / "plain.pkl").write_bytes(content)
    with pytest.raises(ValueError):
        PPO2.load(tmp_path / "plain.pkl")
    assert not os.path.exists(made)


def test_hyperparameters_of_load(model, unchanged, tmp_path):
    model.save(tmp_path / "model")
    with pytest.warns(UserWarning, match="PPO2 has no hyperparameters named learning_rte: they become attributes"):
        assert PPO2.load(tmp_path / "model", learning_rte=3).learning_rte == 3
    with pytest.raises(ValueError, match="policy_kwargs must equal those of the file"):
        PPO2.load(tmp_path / "model", policy_kwargs=dict(net_arch=[3]))
    with pytest.raises(ValueError, match="custom_objects must be a dictionary"):
        PPO2.load(tmp_path / "model", custom_objects=[1])


# ---------------------------------------------------------------------------------------------------------- parameters
@pytest.mark.parametrize("exact_match", [True, False])
@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"model/x/w:0": np.zeros(2)}, KeyError, "no parameters named model/x/w:0"),
        ({"model/pi/b:0": np.zeros(5)}, ValueError, r"model/pi/b:0 has shape \(5,\).*shape \(4,\)"),
        ({"model/pi/w:0": np.zeros((4, 8))}, ValueError, r"model/pi/w:0 has shape \(4, 8\)"),  # transposed
        ({"model/pi/b:0": 0.0}, ValueError, r"shape \(\)"),  # would broadcast
        ({"model/pi/b:0": ["a"] * 4}, ValueError, "needs numbers"),
        ({"model/pi/b:0": np.zeros(4, complex)}, ValueError, "needs numbers"),
    ],
)
def test_parameters(model, unchanged, exact_match, change, error, message):
    with pytest.raises(error, match=message):
        changed = {name: array + 1 for name, array in model.get_parameters().items()}
        model.load_parameters({**changed, **change}, exact_match)


def test_missing_parameters(model):
    before = model.get_parameters()
    with pytest.raises(RuntimeError, match="parameters are missing: model/pi_fc0/w:0.*exact_match=False"):
        model.load_parameters({"model/pi/b:0": np.ones(4)})
    assert same(model.get_parameters(), before)
    model.load_parameters({"model/pi/b:0": np.ones(4)}, exact_match=False)
    after = model.get_parameters()
    np.testing.assert_array_equal(after["model/pi/b:0"], np.ones(4))
    assert same({**after, "model/pi/b:0": 0}, {**before, "model/pi/b:0": 0})
    model.load_parameters(before)


def test_lists_of_parameters(model, unchanged):
    values = list(model.get_parameters().values())
    with (
        pytest.warns(DeprecationWarning, match="deprecated"),
        pytest.raises(ValueError, match="a list of 9 weights.*has 10"),
    ):
        model.load_parameters(values[:-1])
    with pytest.warns(DeprecationWarning), pytest.raises(ValueError, match="has shape"):
        model.load_parameters(values[::-1])
    with pytest.warns(DeprecationWarning):
        model.load_parameters(values)


# -------------------------------------------------------------------------------------------------------- environments
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("how", ["nan", "nan_obs"])
def test_nan_from_the_environment(name, how):
    steps = UPDATE[name]
    model = make(name, env=DummyVecEnv([lambda: Failing(how, 3 * steps // 2 + 2)] * 2))
    noted = []

    def note(locals_, globals_):
        noted.append(model.get_parameters())

    with pytest.raises(FloatingPointError, match=rf" is nan in the update at step {4 * steps}: .* before the weights"):
        model.learn(10 * steps, callback=note)
    assert same(model.get_parameters(), noted[-1]) and not same(noted[0], noted[-1])
    held = model.train_model.weights
    for variable in held:
        array = noted[-1][f"{variable.path}:0"]
        np.testing.assert_array_equal(variable.numpy(), array)
    assert all(np.isfinite(value).all() for value in model.training_state()[1].values())


def test_gradients_that_overflow_where_the_loss_does_not():
    model = make("PPO2")
    before = model.get_parameters()
    batch = dict(
        obs=np.zeros((2, 3), np.float32),
        actions=np.zeros(2, np.int64),
        returns=np.float32([1, 0]),
        values=np.zeros(2, np.float32),
        neglogp=np.float32([100, 1]),  # a ratio of e^99, clipped away as its advantage is positive
    )
    with pytest.raises(FloatingPointError, match="a weight is nan"):
        model.train(batch, np.array([[0, 1]], np.int32), np.zeros((1, 0), np.int32), 1e-3, 0.2, 0.2)
    assert same(model.get_parameters(), before)


def test_a_worker_that_dies():
    env = SubprocVecEnv([lambda: RandomEnv(box(3), spaces.Discrete(4)), lambda: Failing("die", 6)])
    model = make("A2C", env=env)
    with pytest.raises(RuntimeError, match="environment 1 died with exit code 9, all workers were shut down"):
        model.learn(100)
    assert not any(process.is_alive() for process in env.processes)
    assert np.isfinite(model.predict(np.zeros(3))[0])


def test_a_worker_that_raises():
    class Raising(RandomEnv):
        def step(self, action):
            raise ZeroDivisionError("in the environment")

    env = SubprocVecEnv([lambda: Raising(box(3), spaces.Discrete(4))])
    with pytest.raises(RuntimeError, match="(?s)environment 0 failed.*ZeroDivisionError: in the environment"):
        make("A2C", env=env).learn(100)
    assert not any(process.is_alive() for process in env.processes)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_old_environment_works(name, tmp_path):
    model = make(name, env=OldEnv(), seed=0, **(dict(nminibatches=1) if name == "PPO2" else {}))
    infos = []
    steps = 5 * UPDATE[name]
    model.learn(steps, callback=lambda locals_, _: infos.extend(locals_["infos"]))
    assert model.num_timesteps == steps
    ends = [i for i, info in enumerate(infos, 1) if info.get("TimeLimit.truncated")]
    assert ends == list(range(8, steps + 1, 8))
    model.save(tmp_path / "old")
    loaded = ALGORITHMS[name].load(tmp_path / "old", env=OldEnv())
    obs = OldEnv().reset()
    assert loaded.predict(obs, deterministic=True)[0] == model.predict(obs, deterministic=True)[0]
    loaded.learn(40)


# ----------------------------------------------------------------------------------------------------------- full disk
def test_a_full_disk(model, unchanged, tmp_path):
    """A process that may not write more than two kilobytes to a file."""
    model.save(tmp_path / "model")
    content = (tmp_path / "model.zip").read_bytes()
    assert len(content) > 4096
    code = f"""
        import resource
        from stable_baselines_tf2 import PPO2
        model = PPO2.load({str(tmp_path / "model")!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        for cloudpickle, name in ((False, "model"), (True, "model.pkl")):
            try:
                model.save({str(tmp_path)!r} + "/" + name, cloudpickle=cloudpickle)
            except OSError as error:
                print(error.errno)
    """
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2048
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=200)
    assert done.stdout.split() == [str(errno.EFBIG)] * 2, done.stderr
    assert os.listdir(tmp_path) == ["model.zip"] and (tmp_path / "model.zip").read_bytes() == content
    assert same(PPO2.load(tmp_path / "model").get_parameters(), model.get_parameters())
