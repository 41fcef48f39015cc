"""``demo``: the main job from end to end, on CartPole."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stable_baselines_tf2.cli import support

if TYPE_CHECKING:
    from stable_baselines_tf2.common.vec_env import VecEnv
    from stable_baselines_tf2.models.base import BaseRLModel

HELP = "train PPO2 on CartPole-v1 until it is solved, then evaluate, save and reload it"

ENV_ID = "CartPole-v1"
SOLVED = 475.0  # mean return over EVAL_EPISODES deterministic episodes, of at most 500
EVAL_EPISODES = 100
HYPERPARAMS: dict[str, Any] = {
    "n_steps": 32,
    "nminibatches": 1,
    "noptepochs": 20,
    "lam": 0.8,
    "gamma": 0.98,
    "ent_coef": 0.0,
    "learning_rate": 0.001,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--output", default="demo-output", metavar="DIR", help="folder for everything that is written")
    parser.add_argument("--seed", type=support.not_negative, default=0, help="seed of everything random")
    parser.add_argument("--n-envs", type=support.positive, default=8, help="environments side by side")
    parser.add_argument(
        "--n-timesteps", type=support.positive, default=200_000, metavar="STEPS", help="give up after so many steps"
    )


def run(args: argparse.Namespace) -> int:
    """Trains until solved and shows what came of it; returns 1 if it was not solved or the reloaded model differs."""
    algorithm = support.find_algorithm("ppo2")
    output = Path(args.output)
    with support.reported_as_usage():
        for folder in ("monitor", "tensorboard"):
            (output / folder).mkdir(parents=True, exist_ok=True)
    for log in (output / "monitor").glob("*.monitor.csv"):
        log.unlink()  # of an earlier run: the curve is of this one

    start = time.time()
    env = support.make_env(ENV_ID, args.n_envs, args.seed, {}, monitor_dir=str(output / "monitor"))
    model = algorithm("MlpPolicy", env, seed=args.seed, tensorboard_log=str(output / "tensorboard"), **HYPERPARAMS)
    eval_env = support.make_env(ENV_ID, 10, args.seed + 1000, {})
    mean, returns = train_until_solved(model, eval_env, args.n_timesteps)
    verdict, seconds = "solved" if mean >= SOLVED else "NOT solved", time.time() - start
    print(f"{verdict} after {model.num_timesteps} steps and {seconds:.0f} s: mean return {support.describe(returns)}")

    path = output / "ppo2_cartpole.zip"
    model.save(str(path))
    same = acts_the_same(model, algorithm.load(str(path)), eval_env)
    curve = output / "learning_curve.png"
    plot_learning_curve(output / "monitor", curve)
    env.close()
    eval_env.close()

    for name, file in (("model", path), ("learning curve", curve), ("episode logs", output / "monitor")):
        print(f"{name}: {file}")
    print(f"TensorBoard log: {output / 'tensorboard'} (tensorboard --logdir {output / 'tensorboard'})")
    return 0 if same and mean >= SOLVED else 1


def train_until_solved(model: BaseRLModel, eval_env: VecEnv, limit: int) -> tuple[float, list[float]]:
    """Trains until an evaluation solves the environment or the steps are used up.

    Returns:
        Mean and list of the last evaluation's episode returns.
    """
    import numpy as np

    from stable_baselines_tf2.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold

    n_envs = model.get_env().num_envs
    while True:
        # A few episodes say cheaply when the full evaluation is worth its time.
        probe = EvalCallback(
            eval_env,
            callback_on_new_best=StopTrainingOnRewardThreshold(SOLVED),
            n_eval_episodes=10,
            eval_freq=max(1, 4096 // n_envs),
            verbose=0,
        )
        first = model.num_timesteps == 0
        model.learn(limit - model.num_timesteps, callback=probe, reset_num_timesteps=first, progress_bar=True)
        returns = support.evaluate(model, eval_env, EVAL_EPISODES)
        mean = float(np.mean(returns))
        if mean >= SOLVED or model.num_timesteps >= limit:
            return mean, returns


def acts_the_same(model: BaseRLModel, loaded: BaseRLModel, env: VecEnv, n_steps: int = 100) -> bool:
    """Compares actions and probabilities of two models on what the first one sees, and prints the outcome."""
    import numpy as np

    observations = [env.reset()]
    for _ in range(n_steps - 1):
        action, _ = model.predict(observations[-1])  # sampled, to see more than the best path
        observations.append(env.step(action)[0])
    batch = np.concatenate(observations)
    same = np.array_equal(model.predict(batch, deterministic=True)[0], loaded.predict(batch, deterministic=True)[0])
    same = same and np.array_equal(model.action_probability(batch), loaded.action_probability(batch))
    print(f"the reloaded model acts {'the same' if same else 'DIFFERENTLY'} on {len(batch)} observations")
    return same


def plot_learning_curve(monitor_dir: Path, path: Path) -> None:
    """Draws the returns of the training episodes against the number of steps."""
    with support.reported_as_usage():
        from stable_baselines_tf2 import results_plotter

        pyplot = support.require("matplotlib.pyplot", "plots")
        results_plotter.plot_results([str(monitor_dir)], None, results_plotter.X_TIMESTEPS, f"PPO2 on {ENV_ID}")
    pyplot.gcf().set_size_inches(8, 4)
    pyplot.tight_layout()
    pyplot.savefig(path, dpi=120)
    pyplot.close()
