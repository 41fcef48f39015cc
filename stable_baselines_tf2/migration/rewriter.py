"""Rewrites scripts for Stable Baselines 2 and old gym to this library and gymnasium. Needs libcst.

Only what is certain is changed, and everything else is left as it was typed: formatting and comments stay. What needs a
human is reported with the number of its line.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import re
from collections.abc import Sequence
from importlib.machinery import PathFinder
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m
from libcst.helpers import get_full_name_for_node
from libcst.metadata import MetadataWrapper, PositionProvider

from stable_baselines_tf2.envs import env_ids
from stable_baselines_tf2.migration import tensorflow_names
from stable_baselines_tf2.migration.script_kinds import SINGLE, UNKNOWN, Kinds, Value

_DROPPED = {  # names of gym that gymnasium does not have, and what to do about them
    "gym.GoalEnv": "gymnasium has no GoalEnv: derive from gymnasium.Env and define compute_reward()",
    "gym.envs.registry": "the registry is a dictionary now, gymnasium.registry",
    "gym.envs.registration.registry": "the registry is a dictionary now, gymnasium.registry",
    "gym.wrappers.FlattenDictWrapper": "use gymnasium.wrappers.FilterObservation and FlattenObservation",
    "gym.wrappers.FrameStack": "now gymnasium.wrappers.FrameStackObservation(env, stack_size)",
    "gym.wrappers.GrayScaleObservation": "now gymnasium.wrappers.GrayscaleObservation",
    "gym.wrappers.Monitor": "now gymnasium.wrappers.RecordVideo, for an environment made with render_mode='rgb_array'",
    "gym.wrappers.PixelObservationWrapper": "now gymnasium.wrappers.AddRenderObservation",
    "gym.wrappers.monitoring": "now gymnasium.wrappers.RecordVideo",
}
_GENERATOR = {"randint": "integers", "random_sample": "random"}  # methods of RandomState, and of Generator
_RESET_PARAMETERS = "self, *, seed=None, options=None"


class Decision(NamedTuple):
    """Something that a human has to look at: the number of the line in the original and what it is about."""

    line: int
    text: str


class Rewritten(NamedTuple):
    """A script's new text and what was left open."""

    source: bytes
    decisions: list[Decision]


def rewrite(source: bytes) -> Rewritten:
    """Rewrites a script.

    Args:
        source: the script as it is in the file, in any encoding that it declares.

    Returns:
        The new one, in the same encoding and with the same ends of lines, and what was not rewritten.

    Raises:
        ValueError: it is not Python 3, or nested too deeply to be read.
    """
    try:
        wrapper = MetadataWrapper(_parsed(source))
        rewriter = _Rewriter(Kinds(wrapper.module))
        module = wrapper.visit(rewriter)
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is nested too deeply") from error
    return Rewritten(module.bytes, sorted(set(rewriter.decisions)))


def _parsed(source: bytes) -> cst.Module:
    line: int | None = None
    cause: Exception
    try:
        ast.parse(source)  # knows how deep is too deep, where libcst's parser would end the process
        return cst.parse_module(source)
    except SyntaxError as error:
        cause, line = error, error.lineno
    except cst.ParserSyntaxError as error:
        cause, line = error, error.raw_line
    except ValueError as error:  # bytes that are not text
        cause = error
    raise ValueError(f"{'' if line is None else f'line {line}: '}it is not Python 3") from cause


def new_lines(old: str, new: str, decisions: Sequence[Decision]) -> list[Decision]:
    """The same decisions with numbers of lines in the rewritten script."""
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    blocks = [(first, last, start) for _, first, last, start, _ in matcher.get_opcodes() if last > first]
    found = []
    for line, text in decisions:
        start, first = next(
            ((start, first) for first, last, start in blocks if first <= line - 1 < last), (line - 1,) * 2
        )
        found.append(Decision(start + line - first, text))
    return found


class _Scope(NamedTuple):
    """The function, and the kind of class, that the rewriter is in."""

    class_kind: str | None
    class_methods: frozenset[str]
    function: cst.FunctionDef | None


