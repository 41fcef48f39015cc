"""Drivers of the learning curves' golden cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas

from stable_baselines_tf2 import results_plotter
from tests.golden import Case, driver


@driver("function", "stable_baselines.results_plotter")
def plots(case: Case) -> dict[str, Any]:
    arg = case.under("arg/")
    window = int(arg["window"])
    results: dict[str, Any] = {"rolling_window": results_plotter.rolling_window(arg["y"], window)}
    names = sorted({key.split("/")[1] for key in case.under("result/") if key.startswith("window_func/")})
    for name in names:
        x, y = results_plotter.window_func(arg["x"], arg["y"], window, getattr(np, name))
        results |= {f"window_func/{name}/x": x, f"window_func/{name}/y": y}
    episodes = pandas.DataFrame({key: arg[key] for key in "lrt"})
    for axis in results_plotter.POSSIBLE_X_AXES:
        x, y = results_plotter.ts2xy(episodes, axis)
        results |= {f"ts2xy/{axis}/x": x, f"ts2xy/{axis}/y": y}
    return {f"result/{key}": value for key, value in results.items()}
