"""Damages valid files in every way it can think of and reads them: nothing may happen but the documented errors.

Usage: python -m tests.files.fuzz [--count 20000] [--seed 0]. Prints what came out, by kind of file, and every case
that broke a rule: another exception, something executed, more than a few seconds, or a jump in memory.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import pickle
import pickletools
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SECONDS, MEGABYTES = 20, 600  # of processor time and memory, which one case may take
DOCUMENTED = (ValueError,)
# What reading a file never does once everything is imported.
FORBIDDEN = ("os.", "subprocess.", "socket.", "shutil.", "pickle.find_class", "code.__new__", "ctypes.dlopen")
HARMLESS = ("os.listdir", "os.scandir")  # imports look there
WEIRD = [
    None,
    True,
    -1,
    0,
    2**31,
    10**30,
    1.5,
    float("nan"),
    "",
    "x",
    "auto",
    [],
    {},
    [[1]],
    {"a": 1},
    [10**9],
    "\ud800",
]


class Target(NamedTuple):
    """A valid file, and what reads files of its kind."""

    name: str
    content: bytes
    read: Callable[[Any], Any]


class Harm:
    """Leaves a marker where its pickle is executed."""

    marker = ""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


# ---------------------------------------------------------------- valid files
def targets(folder: Path) -> list[Target]:
    """Small files of every kind, written here, and those of the zoo where it is present."""
    import numpy as np
    from gymnasium import spaces

    from stable_baselines_tf2 import A2C, DQN, PPO2
    from stable_baselines_tf2.common.schedules import LinearFunction
    from stable_baselines_tf2.common.vec_env import DummyVecEnv, VecNormalize
    from stable_baselines_tf2.files.pickle_tree import Global
    from stable_baselines_tf2.migration import inspect
    from stable_baselines_tf2.migration.legacy_zip import write_legacy
    from stable_baselines_tf2.migration.pickle_writer import New, dumps
    from tests.helpers import RandomEnv, box
    from tests.migration.zoo import ZOO

    def env() -> DummyVecEnv:
        return DummyVecEnv([lambda: RandomEnv(box(3), spaces.Discrete(2))])

    small = {"policy_kwargs": {"net_arch": [4]}, "verbose": 0, "seed": 1, "n_steps": 4}
    dqn = DQN("MlpPolicy", env(), policy_kwargs={"layers": [4]}, buffer_size=16, batch_size=4, learning_starts=4)
    models = [
        A2C("MlpPolicy", env(), **small),
        PPO2("MlpPolicy", env(), learning_rate=LinearFunction(1e-3), **small),
        dqn.learn(12),
    ]
    found = []
    for model in models:
        name, load = type(model).__name__, type(model).load
        for kind, write in (("new", model.save), ("legacy", lambda file, model=model: write_legacy(file, model))):
            buffer = io.BytesIO()
            write(buffer)
            found.append(Target(f"{name} {kind}", buffer.getvalue(), load))
        found.append(Target(f"{name} parameters", buffer.getvalue(), model.load_parameters))
        found.append(Target(f"{name} inspect", buffer.getvalue(), lambda file: str(inspect(file))))
    for path, cls in (
        ("made/agents/a2c_mlp_discrete.pkl", A2C),
        ("made/agents/ppo2_act_lambda.pkl", PPO2),
        ("made/agents/ppo2_custom_policy.pkl", PPO2),
        ("made/agents/ppo2_custom_policy.zip", PPO2),
        ("agents/dqn/CartPole-v1.pkl", DQN),
    ):
        if (ZOO / path).exists():
            found.append(Target(path, (ZOO / path).read_bytes(), cls.load))
            found.append(Target(f"{path} inspect", (ZOO / path).read_bytes(), lambda file: str(inspect(file))))
    buffer = io.BytesIO()
    dqn.save_replay_buffer(buffer)
    found.append(Target("replay buffer", buffer.getvalue(), dqn.load_replay_buffer))
    rows = [(np.zeros(3, "f4"), 1, 0.5, np.ones(3, "f4"), 0.0)] * 8
    old = New(Global("stable_baselines.common.buffers", "ReplayBuffer"), (), {"_storage": rows, "_next_idx": 0})
    found.append(Target("pickled replay buffer", dumps(old), dqn.load_replay_buffer))
    normalize = VecNormalize(env())
    normalize.save(folder / "new")
    statistics = [("VecNormalize", (folder / "new").read_bytes())]
    for path in ("made/vec_normalize/default/vec_normalize.pkl",):
        if (ZOO / path).exists():
            statistics.append((path, (ZOO / path).read_bytes()))

    def read_statistics(file: Any) -> None:
        (folder / "damaged").write_bytes(file.read())
        VecNormalize.load(folder / "damaged", env())

    return found + [Target(name, content, read_statistics) for name, content in statistics]


# ---------------------------------------------------------------- damage
def damaged(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A file that is no longer quite the same."""
    if content[:2] == b"PK" and rng.random() < 0.8:
        return _damaged_zip(content, others, rng)
    if content[:1] == b"\x80" and rng.random() < 0.6:
        return _damaged_pickle(content, rng)
    return _damaged_bytes(content, others, rng)


