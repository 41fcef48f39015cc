"""What a file of Stable Baselines (or of this package) holds, found without executing it and without TensorFlow."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import json
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np

from stable_baselines_tf2.common.noise import noise_from_dict
from stable_baselines_tf2.common.running_mean_std import RunningMeanStd
from stable_baselines_tf2.common.schedules import ConstantFunction, LinearFunction, schedule_from_dict, schedule_to_dict
from stable_baselines_tf2.core.archive import (
    SERIALIZED,
    Archive,
    PathOrFile,
    bytes_to_array,
    bytes_to_arrays,
    check_json,
    open_zip,
    read_archive,
    read_file,
)
from stable_baselines_tf2.core.arithmetic import ArithmeticFunction
from stable_baselines_tf2.envs.spaces import space_from_dict
from stable_baselines_tf2.files import legacy_model as model_file
from stable_baselines_tf2.files.pickle_objects import Placeholder, loads, unknown_names
from stable_baselines_tf2.files.pickle_tree import Global, Parsed, UnsafePickle, parse, shown_name
from stable_baselines_tf2.files.recognise import NotRecognised

KIND = ":kind:"  # as in `common.save_util`, which needs TensorFlow
_MEMBERS = {"data", "parameters", "parameter_list", "training_state", "training_arrays"}
_LISTED = 60  # lines of a report


@dataclasses.dataclass
class Inspection:
    """What a file holds.

    Attributes:
        path: the file.
        kind: ``"model"``, ``"parameters"``, ``"replay buffer"``, ``"VecNormalize"``, ``"running statistics"``,
            ``"expert data"`` or ``"arrays"``.
        format: how it is stored.
        algorithm: name of the algorithm, named in the file or found by its hyperparameters.
        policy: dotted name of the policy class, or what stands for it.
        settings: hyperparameters, or the attributes of what is stored.
        parameters: names and shapes of the weights; where the file has no names, their numbers.
        resumable: whether it holds the state of a training.
        unrestored: what cannot be restored without executing code, with the reason.
        suspicious: what no file of Stable Baselines should hold.
    """

    path: str
    kind: str
    format: str
    algorithm: str | None = None
    policy: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    parameters: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    resumable: bool = False
    unrestored: dict[str, str] = dataclasses.field(default_factory=dict)
    suspicious: list[str] = dataclasses.field(default_factory=list)

    @property
    def observation_space(self) -> gymnasium.Space | None:
        """The space of observations."""
        return _space(self.settings.get("observation_space"))

    @property
    def action_space(self) -> gymnasium.Space | None:
        """The space of actions."""
        return _space(self.settings.get("action_space"))

    def to_dict(self) -> dict[str, Any]:
        """The same in types that JSON has."""
        described = dataclasses.asdict(self)
        described["settings"] = {name: _plain(value) for name, value in self.settings.items()}
        return described

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.kind}, {self.format}"]
        lines += [
            f"  {name}: {value}" for name, value in (("algorithm", self.algorithm), ("policy", self.policy)) if value
        ]
        if self.kind == "model":
            lines.append(f"  training can be resumed: {'yes' if self.resumable else 'no'}")
        lines += _section("settings", (f"{name}: {_text(value)}" for name, value in self.settings.items()))
        n_weights = sum(int(np.prod(shape)) for shape in self.parameters.values())
        title = f"{len(self.parameters)} arrays, {n_weights} numbers"
        lines += _section(title, (f"{name} {list(shape)}" for name, shape in self.parameters.items()))
        lines += _section("cannot be restored", (f"{name}: {reason}" for name, reason in self.unrestored.items()))
        lines += _section("SUSPICIOUS", self.suspicious)
        return "\n".join(lines)


def inspect(path: PathOrFile) -> Inspection:
    """Says what a file holds: a model, its parameters, a replay buffer, statistics, or expert data.

    Args:
        path: path (also without its ending) or binary file object.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: ``path`` is neither a path nor a file object.
        ValueError: it is not such a file, or it is damaged.
    """
    content, name = read_file(path)
    if content[:1] == b"\x80":
        found = _inspect_pickle(content, name)
    else:
        try:
            with open_zip(content) as members:
                names = members.namelist()
        except (ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise ValueError(f"{name} is not a file of Stable Baselines or is damaged: {error}") from error
        found = _inspect_zip(content, name) if _MEMBERS & set(names) else _inspect_arrays(content, name)
        model = bool(_MEMBERS & set(names))
        odd = [member for member in names if not (member in _MEMBERS if model else member.endswith(".npy"))]
        found.suspicious += [f"a member called {member!r:.100}" for member in odd[:_LISTED]]
    return found


# ---------------------------------------------------------------- pickles
def _inspect_pickle(content: bytes, path: str) -> Inspection:
    try:
        parsed = parse(content)
    except UnsafePickle as error:
        raise ValueError(f"{path} is not a file of Stable Baselines or is damaged: {error}") from error
    unknown = _strangers(parsed)
    try:
        data, parameters, unrestored = model_file.read_pickle(content, resolve=False)
    except UnsafePickle as error:
        found = _inspect_object(content, path, error)
    else:
        layout = "by name" if isinstance(parameters, dict) else "as a list"
        found = Inspection(path, "model", f"pickle of a version before 2.8, weights {layout}")
        _add_model(found, data, parameters, unrestored)
        policy = getattr(unrestored.get("policy"), "node", None)
        if isinstance(policy, Global):
            unknown = [name for name in unknown if name != shown_name(policy)]
    found.suspicious += [f"it refers to {name}" for name in unknown]
    return found


def _inspect_object(content: bytes, path: str, reason: UnsafePickle) -> Inspection:
    """A pickle that is not a model."""
    try:
        found = loads(content, resolve=False)
    except UnsafePickle as error:
        return Inspection(path, "unknown", "pickle", unrestored={"content": str(error)})
    if isinstance(found, RunningMeanStd):
        return Inspection(path, "running statistics", "pickle", settings=vars(found))
    if isinstance(found, Placeholder):
        kind = found.name.rpartition(".")[2]
        kind = "replay buffer" if kind.endswith("ReplayBuffer") else kind
        settings = {name: value for name, value in (found.state or {}).items() if name != "_storage"}
        if kind == "replay buffer" and found.state:
            settings["transitions"] = len(found.state.get("_storage", ()))
        return Inspection(path, kind, "pickle", settings=settings)
    return Inspection(path, "unknown", f"pickle of {type(found).__name__}", unrestored={"content": str(reason)})


# ---------------------------------------------------------------- zips
def _inspect_zip(content: bytes, path: str) -> Inspection:
    archive = read_archive(io.BytesIO(content))
    if archive.data is None:
        kind = "parameters" if archive.parameters is not None else "replay buffer"
        arrays = archive.parameters if archive.parameters is not None else archive.arrays
        found = Inspection(path, kind, "zip", parameters=_shapes(arrays))
        found.settings = {} if archive.parameters is not None else archive.state
        return found
    found = Inspection(path, "model", _zip_format(archive), resumable=bool(archive.state))
    data: dict[str, Any] = {}
    unrestored: dict[str, Exception] = {}
    for key, item in _json_object(archive.data, path).items():
        try:
            data[key] = _decode(item, found)
        except ValueError as error:
            unrestored[key] = error
    _add_model(found, data, archive.parameters or OrderedDict(), unrestored)
    return found


def _zip_format(archive: Archive) -> str:
    return "zip of this package" if archive.state else "zip of Stable Baselines 2.8 to 2.10, or exported"


def _json_object(text: str, path: str) -> dict[str, Any]:
    try:
        check_json(text)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"{path} is damaged: its data is a {type(data).__name__}")
    return data


_DECODERS = {"space": space_from_dict, "schedule": schedule_from_dict, "noise": noise_from_dict}


def _decode(item: object, found: Inspection) -> Any:
    """A value of the JSON; classes and functions stay names."""
    if isinstance(item, list):
        return [_decode(part, found) for part in item]
    if not isinstance(item, dict):
        return item
    if KIND in item:
        kind = str(item[KIND])
        description = {key: part for key, part in item.items() if key != KIND}
        if kind in _DECODERS:
            return _described(kind, description)
        if kind == "array":
            return bytes_to_array(base64.b64decode(str(description.get("npz"))))
        return Placeholder(".".join(str(description[key]) for key in ("module", "name") if key in description))
    if SERIALIZED in item:
        try:
            content = base64.b64decode(str(item[SERIALIZED]))
            parsed = parse(content)
        except (binascii.Error, UnsafePickle) as error:
            raise ValueError(f"a damaged pickle ({error})") from error
        if not isinstance(parsed.root, Global) or parsed.root.module.partition(".")[0] in sys.stdlib_module_names:
            found.suspicious += [f"it refers to {name}" for name in _strangers(parsed)]
        return loads(content, resolve=False)
    return {key: _decode(part, found) for key, part in item.items()}


def _described(kind: str, description: dict[str, Any]) -> Any:
    try:
        return _DECODERS[kind](description)
    except Exception as error:  # constructors of other libraries have their own ways to refuse arguments
        raise ValueError(f"a damaged description of kind {kind!r} ({error!r:.200})") from error


# What classes and functions of users need when they are stored by value.
_OF_USERS = {"abc.ABCMeta", "builtins.type", "builtins.super", "builtins.dict", "builtins.classmethod"}


def _strangers(parsed: Parsed) -> list[str]:
    """What a pickle refers to that no rule knows, but for what is nothing odd in classes of users."""
    names = [name for name in unknown_names(parsed) if name not in _OF_USERS]
    return [name for name in names if not name.startswith(("cloudpickle.", "__main__."))]


# ---------------------------------------------------------------- arrays
def _inspect_arrays(content: bytes, path: str) -> Inspection:
    arrays = bytes_to_arrays(content)
    if "header" in arrays and arrays["header"].dtype.kind == "U":
        header = _json_object(str(arrays.pop("header")), path)
        kind = "running statistics" if header.get("kind") == "RunningMeanStd" else str(header.get("kind"))
        settings = header.get("settings") or {}
        if not isinstance(settings, dict):
            raise ValueError(f"{path} is damaged: its settings are a {type(settings).__name__}")
        return Inspection(path, kind, "npz of this package", settings=settings, parameters=_shapes(arrays))
    expert = {"actions", "obs", "rewards", "episode_returns", "episode_starts"} <= arrays.keys()
    return Inspection(path, "expert data" if expert else "arrays", "npz", parameters=_shapes(arrays))


# ---------------------------------------------------------------- what all have in common
def _add_model(
    found: Inspection,
    data: dict[str, Any],
    parameters: model_file.Parameters,
    unrestored: Mapping[str, Exception],
) -> None:
    policy = model_file.recognised_policy(data, parameters, unrestored)
    reasons = {key: str(error) for key, error in unrestored.items() if key not in model_file.OBSOLETE}
    if isinstance(policy, NotRecognised):
        reasons["policy"] += f"; {policy}"
    elif policy is not None:
        found.policy = f"{policy}, recognised by its parameters; {reasons.pop('policy')}"
    elif isinstance(data.get("policy"), Placeholder):
        found.policy = data["policy"].name
    found.algorithm = model_file.algorithm_of({**data, **dict.fromkeys(unrestored)})
    found.settings = {key: value for key, value in data.items() if key != "policy"}
    found.unrestored = reasons
    named = (
        parameters.items() if isinstance(parameters, dict) else ((str(i), part) for i, part in enumerate(parameters))
    )
    arrays = dict(named)
    found.parameters = _shapes(arrays)
    broken = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        found.suspicious.append(f"weights that are not finite: {', '.join(broken[:5])}")
    try:
        model_file.check_sizes(data, parameters)
    except ValueError as error:
        found.suspicious.append(str(error))


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(array.shape) for name, array in arrays.items()}


def _space(value: object) -> gymnasium.Space | None:
    return value if isinstance(value, gymnasium.Space) else None


def _plain(value: object) -> Any:
    if isinstance(value, ArithmeticFunction):
        return schedule_to_dict(value)
    if isinstance(value, ConstantFunction | LinearFunction):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping) and not isinstance(value, gymnasium.Space):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, bool | int | float | str | None) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, Placeholder):
        return value.name
    if isinstance(value, RunningMeanStd):
        return f"statistics of shape {list(np.shape(value.mean))}"
    if isinstance(value, np.ndarray):
        return f"array of {value.dtype}, shape {list(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"    {line.encode('unicode_escape').decode()}" for line in lines]
    rest = [f"    ... and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    return [f"  {title}:", *found[:_LISTED], *rest] if found else []
