"""What SAC, TD3 and DDPG share: exploration, action noise, scaling, logs, targets."""

import json
import pathlib
import warnings

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

import stable_baselines_tf2
from stable_baselines_tf2.common.bit_flipping_env import BitFlippingEnv
from stable_baselines_tf2.common.dataset import Dataset
from stable_baselines_tf2.common.noise import (
    ActionNoise,
    AdaptiveParamNoiseSpec,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)
from stable_baselines_tf2.common.schedules import LinearFunction
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.core.acting import CompiledNetwork
from stable_baselines_tf2.core.tensorboard import read_scalars
from stable_baselines_tf2.envs.spaces import space_from_dict
from tests.helpers import RandomEnv, box
from tests.off_policy_cases import OBS, make_off_policy, off_policy_env

CONTINUOUS = ["SAC", "TD3"]
VARIABLES = json.loads((pathlib.Path(__file__).parents[1] / "data" / "variables_off_policy.json").read_text())
LOW, HIGH = np.float32([-2, -1]), np.float32([1, 3])
each = pytest.mark.parametrize("name", CONTINUOUS)


def case_id(case):
    options = [*case["policy_kwargs"].items(), *case["model_kwargs"].items()]
    return "-".join([case["algorithm"], case["policy"], *(f"{name}={value}" for name, value in options)])


@pytest.mark.filterwarnings("ignore:n_cpu_tf_sess:UserWarning")
@pytest.mark.parametrize("case", VARIABLES, ids=case_id)
def test_variables_are_those_of_the_original(case):
    *outer, algorithm = (getattr(stable_baselines_tf2, name) for name in case["algorithm"].split("+"))
    options = dict(case["model_kwargs"], policy_kwargs=case["policy_kwargs"], buffer_size=200)
    if isinstance(options.get("param_noise"), dict):
        options["param_noise"] = AdaptiveParamNoiseSpec(**options["param_noise"])
    if outer:
        env = BitFlippingEnv(4, continuous="continuous=True" in case["env"])
        model = outer[0](case["policy"], env, algorithm, **options)
    else:
        env = RandomEnv(space_from_dict(case["observation_space"]), space_from_dict(case["action_space"]))
        model = algorithm(case["policy"], env, **options)
    found = [[name, list(value.shape)] for name, value in model.get_parameters().items()]
    assert found == [variable[:2] for variable in case["variables"]]
    assert [f"{variable.path}:0" for variable in model.get_parameter_list()] == [name for name, _ in found]


# --------------------------------------------------------------------------------------------------------- exploration
class Recording(RandomEnv):
    def __init__(self):
        super().__init__(box(3), spaces.Box(LOW, HIGH))
        self.taken = []

    def step(self, action):
        self.taken.append(action)
        return super().step(action)


@each
def test_actions_are_stored_between_minus_one_and_one(name):
    single = Recording()
    model = make_off_policy(name, env=DummyVecEnv([lambda: single]), learning_starts=20)
    model.learn(40)
    stored = np.array([action for _, action, *_ in model.replay_buffer.storage])
    taken = np.array(single.taken)
    assert stored.dtype == np.float32 and np.abs(stored).max() <= 1
    np.testing.assert_allclose(taken, LOW + (stored + 1) / 2 * (HIGH - LOW), rtol=1e-6, atol=1e-6)
    assert stored[:20].std(axis=0).min() > 0.4  # evenly between the bounds, 0.58
    if name == "TD3":  # then the actor's: near zero with initial weights
        assert np.abs(stored[20:]).max() < 0.9 * np.abs(stored[:20]).max()


@each
def test_random_exploration(name):
    model = make_off_policy(name, random_exploration=0.25, learning_starts=0)
    model._noises, model.num_timesteps = [], 1
    model.policy_actions = lambda obs: np.full((len(obs), 2), 0.5, np.float32)
    obs = np.zeros((4000, 3), np.float32)
    actions, _ = model.explore(obs, np.zeros(4000, bool))
    random = (actions != 0.5).any(axis=1)
    assert abs(random.mean() - 0.25) < 0.03
    model.random_exploration = 1.0
    assert (model.explore(obs, np.zeros(4000, bool))[0] != 0.5).all()