def _damaged_bytes(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        a = rng.randrange(len(data) + 1)
        b = min(len(data), a + rng.choice((1, 2, 4, 16, 200)))
        match rng.randrange(7):
            case 0:
                data[a:b] = bytes(rng.randrange(256) for _ in range(b - a))
            case 1 if a < len(data):
                data[a] ^= 1 << rng.randrange(8)
            case 2:
                del data[a:b]
            case 3:
                data[a:a] = data[a:b]
            case 4:
                del data[a:]
            case 5:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                data[a:b] = other[start : start + rng.choice((4, 100, 1000))]
            case _:
                data[a:b] = rng.choice((b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"))
        if not data:
            break
    return bytes(data)


def _damaged_zip(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The members are damaged, the zip around them is right."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    i = rng.randrange(len(members))
    name, member = members[i]
    if name in ("data", "training_state", "parameter_list") and rng.random() < 0.8:
        member = json.dumps(_damaged_json(json.loads(member), rng)).encode()
    elif member[:2] == b"PK" and rng.random() < 0.8:
        member = _damaged_zip(member, others, rng)
    else:
        member = _damaged_bytes(member, others, rng)
    match rng.randrange(12):
        case 0:
            del members[i]
        case 1:
            members.append((rng.choice(("../../x", "/etc/x", name, "data", "x\x00y")), member))
        case _:
            members[i] = (name, member)
    buffer = io.BytesIO()
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new,
    ):
        warnings.simplefilter("ignore")  # names that occur twice
        for name, member in members:
            new.writestr(name, member)
    return buffer.getvalue()


def _damaged_json(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.97:
        key = rng.choice(list(value))
        if key == ":serialized:":
            blob = base64.b64decode(value[key])
            blob = pickle.dumps(Harm()) if rng.random() < 0.2 else _damaged_pickle(blob, rng)
            return {**value, key: base64.b64encode(blob).decode()}
        if rng.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return {**value, key: _damaged_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        i = rng.randrange(len(value))
        return [*value[:i], _damaged_json(value[i], rng), *value[i + 1 :]]
    if isinstance(value, int) and rng.random() < 0.3:
        return rng.choice((-value, value + 1, value * 10**6))
    nested: Any = rng.choice(WEIRD)
    for _ in range(rng.choice((0, 0, 0, 1, 100))):
        nested = [nested]
    return nested


def _damaged_pickle(content: bytes, rng: random.Random) -> bytes:
    """Whole instructions are dropped, repeated, moved or replaced."""
    try:
        starts = [position for _, _, position in pickletools.genops(content)]
    except Exception:
        return content[: rng.randrange(len(content) + 1)]
    parts = [content[a:b] for a, b in zip(starts, [*starts[1:], len(content)], strict=True)]
    harm = pickle.dumps(Harm())[2:-1]
    for _ in range(rng.choice((1, 1, 2, 5))):
        i, j = rng.randrange(1, len(parts)), rng.randrange(1, len(parts))
        match rng.randrange(6):
            case 0:
                parts[i] = b""
            case 1:
                parts[i] = parts[j]
            case 2:
                parts[i], parts[j] = parts[j], parts[i]
            case 3:
                parts[i] += parts[i] * rng.choice((1, 1, 1000))
            case 4:
                parts[i] = rng.choice(
                    (harm, b"N", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"}", b"]", b"\x8c\x01x", b"h\x01")
                )
            case _:
                parts[i] = rng.choice(
                    (b"cposix\nsystem\n", b"cbuiltins\neval\n", b"R", b"b", b"\x81", b"0", b"2", b"(")
                )
    return b"".join(parts)


# ---------------------------------------------------------------- watching
class Watch:
    """Notes what the interpreter reports while it is open."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._open = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: Any) -> None:
        if not self._open:
            return
        writing = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        acting = event.startswith(FORBIDDEN) and event not in HARMLESS
        if acting or (writing and not str(args[0]).endswith("damaged")):
            self.events.append(f"{event} {args!r:.200}")

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self._open = True
        try:
            yield
        finally:
            self._open = False


def _late(*_: Any) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def run(count: int, seed: int, report: Callable[[str], None] = print) -> tuple[Counter[str], list[str]]:
    """Reads ``count`` damaged files; returns the outcomes, and what broke the rules."""
    import keras

    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        Harm.marker = str(folder / "marker")
        cases = targets(folder)
        contents = [case.content for case in cases]
        for case in cases:  # valid files are read, and everything is imported afterwards
            case.read(io.BytesIO(case.content))
        watch = Watch()
        previous = signal.signal(signal.SIGPROF, _late)
        start = time.time()
        for i in range(count):
            case = cases[i % len(cases)]
            content = damaged(case.content, contents, rng)
            before, events = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(watch.events)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            wrong = None
            try:
                with watch(), contextlib.redirect_stdout(io.StringIO()):
                    case.read(io.BytesIO(content))
                outcome = "read"
            except DOCUMENTED:
                outcome = "refused"
            except (KeyError, RuntimeError) as error:  # documented for parameters
                outcome = "refused" if case.name.endswith("parameters") else "broken"
                wrong = None if outcome == "refused" else error
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                outcome, wrong = "broken", error
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            if wrong is None and (grown > MEGABYTES or len(watch.events) > events or (folder / "marker").exists()):
                wrong = RuntimeError(f"{grown:.0f} MB more, events {watch.events[events:]}")
                outcome = "broken"
            outcomes[f"{case.name}: {outcome}"] += 1
            if wrong is not None:
                broken.append(f"case {i} of seed {seed}, {case.name}: {wrong!r:.300}")
                report(broken[-1] + "\n" + "".join(traceback.format_tb(wrong.__traceback__)[-4:]))
                if "SBTF2_FUZZ_KEEP" in os.environ:
                    Path(os.environ["SBTF2_FUZZ_KEEP"], f"{seed}_{i}").write_bytes(content)
            if i % 200 == 199:
                keras.backend.clear_session()
            if i % 1000 == 999:
                report(f"{i + 1} cases, {time.time() - start:.0f} s, {len(broken)} broken")
        signal.signal(signal.SIGPROF, previous)
    return outcomes, broken


def main() -> int:
    """Runs as many cases as asked for; the exit code is 1 where a rule was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    outcomes, broken = run(args.count, args.seed)
    for name, number in sorted(outcomes.items()):
        print(f"{number:6d} {name}")
    read = sum(number for name, number in outcomes.items() if name.endswith(": read"))
    print(f"{args.count} mutations: {read} read, {args.count - read - len(broken)} refused, {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
