"""Learning curves from monitor files: ``python -m stable_baselines_tf2.results_plotter --dirs FOLDER [FOLDER ...]``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stable_baselines_tf2.bench.monitor import load_results
from stable_baselines_tf2.core.optional import require

if TYPE_CHECKING:
    import pandas

X_TIMESTEPS = "timesteps"
X_EPISODES = "episodes"
X_WALLTIME = "walltime_hrs"
POSSIBLE_X_AXES = [X_TIMESTEPS, X_EPISODES, X_WALLTIME]
EPISODES_WINDOW = 100
COLORS = ["blue", "green", "red", "cyan", "magenta", "yellow", "black", "purple", "pink", "brown", "orange", "teal",
          "coral", "lightblue", "lime", "lavender", "turquoise", "darkgreen", "tan", "salmon", "gold", "plum",
          "darkred", "darkblue"]  # fmt: skip


def rolling_window(array: np.ndarray, window: int) -> np.ndarray:
    """All windows of the last axis, as a read-only view.

    Args:
        array: ``[..., n]``.
        window: length of a window, at most ``n``.

    Returns:
        ``[..., n - window + 1, window]``.
    """
    return np.lib.stride_tricks.sliding_window_view(array, window, axis=-1)


def window_func(
    var_1: np.ndarray, var_2: np.ndarray, window: int, func: Callable[..., np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Smooths a curve.

    Args:
        var_1: x values ``[n]``.
        var_2: y values ``[n]``.
        window: number of points that make one point of the result.
        func: reduces the y values of a window, such as ``np.mean``; called with ``axis=-1``.

    Returns:
        The x value at the end of each window and the reduced y values, both ``[n - window + 1]``.
    """
    return var_1[window - 1 :], func(rolling_window(var_2, window), axis=-1)


def ts2xy(timesteps: pandas.DataFrame, xaxis: str) -> tuple[np.ndarray, np.ndarray]:
    """The learning curve of an experiment.

    Args:
        timesteps: episodes as `load_results` gives them.
        xaxis: ``X_TIMESTEPS`` (steps up to the episode's end), ``X_EPISODES`` (number of the episode, from 0) or
            ``X_WALLTIME`` (hours).

    Returns:
        x values and returns, both ``[episodes]``.

    Raises:
        ValueError: there is no such axis.
    """
    if xaxis == X_TIMESTEPS:
        x = np.cumsum(timesteps.l.to_numpy())
    elif xaxis == X_EPISODES:
        x = np.arange(len(timesteps))
    elif xaxis == X_WALLTIME:
        x = timesteps.t.to_numpy() / 3600.0
    else:
        raise ValueError(f"xaxis must be one of {POSSIBLE_X_AXES}, not {xaxis!r}")
    return x, timesteps.r.to_numpy()


def plot_curves(xy_list: Sequence[tuple[np.ndarray, np.ndarray]], xaxis: str, title: str) -> None:
    """Draws curves into a new figure: every episode as a dot, and the mean of the last 100 as a line.

    Args:
        xy_list: x and y values of each curve.
        xaxis: label of the x axis.
        title: title of the figure.
    """
    plt = require("matplotlib.pyplot", "plots")
    plt.figure(figsize=(8, 2))
    for i, (x, y) in enumerate(xy_list):
        color = COLORS[i % len(COLORS)]
        plt.scatter(x, y, s=2, color=color)
        if len(x) >= EPISODES_WINDOW:
            plt.plot(*window_func(x, y, EPISODES_WINDOW, np.mean), color=color)
    last = max((x[-1] for x, _ in xy_list if len(x)), default=0)
    plt.xlim(0, last or 1)
    plt.title(title)
    plt.xlabel(xaxis)
    plt.ylabel("Episode Rewards")
    plt.tight_layout()


def plot_results(dirs: Sequence[str], num_timesteps: int | None, xaxis: str, task_name: str) -> None:
    """Draws the learning curves of several folders into a new figure; show or save it with matplotlib.

    Args:
        dirs: folders with monitor files, a curve each.
        num_timesteps: steps after which the curves end; None for all.
        xaxis: see `ts2xy`.
        task_name: title of the figure.

    Raises:
        LoadMonitorResultsError: a folder has no monitor files.
        ValueError: there is no such axis.
    """
    curves = []
    for folder in dirs:
        episodes = load_results(folder)
        if num_timesteps is not None:
            episodes = episodes[episodes.l.cumsum() <= num_timesteps]
        curves.append(ts2xy(episodes, xaxis))
    plot_curves(curves, xaxis, task_name)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Plots learning curves from monitor files.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--dirs", nargs="*", default=["./log"], help="folders with monitor files")
    parser.add_argument("--num_timesteps", type=int, default=int(10e6), help="steps after which the curves end")
    parser.add_argument("--xaxis", default=X_TIMESTEPS, choices=POSSIBLE_X_AXES, help="what the x axis shows")
    parser.add_argument("--task_name", default="Breakout", help="title of the figure")
    parser.add_argument("--output", help="image file to write instead of opening a window")
    arguments = parser.parse_args()
    plt = require("matplotlib.pyplot", "plots")
    folders = [os.path.abspath(folder) for folder in arguments.dirs]
    plot_results(folders, arguments.num_timesteps, arguments.xaxis, arguments.task_name)
    if arguments.output:
        plt.savefig(arguments.output, dpi=200)
    else:
        plt.show()


if __name__ == "__main__":
    main()
