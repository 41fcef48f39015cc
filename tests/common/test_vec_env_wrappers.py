"""VecFrameStack, VecCheckNan and VecVideoRecorder."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest

from stable_baselines_tf2.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecNormalize,
    VecVideoRecorder,
)
from tests.common.vec_env_cases import Counter, DictCounter, NotANumber


def venv(n=2, cls=Counter, **kwargs):
    return DummyVecEnv([lambda start=start: cls(start, **kwargs) for start in range(n)])


def test_frame_stack():
    env = VecFrameStack(venv(1), 3)
    assert env.observation_space.shape == (9,) and env.observation_space.low[0] == -1e6
    first = env.reset()
    assert first.tolist() == [[0] * 6 + [0, -1, -1]]
    second = env.step([3])[0]
    assert second.tolist() == [[0, 0, 0, 0, -1, -1, 1, 3, -1]]
    env.step([1])
    after, _, dones, infos = env.step([2])
    assert dones[0] and after.tolist() == [[0] * 6 + [0, -1, -1]]
    assert infos[0]["terminal_observation"].tolist() == [1, 3, -1, 2, 1, -1, 3, 2, -1]
    assert second.tolist() == [[0, 0, 0, 0, -1, -1, 1, 3, -1]]
    env.reset()
    assert after.tolist() == [[0] * 6 + [0, -1, -1]]


def test_frame_stack_refuses():
    with pytest.raises(TypeError, match="Box"):
        VecFrameStack(venv(cls=DictCounter), 2)
    with pytest.raises(ValueError, match="n_stack"):
        VecFrameStack(venv(), 0)


def test_nan_of_one_environment():
    env = VecCheckNan(DummyVecEnv([Counter, NotANumber, Counter]), raise_exception=True)
    env.reset()
    env.step([0, 0, 0])
    found = "found nan in observations of environment 1, found nan in rewards of environment 1"
    with pytest.raises(ValueError, match=rf"^{found}\. It came from the environment; its last actions were"):
        env.step([0, 3, 0])


@pytest.mark.parametrize("check_inf", [True, False])
def test_infinite_action(check_inf):
    class Continuous(Counter):
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    env = VecCheckNan(DummyVecEnv([Continuous] * 2), raise_exception=True, check_inf=check_inf)
    env.reset()
    actions = np.array([[0, np.inf], [np.nan, 0]], np.float32)
    found = "found nan in actions of environment 1" + (", found inf in actions of environment 0" if check_inf else "")
    with pytest.raises(ValueError, match=f"^{found}. It came from the model"):
        env.step(actions)


def test_warnings():
    env = VecCheckNan(venv(1, NotANumber, length=9), warn_once=False)
    env.reset()
    env.step([0])
    with pytest.warns(UserWarning, match="environment 0"):
        env.step([0])
    env.reset()
    env.step([0])
    with pytest.warns(UserWarning, match="environment 0"):
        env.step([0])
    env = VecCheckNan(env.venv)
    with pytest.warns(UserWarning):
        env.reset(), env.step([0]), env.step([0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset(), env.step([0]), env.step([0])


def test_clean_values_and_dicts_pass():
    env = VecCheckNan(venv(cls=DictCounter), raise_exception=True)
    env.reset()
    assert env.step([0, 1])[1].tolist() == [0, 1]
    assert env._findings("obs", {"x": np.array([[0.0], [np.inf]])}) == ["found inf in obs['x'] of environment 1"]
    large = np.full((2, 2), np.finfo(np.float32).max, np.float32)
    with np.errstate(over="ignore"):
        assert env._findings("obs", large) == []  # the sum overflows, the numbers are fine


def frames(path):
    reader = pytest.importorskip("moviepy.video.io.ffmpeg_reader").FFMPEG_VideoReader(str(path))
    infos, first = reader.infos, reader.read_frame()
    reader.close()
    return infos, first


def test_video(tmp_path):
    pytest.importorskip("moviepy")
    env = DummyVecEnv([lambda: gymnasium.make("CartPole-v1", render_mode="rgb_array")] * 2)
    env = VecVideoRecorder(
        VecNormalize(env), str(tmp_path / "videos"), lambda step: step == 8, video_length=4, name_prefix="cart"
    )
    env.reset()
    for _ in range(10):
        env.step([0, 1])
    env.close()
    env.close()
    videos = sorted((tmp_path / "videos").iterdir())
    assert [video.name for video in videos] == ["cart-step-0-to-step-4.mp4", "cart-step-8-to-step-12.mp4"]
    for video, number in zip(videos, (5, 3), strict=True):
        infos, first = frames(video)
        assert infos["video_size"] == [600, 800] and infos["video_fps"] == 50 and first.std() > 1
        assert infos["video_n_frames"] == number


def test_video_restarts_at_reset_and_needs_images(tmp_path):
    pytest.importorskip("moviepy")
    shown = venv(1, length=9, render_mode="rgb_array")
    env = VecVideoRecorder(shown, str(tmp_path), lambda step: False, video_length=50)
    env.reset()
    env.step([0]), env.step([0])
    env.reset()
    env.close_video_recorder()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "rl-video-step-0-to-step-50.mp4",
        "rl-video-step-2-to-step-52.mp4",
    ]
    with pytest.raises(ValueError, match="rgb_array"):
        VecVideoRecorder(venv(1, render_mode="human"), str(tmp_path), lambda step: False).reset()
