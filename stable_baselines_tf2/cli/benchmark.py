"""``benchmark``: how well the algorithms learn, next to what the original library reached on the same tasks."""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stable_baselines_tf2.cli import support

HELP = "train the tasks of a file over several seeds and compare the returns with the original's"

SHORT_NAMES = {"CartPole": "CartPole-v1", "Pendulum": "Pendulum-v1", "LunarLander": "LunarLander-v3"}
REQUIRED = {"id", "algorithm", "env", "n_envs", "steps", "kwargs"}
EVAL_EPISODES = 20
MAX_EPISODES_KEPT = 400
EVALUATIONS = ("deterministic", "stochastic")

Task = dict[str, Any]
Line = dict[str, Any]  # one training run: what is written to the results file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--tasks", required=True, metavar="FILE", help="JSON file with the tasks")
    parser.add_argument("--original", metavar="FILE", help="JSON lines with the original's results")
    parser.add_argument("--out", default="results.jsonl", metavar="FILE", help="JSON lines to append results to")
    parser.add_argument("--only", nargs="+", metavar="ID", help="ids of the tasks to run; all by default")
    parser.add_argument(
        "--seeds", nargs="+", type=support.not_negative, default=[0, 1, 2], metavar="SEED", help="seeds"
    )
    parser.add_argument("--jobs", type=support.positive, default=1, help="runs at the same time")
    parser.add_argument("--report", action="store_true", help="train nothing: print the table of what --out holds")


def run(args: argparse.Namespace) -> int:
    """Trains, writes and compares; returns 1 when a task is worse than the original or has no result."""
    tasks = read_tasks(args.tasks, args.only)
    original = read_results(args.original) if args.original else []
    with support.reported_as_usage():
        Path(args.out).touch()
    if not args.report:
        train_all(tasks, args.seeds, args.jobs, args.out)
    return print_table(tasks, read_results(args.out), original)


def read_tasks(path: str, only: list[str] | None) -> list[Task]:
    """Reads and checks a tasks file."""
    with support.reported_as_usage():
        tasks = json.loads(Path(path).read_text())["tasks"]
        for task in tasks:
            if missing := REQUIRED - set(task):
                raise ValueError(f"{path}: task {task.get('id', task)} has no {', '.join(sorted(missing))}")
    ids = [task["id"] for task in tasks]
    if unknown := set(only or ()) - set(ids):
        raise support.UsageError(f"{path} has no task {', '.join(sorted(unknown))}; it has {', '.join(ids)}")
    return [task for task in tasks if not only or task["id"] in only]


def read_results(path: str) -> list[Line]:
    """Reads a results file; of several runs of one task and seed the last counts."""
    with support.reported_as_usage():
        lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
        return list({(line["task"], line["seed"]): line for line in lines}.values())


def train_all(tasks: list[Task], seeds: list[int], jobs: int, out: str) -> None:
    """Trains every task with every seed, each in a process of its own, and appends the results as they come."""
    runs: list[tuple[Task, int]] = []
    for task in tasks:
        try:
            support.find_algorithm(task["algorithm"])
        except support.UsageError as error:
            print(f"{task['id']}: {error}")
        else:
            runs += [(task, seed) for seed in seeds]
    # A fresh interpreter for each run: none inherits the compiled functions, threads or random state of another.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool, open(out, "a") as file:
        for line in pool.imap_unordered(_train, runs, chunksize=1):
            file.write(json.dumps(line) + "\n")
            file.flush()
            means = ", ".join(f"{name} {_mean(line[name]):.1f}" for name in EVALUATIONS)
            print(f"{line['task']} seed {line['seed']}: {means}, {line['seconds']:.0f} s", flush=True)


def _train(run: tuple[Task, int]) -> Line:
    return train_task(*run)


