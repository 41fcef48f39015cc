"""Numbers of the curves, and the figures that are drawn from them."""

import subprocess
import sys

import matplotlib.pyplot
import numpy as np
import pandas
import pytest

from stable_baselines_tf2 import results_plotter
from stable_baselines_tf2.bench import LoadMonitorResultsError

matplotlib.use("Agg")
plt = matplotlib.pyplot


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def write_monitor(folder, lengths, rewards):
    folder.mkdir()
    rows = "".join(f"{r},{n},{10 * i}\n" for i, (r, n) in enumerate(zip(rewards, lengths, strict=True)))
    (folder / "0.monitor.csv").write_text('#{"t_start": 5.0, "env_id": "X"}\nr,l,t\n' + rows)
    return str(folder)


def test_rolling_window():
    windows = results_plotter.rolling_window(np.arange(10).reshape(2, 5), 3)
    assert windows.tolist() == [[[0, 1, 2], [1, 2, 3], [2, 3, 4]], [[5, 6, 7], [6, 7, 8], [7, 8, 9]]]
    with pytest.raises(ValueError, match="window"):
        results_plotter.rolling_window(np.arange(3), 4)


def test_window_func():
    x, y = results_plotter.window_func(np.array([1, 2, 4, 8]), np.array([0.0, 1.0, 5.0, 3.0]), 2, np.max)
    assert (x.tolist(), y.tolist()) == ([2, 4, 8], [1.0, 5.0, 5.0])


def test_ts2xy():
    episodes = pandas.DataFrame({"l": [5, 10, 1], "r": [1.0, 2.0, 3.0], "t": [3600.0, 7200.0, 9000.0]})
    xs = [results_plotter.ts2xy(episodes, axis)[0].tolist() for axis in results_plotter.POSSIBLE_X_AXES]
    assert xs == [[5, 15, 16], [0, 1, 2], [1.0, 2.0, 2.5]]
    assert results_plotter.ts2xy(episodes, "episodes")[1].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="xaxis.*'steps'"):
        results_plotter.ts2xy(episodes, "steps")


def test_figure(tmp_path):
    long = write_monitor(tmp_path / "long", [10] * 150, np.arange(150.0))
    short = write_monitor(tmp_path / "short", [7] * 20, np.ones(20))
    results_plotter.plot_results([long, short], 1200, results_plotter.X_TIMESTEPS, "Title")
    axes = plt.gca()
    points = [np.asarray(dots.get_offsets()) for dots in axes.collections]
    assert [len(p) for p in points] == [120, 20]  # the first curve ends at 1200 steps
    assert points[0][-1].tolist() == [1200.0, 119.0] and points[1][-1].tolist() == [140.0, 1.0]
    (line,) = axes.lines  # the second has too few episodes for a mean of 100
    assert line.get_xdata().tolist() == list(range(1000, 1201, 10))
    np.testing.assert_allclose(line.get_ydata(), np.arange(21) + 49.5)
    assert (axes.get_title(), axes.get_xlabel(), axes.get_xlim()) == ("Title", "timesteps", (0.0, 1200.0))


def test_more_curves_than_colors():
    n = len(results_plotter.COLORS) + 1
    results_plotter.plot_curves([(np.arange(1, 3), np.ones(2))] * n, "episodes", "many")
    assert len(plt.gca().collections) == n


def test_no_episodes_yet(tmp_path):
    results_plotter.plot_results([write_monitor(tmp_path / "a", [], [])], None, results_plotter.X_EPISODES, "empty")
    assert len(plt.gca().collections[0].get_offsets()) == 0


def test_command_line(tmp_path):
    folder = write_monitor(tmp_path / "a", [5, 5], [1.0, 2.0])
    options = ["--dirs", folder, "--xaxis", "walltime_hrs", "--output", str(tmp_path / "curve.png")]
    subprocess.run([sys.executable, "-m", "stable_baselines_tf2.results_plotter", *options], check=True, timeout=120)
    assert plt.imread(tmp_path / "curve.png").shape[2] == 4


def test_missing_monitor_files(tmp_path):
    with pytest.raises(LoadMonitorResultsError):
        results_plotter.plot_results([str(tmp_path)], None, results_plotter.X_TIMESTEPS, "x")


def test_importing_needs_no_extra():
    code = "import sys, stable_baselines_tf2.results_plotter; assert not {'matplotlib', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
