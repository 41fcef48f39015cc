import sys
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from stable_baselines_tf2.common import atari_wrappers as lib


class Game(gymnasium.Env):
    """Frames that show the number of the step, with a life lost every 5 steps and 3 lives."""

    def __init__(self, meanings=("NOOP", "FIRE", "UP"), length=15):
        self.observation_space = spaces.Box(0, 255, (6, 5, 3), np.uint8)
        self.action_space = spaces.Discrete(len(meanings))
        self.ale = SimpleNamespace(lives=lambda: 3 - self.t // 5)
        self.meanings, self.length, self.t, self.resets, self.seeds = list(meanings), length, 0, 0, []

    def get_action_meanings(self):
        return self.meanings

    def _frame(self):
        return np.full((6, 5, 3), self.t, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.t, self.resets = 0, self.resets + 1
        return self._frame(), {}

    def step(self, action):
        self.t += 1
        return self._frame(), 2.0 * action - 2, self.t >= self.length, False, {}


def test_noops_are_between_one_and_the_maximum_and_follow_the_seed():
    env = lib.NoopResetEnv(Game(), noop_max=4)
    counts = [env.reset(seed=seed)[0].max() for seed in range(60)]
    assert set(counts) == {1, 2, 3, 4}
    assert counts == [env.reset(seed=seed)[0].max() for seed in range(60)]
    env.override_num_noops = 7
    assert env.reset()[0].max() == 7
    env.override_num_noops = 16  # one more than an episode has steps
    assert env.reset(seed=9)[0].max() == 1
    assert env.unwrapped.seeds[-2:] == [9, None]


def test_fire_reset_starts_the_game():
    env = lib.FireResetEnv(Game())
    assert env.reset(seed=1)[0].max() == 2
    short = lib.FireResetEnv(Game(length=2))
    assert (short.reset()[0].max(), short.unwrapped.resets) == (0, 2)  # over at the second step: shows the new game


def test_games_without_the_needed_actions():
    for make, meanings in (
        (lib.NoopResetEnv, ["FIRE"]),
        (lib.FireResetEnv, ["NOOP", "UP", "FIRE"]),
        (lib.FireResetEnv, ["NOOP", "FIRE"]),
    ):
        with pytest.raises(ValueError, match="action"):
            make(Game(meanings))


def test_bad_numbers():
    with pytest.raises(ValueError, match="noop_max"):
        lib.NoopResetEnv(Game(), 0)
    with pytest.raises(ValueError, match="skip"):
        lib.MaxAndSkipEnv(Game(), 0)


def test_episodic_life():
    env = lib.EpisodicLifeEnv(Game())
    env.reset()
    ends = [env.step(0)[2] for _ in range(5)]
    assert ends == [False] * 4 + [True]
    assert not env.was_real_done
    assert (env.reset()[0].max(), env.unwrapped.resets) == (6, 1)  # the same game goes on
    while not env.was_real_done:
        env.step(0)
    assert (env.reset()[0].max(), env.unwrapped.resets) == (0, 2)
    env.step(0)
    env.reset()
    assert env.unwrapped.resets == 2
    env.reset(seed=5)
    assert (env.unwrapped.resets, env.unwrapped.seeds[-1]) == (3, 5)


def test_a_game_that_ends_right_after_the_loss_of_a_life_is_restarted():
    env = lib.EpisodicLifeEnv(Game(length=6))
    env.reset()
    for _ in range(5):
        env.step(0)
    assert (env.reset()[0].max(), env.unwrapped.resets) == (0, 2)


def test_max_and_skip():
    env = lib.MaxAndSkipEnv(Game(), skip=4)
    env.reset()
    obs, reward, terminated, _, _ = env.step(2)
    assert (obs.max(), reward, terminated) == (4, 8.0, False)
    for _ in range(3):
        obs, reward, terminated, _, _ = env.step(0)
    assert (reward, terminated) == (-6.0, True)
    flicker = lib.MaxAndSkipEnv(Game(), skip=2)
    flicker.env._frame = lambda: np.eye(6, 5, dtype=np.uint8)[:, :, None].repeat(3, 2) * (flicker.env.t % 2)
    flicker.reset()
    assert flicker.step(0)[0].sum() == 15
    single = lib.MaxAndSkipEnv(Game(), skip=1)
    single.reset()
    assert [single.step(0)[0].max() for _ in range(3)] == [1, 2, 3]


def test_clip_reward():
    env = lib.ClipRewardEnv(Game())
    env.reset()
    assert [env.step(action)[1] for action in (0, 1, 2)] == [-1.0, 0.0, 1.0]


def test_warp_frame():
    env = lib.WarpFrame(Game())
    obs, _ = env.reset()
    assert obs.shape == env.observation_space.shape == (84, 84, 1)
    assert obs.dtype == np.uint8 and (env.step(0)[0] == 1).all()
    frame = np.zeros((168, 168, 3), np.uint8)
    frame[:84, :84] = [255, 0, 0]
    warped = env.observation(frame)
    assert (warped[:42, :42] == 76).all() and (warped[42:] == 0).all()  # 0.299 * 255


def test_opencv_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"stable-baselines-tf2\[atari\]"):
        lib.WarpFrame(Game())


def test_frame_stack():
    env = lib.FrameStack(Game(), 3)
    obs, _ = env.reset()
    assert env.observation_space.shape == (6, 5, 9)
    assert isinstance(obs, lib.LazyFrames) and np.asarray(obs).max() == 0
    env.step(0)
    obs = env.step(0)[0]
    array = np.asarray(obs)
    assert array.dtype == np.uint8 and array.shape == (6, 5, 9) and len(obs) == 6
    assert array[0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert obs[0].shape == (5, 9) and np.array(obs, dtype=np.float32).dtype == np.float32
    assert obs._frames[1] is env.frames[1]


def test_scaled_float_frame():
    env = lib.ScaledFloatFrame(Game())
    env.reset()
    obs = env.step(0)[0]
    assert obs.dtype == np.float32 and env.observation_space.contains(obs)
    np.testing.assert_allclose(obs, 1 / 255)


def test_wrap_deepmind():
    def layers(env):
        while isinstance(env, gymnasium.Wrapper):
            yield type(env).__name__
            env = env.env

    full = lib.wrap_deepmind(Game(), frame_stack=True, scale=True)
    everything = ["FrameStack", "ClipRewardEnv", "ScaledFloatFrame", "WarpFrame", "FireResetEnv", "EpisodicLifeEnv"]
    assert list(layers(full)) == everything
    plain = lib.wrap_deepmind(Game(["NOOP", "UP"]), episode_life=False, clip_rewards=False)
    assert list(layers(plain)) == ["WarpFrame"]
    obs, _ = full.reset(seed=0)
    assert np.asarray(obs).shape == (84, 84, 4)


def test_make_atari_needs_a_version_without_frame_skip():
    for env_id in ("ALE/Pong-v5", "CartPole-v1"):
        with pytest.raises(ValueError, match="NoFrameskip"):
            lib.make_atari(env_id)


def test_a_real_game():
    pytest.importorskip("ale_py")
    env = lib.wrap_deepmind(lib.make_atari("PongNoFrameskip-v4"), frame_stack=True)
    first = np.asarray(env.reset(seed=3)[0])
    trace = [np.asarray(env.step(k % 6)[0]).sum() for k in range(10)]
    again = np.asarray(env.reset(seed=3)[0])
    np.testing.assert_array_equal(first, again)
    assert trace == [np.asarray(env.step(k % 6)[0]).sum() for k in range(10)]
    assert first.shape == (84, 84, 4) and first.std() > 0
    env.close()