def train_task(task: Task, seed: int) -> Line:
    """Trains and evaluates one task with one seed.

    Returns:
        ``task``, ``seed``, ``steps``, ``seconds`` of training, the returns of the ``deterministic`` and ``stochastic``
        evaluation episodes, and of the training ``episodes`` as ``[step, return]``, thinned to a few hundred.
    """
    import numpy as np

    algorithm = support.find_algorithm(task["algorithm"])
    env_id = SHORT_NAMES.get(str(task["env"]), str(task["env"]))
    env = support.make_env(env_id, task["n_envs"], seed * 100, {})
    kwargs = dict(task["kwargs"])
    if "noise" in kwargs:
        from stable_baselines_tf2.common.noise import NormalActionNoise

        size = env.action_space.shape or ()
        kwargs["action_noise"] = NormalActionNoise(np.zeros(size), kwargs.pop("noise") * np.ones(size))
    model = algorithm(task.get("policy", "MlpPolicy"), env, seed=seed, n_cpu_tf_sess=1, **kwargs)

    start = time.time()
    model.learn(task["steps"])
    seconds = time.time() - start
    line: Line = {"task": task["id"], "seed": seed, "steps": task["steps"], "seconds": round(seconds, 1)}
    for offset, name in zip((1000, 2000), EVALUATIONS, strict=True):
        eval_env = support.make_env(env_id, EVAL_EPISODES, (offset + seed) * 100, {})
        returns = support.evaluate(model, eval_env, EVAL_EPISODES, deterministic=name == "deterministic")
        line[name] = [round(value, 3) for value in returns]
        eval_env.close()
    episodes = sorted(training_episodes(env))
    line["episodes"] = episodes[:: max(1, len(episodes) // MAX_EPISODES_KEPT)]
    env.close()
    return line


def training_episodes(env: Any) -> Iterator[tuple[int, float]]:
    """Yields (step, return) of the monitored episodes, the steps counted over all environments in turn."""
    lengths, returns = env.env_method("get_episode_lengths"), env.env_method("get_episode_rewards")
    for rank in range(env.num_envs):
        ended = 0
        for length, value in zip(lengths[rank], returns[rank], strict=True):
            ended += length
            yield (ended - 1) * env.num_envs + rank + 1, round(float(value), 3)


def compare(ours: list[list[float]], original: list[list[float]]) -> bool:
    """True if our returns are worse than the original's by more than the spread over the seeds explains.

    Both arguments hold one list of episode returns per seed. The bound is two standard errors of the difference between
    the means over seeds.
    """
    samples = [[_mean(returns) for returns in side] for side in (ours, original)]
    error = math.sqrt(sum(_std(sample) ** 2 / len(sample) for sample in samples))
    return _mean(samples[0]) < _mean(samples[1]) - 2 * error


def print_table(tasks: list[Task], ours: list[Line], original: list[Line]) -> int:
    """Prints mean and spread over seeds of both evaluations, ours and the original's; returns the exit code."""
    width = max(len(task["id"]) for task in tasks)
    header = "".join(f"  {name + ' ours':>20} {'original':>15}" for name in EVALUATIONS)
    print(f"{'task':{width}} {'seeds':>6}{header}  verdict")
    failed = False
    for task in tasks:
        sides = [[line for line in lines if line["task"] == task["id"]] for lines in (ours, original)]
        cells, worse = "", []
        for name in EVALUATIONS:
            values = [[line[name] for line in side] for side in sides]
            cells += f"  {_cell(values[0]):>20} {_cell(values[1]):>15}"
            if all(values) and compare(*values):
                worse.append(name)
        verdict = "no result" if not sides[0] else f"worse: {', '.join(worse)}" if worse else "ok" if sides[1] else ""
        failed = failed or bool(worse) or not sides[0]
        print(f"{task['id']:{width}} {len(sides[0])}/{len(sides[1]):<4}{cells}  {verdict}")
    print("mean return +/- standard deviation over seeds; worse: by more than two standard errors of the difference")
    return int(failed)


def _cell(values: list[list[float]]) -> str:
    means = [_mean(returns) for returns in values]
    return f"{_mean(means):.1f} +/- {_std(means):.1f}" if means else "-"


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def _std(values: list[float]) -> float:
    """Sample standard deviation; 0 for a single value."""
    center = _mean(values)
    return math.sqrt(sum((value - center) ** 2 for value in values) / max(1, len(values) - 1))