class _Rewriter(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, kinds: Kinds) -> None:
        super().__init__()
        self.kinds = kinds
        self.decisions: list[Decision] = []
        self.scopes = [_Scope(None, frozenset(), None)]
        self.used_names: set[str] = set()
        self.modes: dict[cst.Call, set[str]] = {}
        self.needs_show = self.needs_ale = False
        self.needs_graphs = False  # of TensorFlow 1
        self.handled: set[cst.CSTNode] = set()

    # ------------------------------------------------------------ before anything is changed
    def visit_Module(self, node: cst.Module) -> None:
        self.used_names = {name.value for name in m.findall(node, m.Name()) if isinstance(name, cst.Name)}
        names = [self.kinds.qualified(found) for found in m.findall(node, m.Attribute())]
        froms = [found for found in m.findall(node, m.ImportFrom()) if isinstance(found, cst.ImportFrom)]
        imported = [get_full_name_for_node(found.module) for found in froms if found.module]
        self.needs_graphs = any(map(_is_of_graphs, [*names, *filter(None, imported)]))
        for call, value in self.kinds.receivers.items():
            if value.kind == SINGLE and _method(call) == "render":
                mode = _render_mode(call)
                for make in value.makes:
                    self.modes.setdefault(make, set()).add(mode or "?")
        ids = {_text(string) or "" for string in m.findall(node, m.SimpleString())}
        for found in m.findall(node, m.Call()):
            if isinstance(found, cst.Call) and found.args and self.kinds.qualified(found.func) == "gym.make":
                made = _text(found.args[0].value)
                self.needs_ale |= any("NoFrameskip-v" in env_id for env_id in (ids if made is None else {made}))

    def _decide(self, node: cst.CSTNode, text: str) -> None:
        self.decisions.append(Decision(self.get_metadata(PositionProvider, node).start.line, text))

    def _fresh(self, name: str) -> str:
        while name in self.used_names:
            name += "_"
        return name

    def _kind(self, call: cst.CSTNode) -> Value:
        return self.kinds.receivers.get(call, Value()) if isinstance(call, cst.Call) else Value()

    # ------------------------------------------------------------ imports and names
    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        names = []
        for alias in updated_node.names:
            name = get_full_name_for_node(alias.name) or ""
            if name == "gym" or name.startswith("gym."):
                if alias.asname is None:  # all of its modules come with gymnasium itself
                    as_gym = cst.AsName(name=cst.Name("gym"))
                    alias = alias.with_changes(name=cst.Name("gymnasium"), asname=as_gym)
                else:
                    alias = alias.with_changes(name=_dotted("gymnasium" + name[3:]))
            elif name.startswith("mpi4py"):
                self._decide(original_node, "this library needs mpi4py only when it runs under mpirun: the extra mpi")
            names.append(alias)
        return updated_node.with_changes(names=names)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        name = (get_full_name_for_node(original_node.module) or "") if original_node.module is not None else ""
        if original_node.relative or not name:
            return updated_node
        if name.startswith("mpi4py"):
            self._decide(original_node, "this library needs mpi4py only when it runs under mpirun: the extra mpi")
        elif name.split(".")[0] == "stable_baselines":
            real = name.replace("stable_baselines", "stable_baselines_tf2", 1)
            if not _exists(real):
                self._decide(original_node, f"{real} does not exist")
        elif name.split(".")[0] == "gym":
            if not isinstance(original_node.names, cst.ImportStar):
                for alias in original_node.names:
                    self._check_gym_name(alias, f"{name}.{alias.evaluated_name}")
            return updated_node.with_changes(module=_dotted("gymnasium" + name[3:]))
        return updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        if original_node.value == "stable_baselines":
            return updated_node.with_changes(value="stable_baselines_tf2")
        return updated_node

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        name = self.kinds.qualified(original_node)
        self._check_gym_name(original_node, name)
        moved = tensorflow_names.MOVED.get(name.removeprefix("tensorflow.")) if name.startswith("tensorflow.") else None
        if moved is not None and not self.needs_graphs:
            address: cst.BaseExpression = updated_node.value
            for part in moved.split("."):
                address = cst.Attribute(address, cst.Name(part))
            return address
        if isinstance(original_node.value, cst.Attribute) and original_node.value.attr.value == "np_random":
            last = original_node.attr.value
            if last in _GENERATOR:
                return updated_node.with_changes(attr=cst.Name(_GENERATOR[last]))
            if last in ("rand", "randn"):
                self._decide(original_node, f"np_random is a numpy Generator now, which has no {last}()")
        return updated_node

    def _check_gym_name(self, node: cst.CSTNode, name: str) -> None:
        if name in _DROPPED:
            self._decide(node, f"{name}: {_DROPPED[name]}")

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        value = original_node.evaluated_value
        if value == "render.modes":
            return _with_text(updated_node, "render_modes")
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*-v\d+", value):
            current = env_ids.current_id(value)
            if current.kwargs:
                arguments = ", ".join(f"{name}={item!r}" for name, item in current.kwargs.items())
                self._decide(original_node, f"{value} is {current.id} with {arguments}")
            elif current.id != value:
                return _with_text(updated_node, current.id)
        return updated_node

    # ------------------------------------------------------------ calls of environments
    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        if original_node in self.modes:
            return self._with_mode(original_node, updated_node)
        value, method = self._kind(original_node), _method(original_node)
        if value.kind != SINGLE:
            return updated_node
        if method == "reset" and original_node not in self.handled:
            return cst.Subscript(updated_node, [cst.SubscriptElement(cst.Index(cst.Integer("0")))])
        if method == "step" and original_node not in self.handled:
            self._decide(
                original_node, "step() returns five values now: observation, reward, terminated, truncated, info"
            )
        if method == "seed" and original_node not in self.handled:
            self._decide(original_node, "environments are seeded by reset(seed=...) now, which returns something else")
        if method == "render":
            return self._render(original_node, updated_node, value)
        return updated_node

    def _mode_of(self, make: cst.Call) -> str | None:
        """The mode to make an environment with; None where that is unclear."""
        modes = self.modes[make]
        if modes == {"human"} and make not in self.kinds.trained:
            return "human"
        if modes <= {"human", "rgb_array"}:  # a window while it trains would slow training down
            return "rgb_array"
        return modes.copy().pop() if len(modes) == 1 and "?" not in modes else None

    def _with_mode(self, original: cst.Call, updated: cst.Call) -> cst.Call:
        mode = self._mode_of(original)
        if mode is None or any(
            argument.keyword and argument.keyword.value == "render_mode" for argument in updated.args
        ):
            return updated
        first = updated.args[0].value if updated.args else None
        quote = first.quote if isinstance(first, cst.SimpleString) and len(first.quote) == 1 else '"'
        arguments = list(updated.args)
        if arguments and not isinstance(arguments[-1].comma, cst.Comma):
            arguments[-1] = arguments[-1].with_changes(comma=_COMMA)
        return updated.with_changes(
            args=[*arguments, _keyword("render_mode", cst.SimpleString(f"{quote}{mode}{quote}"))]
        )

    def _render(self, original: cst.Call, updated: cst.Call, value: Value) -> cst.BaseExpression:
        mode = _render_mode(original)
        made = {self._mode_of(make) for make in value.makes}
        if mode is None or len(made) != 1 or None in made:
            if value.makes or original.args:  # a bare render() of the script's own environment stays right
                self._decide(original, "the render mode is an argument of gymnasium.make() now, not of render()")
            return updated
        plain = updated.with_changes(args=[])
        if mode == "human" and made == {"rgb_array"}:
            self.needs_show = True
            return cst.Call(cst.Name("show"), [cst.Arg(plain)])
        return plain

    # ------------------------------------------------------------ statements
    def visit_Expr(self, node: cst.Expr) -> None:
        if self._kind(node.value).kind == SINGLE:
            self.handled.add(node.value)  # its result is not used

    def visit_Return(self, node: cst.Return) -> None:
        function = self.scopes[-1].function
        if self.scopes[-1].class_kind and function is not None and _method(node.value) == function.name.value:
            self.handled |= {node.value} if node.value is not None else set()  # handed on as it is

    def visit_Assign(self, node: cst.Assign) -> None:
        if self._kind(node.value).kind != SINGLE or len(node.targets) != 1:
            return
        target, method = node.targets[0].target, _method(node.value)
        if method == "reset" and isinstance(target, cst.Name | cst.Attribute | cst.Subscript):
            self.handled.add(node.value)
        if method == "step" and _is_unpacking(target):
            self.handled.add(node.value)

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> cst.Expr | cst.Assign:
        call = original_node.value
        if not isinstance(call, cst.Call) or not isinstance(updated_node.value, cst.Call):
            return updated_node
        if self._kind(call).kind == SINGLE and _method(call) == "seed":
            arguments = updated_node.value.args
            if len(arguments) > 1:
                self._decide(original_node, "environments are seeded by reset(seed=...) now")
                return updated_node
            reset = updated_node.value.func.with_changes(attr=cst.Name("reset"))
            seeds = [_keyword("seed", argument.value) for argument in arguments]
            return updated_node.with_changes(value=updated_node.value.with_changes(func=reset, args=seeds))
        if self.kinds.qualified(call.func) in ("gym.logger.set_level", "gym.logger.setLevel") and len(call.args) == 1:
            level = cst.Attribute(updated_node.value.func.value, cst.Name("min_level"))  # type: ignore[attr-defined]
            return cst.Assign([cst.AssignTarget(level)], updated_node.value.args[0].value)
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        self._tell_unknown(original_node)
        body, last = self._assignments(original_node.body, updated_node.body)
        updated_node = updated_node.with_changes(body=body)
        return updated_node if last is None else cst.FlattenSentinel([updated_node, cst.SimpleStatementLine([last])])

    def leave_SimpleStatementSuite(
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> cst.SimpleStatementSuite:
        self._tell_unknown(original_node)
        body, last = self._assignments(original_node.body, updated_node.body)
        if last is not None:
            body = [*body[:-1], body[-1].with_changes(semicolon=_SEMICOLON), last]
        return updated_node.with_changes(body=body)

    def _tell_unknown(self, node: cst.SimpleStatementLine | cst.SimpleStatementSuite) -> None:
        """Tells of what looks like an environment, but may be of either kind."""
        for call in m.findall(node, m.Call(func=m.Attribute())):
            if not isinstance(call, cst.Call) or self._kind(call).kind != UNKNOWN:
                continue
            receiver = get_full_name_for_node(call.func.value) or ""  # type: ignore[attr-defined]
            if "env" not in receiver.lower():
                continue
            if _method(call) in ("reset", "step", "seed"):
                self._decide(
                    call,
                    f"{receiver}.{_method(call)}(): is {receiver} a single environment, as gymnasium has them, "
                    "or a vectorized one, which is as it was?",
                )

    def _assignments(
        self, originals: Sequence[cst.BaseSmallStatement], updated: Sequence[cst.BaseSmallStatement]
    ) -> tuple[list[cst.BaseSmallStatement], cst.Assign | None]:
        """The small statements of a line after rewriting, and one for a line of its own after that."""
        body: list[cst.BaseSmallStatement] = []
        last = None
        for original, new in zip(originals, updated, strict=True):
            method = _method(original.value) if isinstance(original, cst.Assign) else None
            if not isinstance(original, cst.Assign) or original.value not in self.handled:
                body.append(new)
                continue
            assert isinstance(new, cst.Assign)
            if method == "reset":
                target = new.targets[0]
                second = cst.Name("info" if self._keeps_info() else "_")
                pair = cst.Tuple([cst.Element(target.target, comma=_COMMA), cst.Element(second)], lpar=[], rpar=[])
                body.append(new.with_changes(targets=[target.with_changes(target=pair)]))
            elif method == "step":
                unpacked, done = self._unpacked(new)
                body.append(unpacked)
                if done is not None and original is originals[-1]:
                    last = done
                elif done is not None:
                    body.append(done.with_changes(semicolon=_SEMICOLON))
            else:
                body.append(new)
        return body, last

    def _keeps_info(self) -> bool:
        """Whether a wrapper's ``reset`` is to hand on the info of the environment."""
        scope = self.scopes[-1]
        return scope.class_kind == "wrapper" and scope.function is not None and scope.function.name.value == "reset"

    def _unpacked(self, statement: cst.Assign) -> tuple[cst.Assign, cst.Assign | None]:
        target = statement.targets[0]
        sequence = target.target
        assert isinstance(sequence, cst.Tuple | cst.List)
        obs, reward, done, info = sequence.elements
        ignored = m.matches(done.value, m.Name("_")) and not self.scopes[-1].class_kind
        names = ["_", "_"] if ignored else [self._fresh("terminated"), self._fresh("truncated")]
        comma = done.comma
        ended = [cst.Element(cst.Name(name), comma=comma) for name in names]
        five = sequence.with_changes(elements=[obs, reward, *ended, info])
        changed = statement.with_changes(targets=[target.with_changes(target=five)])
        if ignored:
            return changed, None
        either = cst.BooleanOperation(cst.Name(names[0]), cst.Or(), cst.Name(names[1]))
        return changed, cst.Assign([cst.AssignTarget(cst.ensure_type(done, cst.Element).value)], either)  # type: ignore[arg-type]

    # ------------------------------------------------------------ classes of environments
    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        methods = frozenset(part.name.value for part in node.body.body if isinstance(part, cst.FunctionDef))
        self.scopes.append(_Scope(self.kinds.env_classes.get(node.name.value), methods, None))

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        self.scopes.pop()
        return updated_node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        scope = self.scopes[-1]
        inside = scope.class_kind if scope.function is None else None
        self.scopes.append(_Scope(inside, scope.class_methods, node))

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        scope = self.scopes.pop()
        if scope.class_kind is None:
            return updated_node
        name = original_node.name.value
        if name == "reset":
            return self._reset_method(original_node, updated_node, scope)
        if name == "render" and len(original_node.params.params) > 1:
            self._decide(
                original_node,
                "render() has no argument in gymnasium, the mode is self.render_mode; this library understands both",
            )
        return updated_node

    def _reset_method(self, original: cst.FunctionDef, updated: cst.FunctionDef, scope: _Scope) -> cst.FunctionDef:
        parameters = original.params
        names = [parameter.name.value for parameter in (*parameters.params, *parameters.kwonly_params)]
        if "seed" in names:
            return updated
        if names != ["self"] or parameters.star_arg not in (cst.MaybeSentinel.DEFAULT, None):
            self._decide(original, f"reset() has the parameters ({_RESET_PARAMETERS}) in gymnasium")
            return updated
        if scope.class_kind == "wrapper":
            if parameters.star_kwarg is None:
                self._decide(original, f"reset() should take {_RESET_PARAMETERS} and hand them on")
            return updated
        lines = ["super().reset(seed=seed)"]
        if "seed" in scope.class_methods:
            lines.append("if seed is not None:\n    self.seed(seed)")
        body = updated.body
        if parameters.star_kwarg is not None or not isinstance(body, cst.IndentedBlock):
            self._decide(original, f"reset() has the parameters ({_RESET_PARAMETERS}) in gymnasium")
            return updated
        calls = m.findall(original, m.Call(func=m.Attribute(m.Call(m.Name("super")), m.Name("reset"))))
        if calls:
            self._decide(calls[0], "super().reset() should be given the seed: super().reset(seed=seed)")
            lines = lines[1:]
        start = 1 if original.get_docstring() is not None else 0
        added = [cst.parse_statement(line) for line in lines]
        signature = cst.parse_statement(f"def reset({_RESET_PARAMETERS}): pass")
        assert isinstance(signature, cst.FunctionDef)
        return updated.with_changes(
            params=signature.params,
            body=body.with_changes(body=[*body.body[:start], *added, *body.body[start:]]),
        )

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> cst.Return:
        scope = self.scopes[-1]
        if scope.class_kind is None or scope.function is None or original_node.value in self.handled:
            return updated_node
        name, value = scope.function.name.value, updated_node.value
        if value is None or name not in ("reset", "step"):
            return updated_node
        if name == "reset":
            if isinstance(value, cst.Tuple) and len(value.elements) == 2:
                self._decide(original_node, "reset() returns two values, observation and info")
                return updated_node
            second: cst.BaseExpression = cst.Dict([])
            if scope.class_kind == "wrapper" and self._assigns_reset(scope.function):
                second = cst.Name("info")
            pair = cst.Tuple([cst.Element(value, comma=_COMMA), cst.Element(second)], lpar=[], rpar=[])
            return _spaced(updated_node.with_changes(value=pair))
        if not isinstance(value, cst.Tuple) or len(value.elements) != 4:
            self._decide(original_node, "step() returns five values: observation, reward, terminated, truncated, info")
            return updated_node
        obs, reward, done, info = value.elements
        comma = done.comma
        if scope.class_kind == "wrapper" and self._unpacks_step(scope.function):
            truncated = cst.Name(self._fresh("truncated"))
            terminated: cst.BaseExpression = cst.Name(self._fresh("terminated"))
            if not self._only_unpacked(scope.function, done.value):
                ended = done.value if isinstance(done.value, cst.Name) else _in_parentheses(done.value)
                terminated = cst.BooleanOperation(ended, cst.And(), cst.UnaryOperation(cst.Not(), truncated))
            elements = [cst.Element(terminated, comma=comma), cst.Element(truncated, comma=comma)]
        else:
            elements = [done, cst.Element(cst.Name("False"), comma=comma)]  # type: ignore[list-item]
        return updated_node.with_changes(value=value.with_changes(elements=[obs, reward, *elements, info]))

    def _assigns_reset(self, function: cst.FunctionDef) -> bool:
        return any(node.value in self.handled and _method(node.value) == "reset" for node in _assigns(function))

    def _unpacks_step(self, function: cst.FunctionDef) -> bool:
        return any(node.value in self.handled and _method(node.value) == "step" for node in _assigns(function))

    def _only_unpacked(self, function: cst.FunctionDef, done: cst.BaseExpression) -> bool:
        """Whether ``done`` is nothing but what the environment's ``step`` gave."""
        if not isinstance(done, cst.Name):
            return False
        stores = [
            node
            for node in m.findall(function, m.AssignTarget() | m.AugAssign() | m.AnnAssign())
            if m.findall(node.target, m.Name(done.value))  # type: ignore[attr-defined]
        ]
        return len(stores) == 1

    # ------------------------------------------------------------ new imports
    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        lines = []
        if self.needs_show:
            lines.append("from stable_baselines_tf2.common.window import show")
        if self.needs_ale and not m.findall(original_node, m.ImportAlias(m.Name("ale_py"))):
            lines.append("import ale_py  # registers the Atari games")
        statements = list(updated_node.body)
        if self.needs_graphs:
            first = ["import stable_baselines_tf2.migration", "stable_baselines_tf2.migration.use_tensorflow_1()"]
            place = _place_of_first_import(statements)
            statements[place:place] = [cst.parse_statement(line) for line in first]
        place = 1 + max(
            (
                index
                for index, line in enumerate(statements)
                if m.findall(line, m.Import() | m.ImportFrom()) and m.matches(line, m.SimpleStatementLine())
            ),
            default=-1,
        )
        return updated_node.with_changes(
            body=[*statements[:place], *(cst.parse_statement(line) for line in lines), *statements[place:]]
        )


def _place_of_first_import(statements: Sequence[cst.CSTNode]) -> int:
    """Where imports begin: after a docstring and ``from __future__``."""
    for index, line in enumerate(statements):
        imports = m.findall(line, m.Import() | m.ImportFrom())
        future = m.findall(line, m.ImportFrom(module=m.Name("__future__")))
        if imports and not future:
            return index
    return 0


def _is_of_graphs(name: str) -> bool:
    """Whether a dotted name belongs to TensorFlow 1's graphs and sessions."""
    parts = name.split(".")
    return parts[0] == "tensorflow" and len(parts) > 1 and parts[1] in tensorflow_names.GRAPH


_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
_SEMICOLON = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))


