"""``train``: any algorithm on any environment."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from stable_baselines_tf2.cli import support

HELP = "train an algorithm on an environment, evaluate it and save it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    support.add_agent_arguments(parser)
    parser.add_argument(
        "-n", "--n-timesteps", required=True, type=support.positive, metavar="STEPS", help="environment steps"
    )
    parser.add_argument("--policy", default="MlpPolicy", help="name of the policy")
    parser.add_argument(
        "--hyperparams",
        nargs="+",
        type=support.key_value,
        default=[],
        metavar="KEY:VALUE",
        help="arguments of the algorithm, e.g. gamma:0.98 lr_schedule:linear policy_kwargs:\"{'net_arch': [64]}\"",
    )
    parser.add_argument("--n-envs", type=support.positive, default=1, help="environments side by side")
    parser.add_argument("--subprocess", action="store_true", help="give each environment a process")
    parser.add_argument("--vec-normalize", action="store_true", help="normalize observations and rewards")
    parser.add_argument("--monitor-dir", metavar="DIR", help="folder for the episode logs")
    parser.add_argument("--tensorboard-log", metavar="DIR", help="folder for TensorBoard")
    parser.add_argument("--log-interval", type=support.positive, default=100, help="updates between two log tables")
    parser.add_argument("--progress-bar", action="store_true", help="show a progress bar instead of log tables")
    parser.add_argument("--save", metavar="PATH", help="where to save the model")
    parser.add_argument(
        "--eval-episodes", type=support.not_negative, default=20, help="deterministic episodes after training"
    )


def run(args: argparse.Namespace) -> int:
    """Trains, evaluates, saves."""
    from stable_baselines_tf2.common.vec_env import VecNormalize, sync_envs_normalization

    algorithm = support.find_algorithm(args.algo)
    hyperparams, env_kwargs = dict(args.hyperparams), dict(args.env_kwargs)
    support.check_hyperparams(algorithm, hyperparams)
    with support.reported_as_usage():
        for folder in (args.save and Path(args.save).parent, args.monitor_dir):
            if folder:
                Path(folder).mkdir(parents=True, exist_ok=True)

    env = support.make_env(
        args.env, args.n_envs, args.seed, env_kwargs, subprocess=args.subprocess, monitor_dir=args.monitor_dir
    )
    normalizer = VecNormalize(env) if args.vec_normalize else None
    env = normalizer or env
    defaults = {"seed": args.seed, "verbose": 0 if args.progress_bar else 1}
    if args.tensorboard_log:
        defaults["tensorboard_log"] = args.tensorboard_log
    with support.reported_as_usage():
        model = algorithm(args.policy, env, **(defaults | hyperparams))
    model.learn(args.n_timesteps, log_interval=args.log_interval, progress_bar=args.progress_bar)

    if args.save:
        model.save(args.save)
        print(f"model: {args.save.removesuffix('.zip')}.zip")
        if normalizer:
            normalizer.save(str(support.normalization_path(args.save)))
            print(f"observation averages: {support.normalization_path(args.save)}")
    if args.eval_episodes:
        eval_env = support.make_env(args.env, 1, None if args.seed is None else args.seed + 1000, env_kwargs)
        if normalizer:
            eval_env = VecNormalize(eval_env, training=False, norm_reward=False)
            sync_envs_normalization(env, eval_env)
        returns = (value for value in support.play(model, eval_env) if value is not None)
        print(f"mean return: {support.describe(itertools.islice(returns, args.eval_episodes))}")
        eval_env.close()
    env.close()
    return 0
