"""What the names in a script stand for: environments, vectorized ones, or models. Needs libcst.

A script is followed statement by statement, as far as that can be done without running it. What stays unclear is
`UNKNOWN`, and left to a human.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node

from stable_baselines_tf2.files.registry import ALGORITHMS

SINGLE, VECTORIZED, MODERN, MODEL, UNKNOWN = "single", "vectorized", "modern", "model", "unknown"
_VECTORIZED = {
    "DummyVecEnv",
    "SubprocVecEnv",
    "VecCheckNan",
    "VecFrameStack",
    "VecNormalize",
    "VecVideoRecorder",
    "make_atari_env",
    "make_vec_env",
}
_SINGLE = {
    "BitFlippingEnv",
    "ClipRewardEnv",
    "EpisodicLifeEnv",
    "FireResetEnv",
    "FrameStack",
    "HERGoalEnvWrapper",
    "IdentityEnv",
    "IdentityEnvBox",
    "MaxAndSkipEnv",
    "Monitor",
    "NoopResetEnv",
    "ScaledFloatFrame",
    "WarpFrame",
    "make_atari",
    "make_mujoco_env",
    "make_robotics_env",
    "wrap_deepmind",
}
_GYM_CLASSES = {"Env": "env", "GoalEnv": "env"} | dict.fromkeys(
    ("Wrapper", "ObservationWrapper", "RewardWrapper", "ActionWrapper"), "wrapper"
)
_METHODS = {"reset", "step", "seed", "render"}


class Value(NamedTuple):
    """What an expression stands for, and the calls of ``gym.make`` that made it, if it is a single environment."""

    kind: str = UNKNOWN
    makes: tuple[cst.Call, ...] = ()

    def join(self, other: Value) -> Value:
        """What it is when it may be either."""
        return Value(self.kind if self.kind == other.kind else UNKNOWN, (*self.makes, *other.makes))


_NOTHING = Value()
Names = dict[str, Value]


class Kinds:
    """The outcome of following a script.

    Attributes:
        receivers: for calls of ``reset``, ``step``, ``seed`` and ``render``, whose they are.
        trained: calls of ``gym.make`` whose environment goes to a model or into a vectorized environment.
        env_classes: names of the script's classes of environments: ``"env"`` or ``"wrapper"``.

    Args:
        module: the script, parsed.
    """

    def __init__(self, module: cst.Module) -> None:
        self.receivers: dict[cst.Call, Value] = {}
        self.trained: set[cst.Call] = set()
        self.env_classes: dict[str, str] = {}
        self._vectorized_classes: set[str] = set()
        self._imports = dict(_imports(module))
        self._functions: dict[str, cst.FunctionDef] = {}
        self._returns: dict[str, Value] = {}
        self._arguments: dict[str, dict[str, Value]] = {}
        for node in _walk(module):
            if isinstance(node, cst.FunctionDef):
                self._functions[node.name.value] = node
            elif isinstance(node, cst.ClassDef):
                self._classify(node)
        for _ in range(3):  # calls show what functions get, and functions what calls return
            self._attributes: Names = getattr(self, "_attributes", {})
            self._block(module.body, {})

    def qualified(self, node: cst.CSTNode) -> str:
        """The dotted name of an expression, with imports followed; empty for what is not a dotted name."""
        name = get_full_name_for_node(node) or ""
        top, dot, rest = name.partition(".")
        return self._imports.get(top, top) + dot + rest

    def _classify(self, node: cst.ClassDef) -> None:
        for base in node.bases:
            name = self.qualified(base.value)
            last = name.rpartition(".")[2]
            if name.startswith("gym.") and last in _GYM_CLASSES:
                self.env_classes[node.name.value] = _GYM_CLASSES[last]
            elif name in self.env_classes:
                self.env_classes[node.name.value] = self.env_classes[name]
            elif name.startswith("stable_baselines") and last in ("VecEnv", "VecEnvWrapper"):
                self._vectorized_classes.add(node.name.value)

    # ------------------------------------------------------------ statements
    def _block(self, statements: Sequence[cst.CSTNode], names: Names) -> Names:
        later: list[cst.FunctionDef | cst.ClassDef] = []
        for statement in statements:
            if isinstance(statement, cst.FunctionDef | cst.ClassDef):
                later.append(statement)
            else:
                self._statement(statement, names)
        for definition in later:  # run when they are called, with what the names are then
            if isinstance(definition, cst.ClassDef):
                self._class(definition, names)
            else:
                self._function(definition, names)
        return names

    def _class(self, node: cst.ClassDef, names: Names) -> None:
        outer, self._attributes = self._attributes, {"self.training_env": Value(VECTORIZED), "self.model": Value(MODEL)}
        if node.name.value in self.env_classes:
            self._attributes = {"self.env": Value(SINGLE), "super()": Value(SINGLE)}
        elif node.name.value in self._vectorized_classes:
            self._attributes = {"self.venv": Value(VECTORIZED)}
        for _ in range(2):  # methods see what others assign
            self._block(node.body.body, dict(names))
        self._attributes = outer

    def _function(self, node: cst.FunctionDef, names: Names) -> None:
        inside = dict(names)
        given = self._arguments.get(node.name.value, {})
        for parameter in (*node.params.params, *node.params.kwonly_params):
            inside[parameter.name.value] = given.get(parameter.name.value, _NOTHING)
        self._block(node.body.body, inside)
        for part in _walk(node.body):
            if isinstance(part, cst.Return) and part.value is not None:
                value = self._value(part.value, inside)
                known = self._returns.get(node.name.value)
                self._returns[node.name.value] = value if known is None or known.kind == UNKNOWN else known

    def _statement(self, node: cst.CSTNode, names: Names) -> None:
        if isinstance(node, cst.Assign):
            value = self._value(node.value, names)
            for target in node.targets:
                self._assign(target.target, value, names)
        elif isinstance(node, cst.AnnAssign) and node.value is not None:
            self._assign(node.target, self._value(node.value, names), names)
        elif isinstance(node, cst.If):
            self._value(node.test, names)
            branches = [self._statement_copy(node.body, names)]
            if node.orelse is not None:
                branches.append(self._statement_copy(node.orelse, names))
            else:
                branches.append(dict(names))
            for name in {**branches[0], **branches[1]}:
                there = [branch[name] for branch in branches if name in branch]
                names[name] = there[0] if len(there) == 1 else there[0].join(there[1])
        elif isinstance(node, cst.With):
            for item in node.items:
                value = self._value(item.item, names)
                if item.asname is not None:
                    self._assign(item.asname.name, value, names)
            self._statement(node.body, names)
        elif isinstance(node, cst.IndentedBlock | cst.SimpleStatementLine | cst.SimpleStatementSuite):
            self._block(node.body, names)
        else:
            for child in node.children:
                if isinstance(child, cst.BaseExpression):
                    self._value(child, names)
                else:
                    self._statement(child, names)

    def _statement_copy(self, node: cst.CSTNode, names: Names) -> Names:
        inside = dict(names)
        self._statement(node.body if isinstance(node, cst.Else) else node, inside)
        return inside

    def _assign(self, target: cst.CSTNode, value: Value, names: Names) -> None:
        if isinstance(target, cst.Name):
            names[target.value] = value
        elif isinstance(target, cst.Attribute):
            key = get_full_name_for_node(target)
            if key is not None and (value.kind != UNKNOWN or key not in self._attributes):
                self._attributes[key] = value
        elif isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._assign(element.value, _NOTHING, names)

    # ------------------------------------------------------------ expressions
    def _value(self, node: cst.CSTNode, names: Names) -> Value:
        if isinstance(node, cst.Name):
            return names.get(node.value, _NOTHING)
        if isinstance(node, cst.Attribute):
            return self._attribute(node, names)
        if isinstance(node, cst.Call):
            return self._call(node, names)
        if isinstance(node, cst.IfExp):
            self._value(node.test, names)
            return self._value(node.body, names).join(self._value(node.orelse, names))
        inside = names
        if isinstance(node, cst.Lambda):
            inside = {**names, **{parameter.name.value: _NOTHING for parameter in node.params.params}}
        for child in node.children:
            self._value(child, inside)
        return _NOTHING

    def _attribute(self, node: cst.Attribute, names: Names) -> Value:
        owner, name = self._value(node.value, names), node.attr.value
        if owner.kind == MODEL and name == "env":
            return Value(VECTORIZED)
        if owner.kind == VECTORIZED and name in ("venv", "unwrapped"):
            return owner
        if owner.kind == SINGLE and name in ("env", "unwrapped"):
            return owner
        return self._attributes.get(get_full_name_for_node(node) or "", _NOTHING)

    def _call(self, node: cst.Call, names: Names) -> Value:
        values = [self._value(argument.value, names) for argument in node.args]
        function = node.func
        qualified = self.qualified(function)
        last = qualified.rpartition(".")[2]
        ours = qualified.startswith("stable_baselines")
        if isinstance(function, cst.Attribute):
            owner = self._value(function.value, names)
            if isinstance(function.value, cst.Call) and get_full_name_for_node(function.value.func) == "super":
                owner = self._attributes.get("super()", owner)
            if last in _METHODS or function.attr.value in _METHODS:
                self.receivers[node] = owner
            if owner.kind == MODEL:
                if function.attr.value == "set_env":
                    self._train(node, names)
                return {"learn": owner, "get_env": Value(VECTORIZED), "get_vec_normalize_env": Value(VECTORIZED)}.get(
                    function.attr.value, _NOTHING
                )
            if ours and last == "load" and qualified.split(".")[-2] in ALGORITHMS:
                self._train(node, names)
                return Value(MODEL)
            if ours and last == "load" and qualified.split(".")[-2] == "VecNormalize":
                return Value(VECTORIZED)
        else:
            self._value(function, names)
        makes = tuple(make for value in values for make in value.makes if value.kind == SINGLE)
        if qualified == "gym.make":
            return Value(SINGLE, (node,))
        if qualified == "gymnasium.make":
            return Value(MODERN)
        if ours and last in ALGORITHMS:
            self._train(node, names)
            return Value(MODEL)
        if (ours and last in _VECTORIZED) or qualified in self._vectorized_classes:
            self._train(node, names)
            return Value(VECTORIZED)
        if (ours and last in _SINGLE) or qualified in self.env_classes or qualified.startswith("gym.wrappers."):
            around = values[0].kind if values else UNKNOWN
            return Value(VECTORIZED if around == VECTORIZED else SINGLE, makes)
        if qualified in self._functions:
            self._note_arguments(self._functions[qualified], node, values)
            return self._returns.get(qualified, _NOTHING)
        return _NOTHING

    def _note_arguments(self, function: cst.FunctionDef, call: cst.Call, values: list[Value]) -> None:
        known = self._arguments.setdefault(function.name.value, {})
        positional = [parameter.name.value for parameter in function.params.params]
        for index, (argument, value) in enumerate(zip(call.args, values, strict=True)):
            name = (
                argument.keyword.value if argument.keyword else positional[index] if index < len(positional) else None
            )
            if name is not None:
                known[name] = known[name].join(value) if known.get(name, _NOTHING).kind != UNKNOWN else value

    def _train(self, call: cst.Call, names: Names) -> None:
        for argument in call.args:
            for node in _walk(argument):
                if isinstance(node, cst.Name):
                    self.trained.update(names.get(node.value, _NOTHING).makes)
                elif isinstance(node, cst.Call) and self.qualified(node.func) == "gym.make":
                    self.trained.add(node)


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _imports(module: cst.Module) -> Iterator[tuple[str, str]]:
    """Names that imports bind, and the dotted names of what they stand for."""
    for node in _walk(module):
        if isinstance(node, cst.Import):
            for alias in node.names:
                name = get_full_name_for_node(alias.name) or ""
                yield (alias.evaluated_alias, name) if alias.evaluated_alias else (name.split(".")[0],) * 2
        elif (
            isinstance(node, cst.ImportFrom) and node.module is not None and not isinstance(node.names, cst.ImportStar)
        ):
            package = get_full_name_for_node(node.module)
            for alias in node.names:
                yield alias.evaluated_alias or alias.evaluated_name, f"{package}.{alias.evaluated_name}"
