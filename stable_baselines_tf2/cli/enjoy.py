"""``enjoy``: watch a saved model act."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from stable_baselines_tf2.cli import support

HELP = "let a saved model act, show or record it and print its returns"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    support.add_agent_arguments(parser)
    parser.add_argument("--load", required=True, metavar="PATH", help="the saved model")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--episodes", type=support.positive, default=10, help="episodes to play")
    length.add_argument("-n", "--n-timesteps", type=support.positive, metavar="STEPS", help="steps to play instead")
    parser.add_argument(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="take the most likely action, or sample it",
    )
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--render", action="store_true", help="show a window")
    view.add_argument("--video", metavar="DIR", help="folder for a video")
    parser.add_argument(
        "--video-length", type=support.positive, default=1000, metavar="STEPS", help="steps that are recorded"
    )


def run(args: argparse.Namespace) -> int:
    """Plays and prints one line per episode."""
    from stable_baselines_tf2.common.vec_env import VecNormalize, VecVideoRecorder
    from stable_baselines_tf2.envs.spaces import spaces_equal

    algorithm = support.find_algorithm(args.algo)
    with support.reported_as_usage():
        model = algorithm.load(args.load, verbose=0)
    if args.seed is not None:
        model.set_random_seed(args.seed)
    render_mode = "human" if args.render else "rgb_array" if args.video else None
    env = support.make_env(
        args.env, 1, args.seed, dict(args.env_kwargs, **({"render_mode": render_mode} if render_mode else {}))
    )
    for kind in ("observation", "action"):
        trained, here = getattr(model, f"{kind}_space"), getattr(env, f"{kind}_space")
        if not spaces_equal(trained, here, bounds=kind == "action"):
            raise support.UsageError(f"{args.load} was trained with {kind} space {trained}, {args.env} has {here}")
    averages = support.normalization_path(args.load)
    with support.reported_as_usage():
        if averages.exists():
            normalizer = VecNormalize.load(str(averages), env)
            normalizer.training = normalizer.norm_reward = False
            env = normalizer
            print(f"observations normalized by {averages}")
        if args.video:
            os.makedirs(args.video, exist_ok=True)
            env = VecVideoRecorder(
                env, args.video, record_video_trigger=lambda step: step == 0, video_length=args.video_length
            )

    returns: list[float] = []
    for step, episode_return in enumerate(
        support.play(model, env, deterministic=args.deterministic, render=args.render), start=1
    ):
        if episode_return is not None:
            returns.append(episode_return)
            print(f"episode {len(returns)}: return {episode_return:.1f}, ended at step {step}")
        if step == args.n_timesteps or (not args.n_timesteps and len(returns) == args.episodes):
            break
    env.close()
    if returns:
        print(f"mean return: {support.describe(returns)}")
    for video in sorted(Path(args.video).glob("*.mp4")) if args.video else ():
        print(f"video: {video}")
    return 0
