"""Run by the Python in which Stable Baselines 2.10 is installed: loads models there and writes what they answer.

Usage: python original.py FOLDER. For every ``<name>.zip`` there with ``<name>.json`` (algorithm, recurrent) and
``<name>_obs.npy``, writes ``<name>_actions.npy``. Knows nothing of this package.
"""

import glob
import json
import os
import sys

import numpy as np
import stable_baselines

for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.json"))):
    stem = path[: -len(".json")]
    with open(path) as file:
        about = json.load(file)
    model = getattr(stable_baselines, about["algorithm"]).load(stem + ".zip")
    obs = np.load(stem + "_obs.npy")
    if about["recurrent"]:
        actions, state, mask = [], None, np.ones(obs.shape[1], bool)
        for row in obs:
            action, state = model.predict(row, state=state, mask=mask, deterministic=True)
            actions.append(action)
            mask = np.zeros(obs.shape[1], bool)
    else:
        actions, _ = model.predict(obs, deterministic=True)
    np.save(stem + "_actions.npy", np.asarray(actions))
    for name in ("learning_rate", "cliprange"):
        value = getattr(model, name, None)
        if callable(value):
            about[name] = [float(value(progress)) for progress in (1.0, 0.5, 0.0)]
    with open(stem + ".answer", "w") as file:
        json.dump(about, file)