class Counting(ActionNoise):
    """Gives the number of steps of its episode, in tenths."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def reset(self):
        self.steps = 0

    def __call__(self):
        self.steps += 1
        return np.array([0.1 * self.steps, -3.0])


@each
def test_each_environment_has_its_noise(name):
    noise = Counting()
    model = make_off_policy(name, env=off_policy_env(3, name=name), action_noise=noise, learning_starts=0)
    model.learn(3)  # starts the noise
    assert len(model._noises) == 3 and model._noises[0] is noise is not model._noises[1]
    model.policy_actions = lambda obs: np.zeros((len(obs), 2), np.float32)
    obs, none = np.zeros((3, 3), np.float32), np.zeros(3, bool)
    model.explore(obs, np.ones(3, bool))
    model.explore(obs, none)
    actions, _ = model.explore(obs, np.array([False, True, False]))
    np.testing.assert_allclose(actions, [[0.3, -1], [0.1, -1], [0.3, -1]], atol=1e-6)  # clipped at -1


@each
@pytest.mark.parametrize(
    "noise, fits",
    [
        (NormalActionNoise(np.zeros(2), np.ones(2)), True),
        (NormalActionNoise(0.0, 0.1), True),
        (OrnsteinUhlenbeckActionNoise(np.zeros(2), np.ones(2)), True),
        (NormalActionNoise(np.zeros(3), np.ones(3)), False),
        (NormalActionNoise(np.zeros((2, 2)), np.ones((2, 2))), False),
    ],
)
def test_shapes_of_noise(name, noise, fits):
    state = np.random.get_state()[1].copy()
    if fits:
        make_off_policy(name, action_noise=noise, _init_setup_model=False)._check_noise()
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # looking draws nothing
        return
    with pytest.raises(ValueError, match=r"action_noise gives noise of shape \(.*\), but actions have shape \(2,\)"):
        make_off_policy(name, action_noise=noise)
    model = make_off_policy(name)
    model.action_noise = noise
    with pytest.raises(ValueError, match="action_noise"):
        model.learn(5)


# ----------------------------------------------------------------------------------------------------------- bad input
@each
@pytest.mark.parametrize(
    "space, message",
    [
        (spaces.Discrete(3), "the action space must be a Box with one axis, not Discrete"),
        (box(2, 2), "the action space must be a Box with one axis"),
        (box(2, low=-np.inf, high=np.inf), "the bounds of the action space must be finite"),
    ],
)
def test_action_spaces(name, space, message):
    with pytest.raises(ValueError, match=message):
        make_off_policy(name, env=RandomEnv(box(3), space))


@each
@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(learning_rate=-1.0), ValueError, "learning_rate"),
        (dict(learning_rate="high"), ValueError, "learning_rate"),
        (dict(gradient_steps=-1), ValueError, "gradient_steps"),
        (dict(action_noise=0.1), TypeError, "action_noise must be an ActionNoise or None, not 0.1"),
        (dict(policy_kwargs=dict(layers=[])), ValueError, "layers: at least one"),
        (dict(policy_kwargs=dict(layers=[0])), ValueError, "layers: a layer size must be a positive integer"),
        (dict(policy_kwargs=dict(unknown=1)), ValueError, "unknown keyword arguments"),
    ],
)
def test_arguments(name, arguments, error, message):
    with pytest.raises(error, match=message):
        make_off_policy(name, **arguments)


@each
def test_a_reward_that_is_not_finite(name):
    class Broken(RandomEnv):
        def step(self, action):
            obs, _, *rest = super().step(action)
            return obs, np.nan, *rest

    model = make_off_policy(name, env=Broken(box(3), box(2)))
    with pytest.raises(ValueError, match="rewards must be finite"):
        model.learn(20)


@each
def test_weights_stay_when_a_step_fails(name):
    model = make_off_policy(name, learning_rate=lambda progress: 1.0 if progress > 0.5 else np.inf)
    with pytest.raises(FloatingPointError, match="is (nan|-?inf) in the update at step"):
        model.learn(40)
    assert all(np.isfinite(array).all() for array in model.get_parameters().values())


# ---------------------------------------------------------------------------------------------------------- prediction
@each
def test_prediction(name):
    model = make_off_policy(name)
    actions, state = model.predict(OBS)
    assert state is None and actions.shape == (5, 2) and actions.dtype == np.float32
    assert (actions >= LOW).all() and (actions <= HIGH).all()
    np.testing.assert_array_equal(model.predict(OBS)[0], actions)
    np.testing.assert_allclose(model.predict(OBS[2])[0], actions[2], rtol=1e-6)
    with pytest.raises(ValueError, match=r"observation has shape \(2,\)"):
        model.predict(np.zeros(2))


@each
def test_there_are_no_action_probabilities(name):
    model = make_off_policy(name)
    with pytest.warns(UserWarning, match=f"{name} has no distribution of actions"):
        assert model.action_probability(OBS) is None
    with pytest.raises(ValueError, match=f"actions: {name} has no probabilities"):
        model.action_probability(OBS, actions=np.zeros((5, 2)))


@each
def test_mirror_and_compiled_network_agree(name):
    for policy, options in (("MlpPolicy", dict(act_fun=tf.nn.elu)), ("LnMlpPolicy", dict(layers=[7, 5]))):
        model = make_off_policy(name, policy, policy_kwargs=options)
        network = model.policy_tf
        mirrored = network.act_outputs(OBS)
        assert not isinstance(network._actor, CompiledNetwork)
        network._actor = CompiledNetwork(network.with_weights, network.params, network.preprocessor.spec)
        np.testing.assert_allclose(network.act_outputs(OBS), mirrored, rtol=1e-5, atol=1e-6)


@each
def test_activations_that_only_tensorflow_knows(name):
    model = make_off_policy(name, policy_kwargs=dict(layers=[4], act_fun=lambda x: tf.sin(x)))
    model.learn(15)
    assert isinstance(model.policy_tf._actor, CompiledNetwork) and model.predict(OBS)[0].shape == (5, 2)


@each
def test_images(name):
    env = off_policy_env(2, observation_space=box(36, 36, 1, low=0, high=255, dtype=np.uint8), name=name)
    for policy in ("CnnPolicy", "LnCnnPolicy"):
        model = make_off_policy(name, policy, env=env, policy_kwargs=dict(layers=[6, 4]), train_freq=10)
        before = model.get_parameters()
        model.learn(10)
        changed = [key for key, array in model.get_parameters().items() if not np.array_equal(array, before[key])]
        assert any("c1/w" in key for key in changed) and any("fc1/kernel" in key for key in changed)
        assert model.policy_tf.preprocessor.tensor(np.full((1, 36, 36, 1), 255, np.uint8)).numpy().max() == 1.0


# -------------------------------------------------------------------------------------------------- steps, rates, logs
def test_numbers_of_gradient_steps():
    model = make_off_policy("SAC", train_freq=3, gradient_steps=2)
    model.num_timesteps = 9  # the ninth step, number 8, has just been taken
    assert model.step_numbers(2).tolist() == [8, 9]
    model.num_timesteps = 10  # two environments: two phases were due
    assert model.step_numbers(4).tolist() == [5, 6, 8, 9]


@each
def test_phases_of_large_images_come_in_parts(name, monkeypatch):
    def learn(n_bytes):
        monkeypatch.setattr("stable_baselines_tf2.models.off_policy.PHASE_BYTES", n_bytes)
        model = make_off_policy(name, learning_starts=0, train_freq=10, gradient_steps=5)
        parts, run = [], model.run_phase
        model.run_phase = lambda batches, variant: parts.append(batches) or run(batches, variant)
        model.learn(10)
        return model, parts

    fitting = 2 * 2 * 4 * 3 * 4  # two batches: observations before and after, 4 rows of 3 numbers of 4 bytes
    model, parts = learn(fitting)
    assert [len(part["rewards"]) for part in parts] == [2, 2, 1] and all(
        np.isfinite(list(model.last_statistics.values()))
    )
    assert [len(part["rewards"]) for part in learn(2**26)[1]] == [5]


@each
def test_learning_rates(name):
    model = make_off_policy(name, learning_rate=LinearFunction(1e-2), learning_starts=0, train_freq=1, gradient_steps=1)
    rates, update = [], model.update
    model.update = lambda batches, rate, variant: rates.append(rate) or update(batches, rate, variant)
    model.learn(10)
    np.testing.assert_allclose(rates, [1e-2 * (1 - step / 10) for step in range(3, 10)])  # the buffer has 4 by then


@each
def test_no_learning_rate_no_change(name):
    model = make_off_policy(name, learning_rate=0.0)
    before = model.get_parameters()
    model.learn(20)
    for key, array in model.get_parameters().items():  # averages of equal numbers may be rounded
        np.testing.assert_allclose(array, before[key], rtol=1e-6 if key.startswith("target/") else 0, err_msg=key)


@each
def test_several_environments(name):
    model = make_off_policy(name, env=off_policy_env(3, name=name), learning_starts=0, batch_size=1, train_freq=6)
    steps, run = [], model.run_phase
    model.run_phase = lambda batches, variant: steps.append(len(batches["rewards"])) or run(batches, variant)
    model.learn(12)
    assert steps == [model.gradient_steps] * 2 and len(model.replay_buffer) == 12


@each
def test_callback_locals(name):
    model, seen = make_off_policy(name), []
    model.learn(20, callback=lambda locals_, _: seen.append(dict(locals_)))
    last = seen[-1]
    np.testing.assert_allclose(last["unscaled_action"], LOW + (last["action"] + 1) / 2 * (HIGH - LOW), atol=1e-6)
    assert {"obs", "new_obs", "reward", "done", "info", "episode_rewards", "episode_successes"} <= set(last)
    assert seen[0]["n_updates"] == 0 and seen[0]["infos_values"] == [] and last["n_updates"] > 0
    assert last["current_lr"] == 3e-4 and np.isfinite(last["infos_values"]).all()


@each
def test_logs(name, tmp_path, capsys):
    model = make_off_policy(name, tensorboard_log=tmp_path, verbose=1)
    model.learn(60, log_interval=1)
    (path,) = tmp_path.glob(f"{name}_1/*")
    scalars = {}
    for step, tag, value in read_scalars(path):
        scalars.setdefault(tag, []).append((step, value))
    tags = {"policy_loss", "qf1_loss", "qf2_loss", "learning_rate"}
    if name == "SAC":
        tags |= {"value_loss", "entropy", "ent_coef_loss", "ent_coef"}
    assert {f"loss/{tag}" for tag in tags} <= set(scalars)
    assert scalars["loss/learning_rate"][0] == (10 if name == "TD3" else 8, pytest.approx(3e-4))
    table = capsys.readouterr().out
    for key in ("mean 100 episode reward", "n_updates", "current_lr", "time_elapsed", "total timesteps", "qf1_loss"):
        assert f"| {key} " in table


@each
def test_one_trace_for_many_phases(name):
    model = make_off_policy(name)
    model.learn(30)
    n = model.single_step_phase.n_traces + model.multi_step_phase.n_traces
    model.learning_rate = LinearFunction(1e-3)
    model.learn(20, reset_num_timesteps=False)
    model.learning_rate = 1e-5
    model.learn(20)
    assert model.single_step_phase.n_traces + model.multi_step_phase.n_traces == n == 1


# ------------------------------------------------------------------------------------------------------------ pretrain
class Demonstrations:
    """An expert that always takes the same action."""

    action = np.float32([0.8, 0.9])

    def __init__(self):
        obs = np.random.default_rng(0).normal(0, 1, (64, 3)).astype(np.float32)
        self.data = Dataset({"obs": obs, "actions": np.tile(self.action, (64, 1))})
        self.train_loader = self.val_loader = range(4)

    def get_next_batch(self, _):
        batch = self.data.next_batch(16)
        return batch["obs"], batch["actions"]


@each
def test_behaviour_cloning(name):
    model = make_off_policy(name)
    before, error = model.get_parameters(), np.abs(model.predict(OBS)[0] - Demonstrations.action).mean()
    model.pretrain(Demonstrations(), n_epochs=60, learning_rate=1e-2)
    assert np.abs(model.predict(OBS)[0] - Demonstrations.action).mean() < 0.1 * error
    changed = {key for key, array in model.get_parameters().items() if not np.array_equal(array, before[key])}
    assert changed and all(key.startswith("model/pi/") for key in changed)


# ------------------------------------------------------------------------------------------------------------ policies
def test_actor_of_ones_own():
    from stable_baselines_tf2.common.tf_layers import dense
    from stable_baselines_tf2.core.naming import variable_scope
    from stable_baselines_tf2.td3.policies import FeedForwardPolicy

    class Linear(FeedForwardPolicy):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, feature_extraction="mlp", **kwargs)

        def make_actor(self, obs=None, reuse=False, scope="pi"):
            with variable_scope(scope):
                return tf.tanh(dense(obs, "only", self.n_actions))

    model = make_off_policy("TD3", Linear)
    assert list(model.get_parameters())[:2] == ["model/pi/only/kernel:0", "model/pi/only/bias:0"]
    model.learn(20)
    weights = model.get_parameters()
    expected = np.tanh(OBS @ weights["model/pi/only/kernel:0"] + weights["model/pi/only/bias:0"])
    np.testing.assert_allclose(model.policy_tf.step(OBS), expected, atol=1e-6)


@each
def test_policies_are_registered_for_their_algorithm(name):
    with pytest.raises(ValueError, match="there are CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy"):
        make_off_policy(name, "MlpLstmPolicy")
    other = stable_baselines_tf2.sac if name == "TD3" else stable_baselines_tf2.td3
    with pytest.raises(ValueError, match="policy must be a name or a subclass"):
        make_off_policy(name, other.MlpPolicy)


@each
def test_a_real_environment(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_off_policy(name, env=gymnasium.make("Pendulum-v1"), buffer_size=1000)
        model.learn(210)
    obs, _ = model.env.env_method("reset", seed=0)[0] if hasattr(model.env, "env_method") else (model.env.reset(), {})
    assert model.predict(obs)[0].shape == (1,)
