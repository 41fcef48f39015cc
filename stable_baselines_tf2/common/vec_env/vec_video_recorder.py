"""Videos of environments at work."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from stable_baselines_tf2.common.vec_env.base_vec_env import StepResult, VecEnv, VecEnvWrapper
from stable_baselines_tf2.core.optional import require


class VecVideoRecorder(VecEnvWrapper):
    """Records what the environments show as mp4 files. It needs the extra ``video``.

    A video starts at every `reset` and whenever the trigger says so, is ``video_length`` steps long, and is named
    ``<name_prefix>-step-<first>-to-step-<last>.mp4``. All environments appear in it side by side.

    Args:
        venv: the environments; they must offer ``render(mode="rgb_array")``.
        video_folder: where to put the videos; made if needed.
        record_video_trigger: gets the number of steps so far and says whether to start a video.
        video_length: length of a video in steps.
        name_prefix: start of the file names.
    """

    def __init__(
        self,
        venv: VecEnv,
        video_folder: str,
        record_video_trigger: Callable[[int], bool],
        video_length: int = 200,
        name_prefix: str = "rl-video",
    ):
        super().__init__(venv)
        self.env = venv
        self.metadata = venv.unwrapped.metadata
        self.record_video_trigger = record_video_trigger
        self.video_folder = os.path.abspath(video_folder)
        self.video_length = video_length
        self.name_prefix = name_prefix
        self.video_recorder: Any = None
        self.step_id = 0
        self.recording = False
        self.recorded_frames = 0
        os.makedirs(self.video_folder, exist_ok=True)

    def reset(self) -> Any:
        obs = self.venv.reset()
        self.start_video_recorder()
        return obs

    def step_wait(self) -> StepResult:
        result = self.venv.step_wait()
        self.step_id += 1
        if self.recording:
            self._capture()
            if self.recorded_frames > self.video_length:
                self.close_video_recorder()
        elif self.record_video_trigger(self.step_id):
            self.start_video_recorder()
        return result

    def start_video_recorder(self) -> None:
        """Starts a video, after finishing the one that may be under way."""
        self.close_video_recorder()
        self.recording = True
        self._capture()

    def close_video_recorder(self) -> None:
        """Finishes the video that is under way, if there is one."""
        recorder, self.video_recorder = self.video_recorder, None
        self.recording = False
        self.recorded_frames = 0
        if recorder is not None:
            recorder.close()

    def close(self) -> None:
        self.close_video_recorder()
        super().close()

    def __del__(self) -> None:
        if self.__dict__.get("video_recorder") is not None:
            self.close_video_recorder()

    def _capture(self) -> None:
        frame = self.venv.render(mode="rgb_array")
        if frame is None:
            self.recording = False
            raise ValueError(f"{self.venv} shows nothing; make its environments with render_mode='rgb_array'")
        if self.video_recorder is None:
            writer = require("moviepy.video.io.ffmpeg_writer", "video").FFMPEG_VideoWriter
            name = f"{self.name_prefix}-step-{self.step_id}-to-step-{self.step_id + self.video_length}.mp4"
            fps = self.metadata.get("render_fps") or self.metadata.get("video.frames_per_second") or 30
            height, width = frame.shape[:2]
            self.video_recorder = writer(os.path.join(self.video_folder, name), (width, height), fps)
        self.video_recorder.write_frame(frame)
        self.recorded_frames += 1
