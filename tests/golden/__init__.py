"""Golden cases: what the original computes, and the drivers that ask this library the same.

A case is a JSON file (what was built) with an npz file of the same stem (the arrays). A driver is a function from a
`Case` to ``{key: array}``, with the keys under which the npz keeps the expected arrays. Drivers register for the
``kind`` and
``algorithm`` (forward, update) or the dotted legacy name (function) that they serve.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

EXPECTED = (
    "result/",
    "output/",
    "/loss/",
    "/param/",
    "/aux/",
)  # what a key with expected numbers starts with or contains


@dataclasses.dataclass
class Case:
    """One golden case."""

    id: str
    spec: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose key starts with the prefix, keyed by the rest of the key."""
        return {key[len(prefix) :]: value for key, value in self.arrays.items() if key.startswith(prefix)}

    def argument_sets(self, prefix: str = "arg/") -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """(number, arguments) of each ``arg/<i>/`` group, in numeric order."""
        numbers = sorted({int(key.split("/")[0]) for key in self.under(prefix) if key.split("/")[0].isdigit()})
        for number in numbers:
            yield str(number), self.under(f"{prefix}{number}/")

    @property
    def n_steps(self) -> int:
        """Number of updates in an update case."""
        return 1 + max(int(key.split("/")[1]) for key in self.arrays if key.startswith("step/"))

    @property
    def expected(self) -> dict[str, np.ndarray]:
        """Every array that the driver must reproduce."""
        return {
            key: value
            for key, value in self.arrays.items()
            if key.startswith(EXPECTED[:2]) or (key.startswith("step/") and any(part in key for part in EXPECTED[2:]))
        }


Driver = Callable[[Case], dict[str, Any]]
DRIVERS: dict[tuple[str, str], Driver] = {}
DRIVER_MODULES = (
    "functions",
    "functions_env",
    "functions_distributions",
    "functions_plots",
    "functions_buffers",
    "functions_her",
    "on_policy",
    "parallel",
    "off_policy",
)


def driver(kind: str, *names: str) -> Callable[[Driver], Driver]:
    """Registers a driver for ``(kind, algorithm)`` or ``("function", dotted legacy name)``."""

    def keep(function: Driver) -> Driver:
        for name in names:
            DRIVERS[kind, name] = function
        return function

    return keep


def load_drivers() -> None:
    """Imports every module that registers drivers."""
    for module in DRIVER_MODULES:
        importlib.import_module(f"tests.golden.{module}")


def read_case(path: pathlib.Path) -> Case:
    """Reads the JSON file at ``path`` and the npz beside it."""
    spec = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as data:
        return Case(spec["id"], spec, {key: data[key] for key in data.files})


def compare(case: Case, results: dict[str, Any]) -> str | None:
    """None where every expected array is met within the case's tolerance, otherwise what differs most."""
    rtol, atol = case.spec["rtol"], case.spec["atol"]
    worst, message = 0.0, None
    for key, expected in case.expected.items():
        if key not in results:
            return f"{key} was not computed"
        actual = np.asarray(results[key])
        if actual.shape != expected.shape:
            return f"{key}: shape {actual.shape}, expected {expected.shape}"
        if expected.dtype.kind in "fc":
            if actual.dtype.kind not in "fciub":
                return f"{key}: dtype {actual.dtype}, expected {expected.dtype}"
            actual, wanted = actual.astype(np.float64), expected.astype(np.float64)
            same = np.isclose(actual, wanted, rtol=rtol, atol=atol, equal_nan=True)
            if not same.all():
                error = np.abs(actual - wanted)
                error = float(np.where(same, 0.0, np.where(np.isnan(error), np.inf, error)).max())
                if error > worst:
                    worst, message = error, f"{key}: error {error:.3g} (rtol {rtol:g}, atol {atol:g})"
        elif not np.array_equal(actual, expected):
            return f"{key}: {actual.tolist()!r:.100} expected {expected.tolist()!r:.100}"
    return message


def run_case(path: pathlib.Path) -> str | None:
    """Runs one case; None when it passes, otherwise the reason of the failure."""
    case = read_case(path)
    name = case.spec.get("function") if case.spec["kind"] == "function" else case.spec["algorithm"]
    function = DRIVERS.get((case.spec["kind"], name))
    if function is None:
        return f"not supported: {case.spec['kind']} of {name}"
    try:
        return compare(case, function(case))
    except Exception as error:  # a case that raises has failed, whatever it raised
        return f"{type(error).__name__}: {error}"
