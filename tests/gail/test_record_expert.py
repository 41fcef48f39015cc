"""Recording an expert, and learning from it by imitation."""

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2 import PPO2
from stable_baselines_tf2.common.vec_env import DummyVecEnv
from stable_baselines_tf2.gail import ExpertDataset, generate_expert_traj


class Corridor(gymnasium.Env):
    """Four steps; the observation counts them, the reward is the action."""

    def __init__(self, space=None):
        self.observation_space = space or gymnasium.spaces.Box(0, 10, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3)

    def _obs(self):
        return np.full(self.observation_space.shape, self.t, self.observation_space.dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._obs(), {}

    def step(self, action):
        self.t += 1
        return self._obs(), float(action), self.t == 4, False, {}


def expert(obs):
    """Walks 0, 1, 2, 0."""
    return np.asarray(obs).astype(int)[..., 0] % 3


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_function_is_recorded(tmp_path, vectorized):
    env = DummyVecEnv([Corridor]) if vectorized else Corridor()
    data = generate_expert_traj(expert, tmp_path / "expert", env=env, n_episodes=2)
    np.testing.assert_array_equal(data["obs"][:, 0], [0, 1, 2, 3] * 2)
    np.testing.assert_array_equal(data["actions"], np.array([0, 1, 2, 0] * 2)[:, None])
    rewards = np.array([0, 1, 2, 0] * 2)  # of vectorized environments with their axis, as in the original
    np.testing.assert_array_equal(data["rewards"], rewards[:, None] if vectorized else rewards)
    assert data["rewards"].dtype == (np.float32 if vectorized else np.float64)
    np.testing.assert_array_equal(data["episode_returns"], [3, 3])
    np.testing.assert_array_equal(np.flatnonzero(data["episode_starts"]), [0, 4])
    assert ExpertDataset(tmp_path / "expert.npz", verbose=0).num_transition == 8


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_a_model_is_recorded(policy):
    model = PPO2(policy, Corridor(), n_steps=8, nminibatches=1, seed=0, policy_kwargs={})
    data = generate_expert_traj(model, n_timesteps=8, n_episodes=3)
    assert model.num_timesteps == 8
    assert (data["obs"].shape, data["actions"].shape, data["episode_returns"].shape) == ((12, 1), (12, 1), (3,))
    np.testing.assert_array_equal(data["rewards"], data["actions"])


def test_only_the_first_of_several_environments_is_recorded():
    env = DummyVecEnv([Corridor] * 2)
    with pytest.warns(UserWarning, match="only the first of the 2"):
        data = generate_expert_traj(lambda obs: np.array([1, 2]), env=env, n_episodes=1)
    np.testing.assert_array_equal(data["actions"][:, 0], [1] * 4)


@pytest.mark.parametrize(("channels", "kind"), [(1, "jpg"), (3, "jpg"), (4, "png"), (5, None)])
def test_images_go_to_files(tmp_path, channels, kind):
    pytest.importorskip("cv2")
    env = Corridor(gymnasium.spaces.Box(0, 255, (8, 6, channels), np.uint8))
    arguments = {"env": env, "n_episodes": 1}

    def act(obs):
        return 0

    if kind is None:
        with pytest.warns(UserWarning, match="5 channels"):
            data = generate_expert_traj(act, tmp_path / "expert", **arguments)
        assert data["obs"].shape == (4, 8, 6, 5)
        return
    data = generate_expert_traj(act, tmp_path / "expert", **arguments)
    assert data["obs"].tolist() == [str(tmp_path / "recorded_images" / f"{i}.{kind}") for i in range(4)]
    dataset = ExpertDataset(tmp_path / "expert.npz", train_fraction=0.5, batch_size=2, verbose=0)
    images = np.concatenate([dataset.get_next_batch("train")[0], dataset.get_next_batch("val")[0]])
    assert images.shape == (4, 8, 6, channels)
    np.testing.assert_allclose(np.sort(images[:, 0, 0, 0]), [0, 1, 2, 3])
    with pytest.warns(UserWarning, match="save_path is None"):
        assert generate_expert_traj(act, **arguments)["obs"].shape == (4, 8, 6, channels)


def test_what_cannot_be_recorded(tmp_path):
    with pytest.raises(ValueError, match="env: the model has no environment"):
        generate_expert_traj(expert)
    with pytest.raises(ValueError, match="model must be"):
        generate_expert_traj("expert", env=Corridor())
    with pytest.raises(ValueError, match="n_episodes"):
        generate_expert_traj(expert, env=Corridor(), n_episodes=0)
    with pytest.raises(ValueError, match="observation space must be"):
        generate_expert_traj(expert, env=Corridor(gymnasium.spaces.MultiBinary(2)))


def test_behaviour_cloning_learns_the_expert_by_heart(capsys):
    data = generate_expert_traj(expert, env=Corridor(), n_episodes=30)
    model = PPO2("MlpPolicy", Corridor(), seed=0, verbose=1)
    model.pretrain(ExpertDataset(traj_data=data, verbose=0), n_epochs=60, learning_rate=1e-2)
    actions, _ = model.predict(np.arange(4, dtype=np.float32)[:, None], deterministic=True)
    np.testing.assert_array_equal(actions, [0, 1, 2, 0])
    assert "epoch 60 of 60" in capsys.readouterr().out


def test_data_of_other_spaces_are_refused():
    data = generate_expert_traj(expert, env=Corridor(), n_episodes=5)
    for space, action_space, message in [
        (gymnasium.spaces.Box(0, 10, (2,), np.float32), None, "observations have the shape"),
        (None, gymnasium.spaces.Discrete(2), "actions from 0 to 2"),
        (None, gymnasium.spaces.Box(-1, 1, (3,), np.float32), "actions have the shape"),
    ]:
        env = Corridor(space)
        env.action_space = action_space or env.action_space
        model = PPO2("MlpPolicy", env, seed=0)
        before = model.get_parameters()
        dataset = ExpertDataset(traj_data=data, batch_size=20, verbose=0)
        with pytest.raises(ValueError, match=message):
            model.pretrain(dataset, n_epochs=1)
        for name, array in model.get_parameters().items():
            np.testing.assert_array_equal(array, before[name])