def _method(node: cst.CSTNode | None) -> str | None:
    """The name of the method that is called, if this is such a call."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        return node.func.attr.value
    return None


def _render_mode(call: cst.Call) -> str | None:
    """The mode in a call of ``render``; None where it is not a literal."""
    if not call.args:
        return "human"
    argument = call.args[0]
    if len(call.args) > 1 or (argument.keyword and argument.keyword.value != "mode"):
        return None
    return _text(argument.value)


def _text(node: cst.CSTNode) -> str | None:
    """The text of a literal string; None for anything else."""
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else None
    return value if isinstance(value, str) else None


def _is_unpacking(target: cst.CSTNode) -> bool:
    return (
        isinstance(target, cst.Tuple | cst.List)
        and len(target.elements) == 4
        and all(isinstance(element, cst.Element) for element in target.elements)
    )


def _assigns(function: cst.FunctionDef) -> list[cst.Assign]:
    return [node for node in m.findall(function, m.Assign()) if isinstance(node, cst.Assign)]


def _dotted(name: str) -> cst.Name | cst.Attribute:
    node = cst.parse_expression(name)
    assert isinstance(node, cst.Name | cst.Attribute)
    return node


def _keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    no_space = cst.SimpleWhitespace("")
    equal = cst.AssignEqual(whitespace_before=no_space, whitespace_after=no_space)
    return cst.Arg(value, keyword=cst.Name(name), equal=equal)


def _with_text(string: cst.SimpleString, text: str) -> cst.SimpleString:
    return string.with_changes(value=f"{string.prefix}{string.quote}{text}{string.quote}")


def _in_parentheses(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])


def _spaced(node: cst.Return) -> cst.Return:
    return node.with_changes(whitespace_after_return=cst.SimpleWhitespace(" "))


def _exists(module: str) -> bool:
    """Whether this library has a module; looks without importing, as that may load TensorFlow."""
    package, *parts = module.split(".")
    path: Sequence[str] | None = importlib.import_module(package).__path__
    for part in parts:
        package = f"{package}.{part}"
        spec = PathFinder.find_spec(package, path) if path is not None else None
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True
