"""Policies of users, recognised by the names and shapes of their parameters.

A file of Stable Baselines only names a class that a script defined (``utils.CustomPolicy``), or holds its code, which
is not executed. Most such classes merely gave arguments to one of the built-in policies. So this module lists what the
parameters of the built-in policies are called and how large they are, for all arguments that come into question, and
sees which of them gives exactly the parameters of the file. TensorFlow is not needed for that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gymnasium import spaces

from stable_baselines_tf2.envs.spaces import is_box, is_image, width
from stable_baselines_tf2.files.pickle_tree import PACKAGE, Call, Global, Pairs, shown_name
from stable_baselines_tf2.files.pickled_functions import function_code

Shape = tuple[int, ...]
Layout = list[tuple[str, Shape]]  # parameters of a policy, in the order in which files hold them
MAX_LAYERS = 8  # of a branch; more are not looked for

# What a class may say about itself without being more than arguments for its base class.
_PLAIN_ATTRIBUTES = {"__module__", "__doc__", "__qualname__", "__init__", "__abstractmethods__", "__slotnames__"}
_PLAIN_NAMES = {"super", "__init__", "dict", "list", "tuple", "tf", "tensorflow", "nn"}
_ACTIVATIONS = {
    "relu",
    "tanh",
    "elu",
    "sigmoid",
    "selu",
    "leaky_relu",
    "softplus",
    "softsign",
    "relu6",
    "swish",
    "crelu",
}


class PolicyArchitecture(NamedTuple):
    """A built-in policy and arguments for it.

    Attributes:
        family: ``"common"`` (actor-critic), ``"deepq"``, ``"sac"``, ``"td3"`` or ``"ddpg"``.
        name: name of the class.
        kwargs: its arguments; ``act_fun`` is among them, as name, if the file holds it.
    """

    family: str
    name: str
    kwargs: dict[str, Any]

    @property
    def module(self) -> str:
        """Where the class is."""
        return f"{PACKAGE}.{self.family}.policies"

    def __str__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.kwargs.items())
        return f"{self.family}.{self.name}({arguments})"


class NotRecognised(ValueError):
    """A policy cannot be expressed by the built-in classes; the message says why."""


def recognise_policy(
    node: object, parameters: Mapping[str, Any] | Sequence[Any], data: Mapping[str, Any], family: str
) -> PolicyArchitecture:
    """The built-in policy that has the parameters of a file.

    Args:
        node: the policy in the tree of the pickle (see `unpickle.parse`): a name, or a class with its code.
        parameters: arrays by name, or in order.
        data: the hyperparameters; ``observation_space`` and ``action_space`` are used.
        family: what the algorithm's policies belong to, see `PolicyArchitecture`.

    Raises:
        NotRecognised: none has, or more than one, or its code does more than to choose arguments.
    """
    act_fun = _activation_of_class(node)
    for name in ("observation_space", "action_space"):
        if not isinstance(data.get(name), spaces.Space):
            raise NotRecognised(f"the {name} of the file is missing")
    named = isinstance(parameters, Mapping)
    arrays = list(parameters.values()) if isinstance(parameters, Mapping) else list(parameters)
    shapes = [tuple(array.shape) for array in arrays]
    given: Layout = list(zip(parameters if named else [""] * len(shapes), shapes, strict=True))
    found: dict[str, PolicyArchitecture] = {}
    for candidate, layout in _candidates(family, shapes, data["observation_space"], data["action_space"]):
        if _is_layout_of(given, layout) if named else _is_shape_of(shapes, layout, family):
            found.setdefault(str(candidate), candidate)
    usual = {key: policy for key, policy in found.items() if _has_equal_branches(policy)}
    if not named and len(usual) == 1:  # shapes alone may be ambiguous; branches of different sizes are rare
        found = usual
    if len(found) != 1:
        how_many = "no built-in policy has" if not found else f"several built-in policies ({', '.join(found)}) have"
        raise NotRecognised(f"{how_many} the parameters of the file")
    (policy,) = found.values()
    return policy._replace(kwargs={**policy.kwargs, **({"act_fun": act_fun} if act_fun else {})})


def _is_layout_of(given: Layout, layout: Layout) -> bool:
    """Whether a policy has exactly the file's parameters of that scope, the first in the file."""
    scope = f"{layout[-1][0].partition('model/')[0]}model/"
    rest = [name for name, _ in given[len(layout) :] if name != "model/log_ent_coef:0"]  # SAC's, not its policy's
    return given[: len(layout)] == layout and not any(name.startswith(scope) for name in rest)


def _is_shape_of(shapes: list[Shape], layout: Layout, family: str) -> bool:
    """The same, where the file has no names."""
    own = [shape for _, shape in layout]
    if family == "deepq":  # one number, then copies of the network
        copies, rest = divmod(len(shapes) - 1, len(own) - 1)
        return rest == 0 and shapes == own[:1] + own[1:] * copies
    return shapes[: len(own)] == own


def _has_equal_branches(policy: PolicyArchitecture) -> bool:
    net_arch = policy.kwargs.get("net_arch")
    return net_arch is None or (isinstance(net_arch[0], dict) and net_arch[0]["pi"] == net_arch[0]["vf"])


def _activation_of_class(node: object) -> str | None:
    """The activation function that the code of a class names; None for a class that is only named, or names none.

    Raises:
        NotRecognised: the class does more than to choose arguments.
    """
    if isinstance(node, Global):
        return None
    name = shown_name(node)
    attributes = _class_attributes(node)
    for key, value in attributes.items():
        if key not in _PLAIN_ATTRIBUTES and not key.startswith("_abc_"):
            raise NotRecognised(f"{name} defines {key!r:.60}")
        if key == "__init__" and isinstance(value, Call):
            code = function_code(value)
            used = {part for part in code.names if isinstance(part, str)} - _PLAIN_NAMES - {_class_name(node)}
            activations = used & _ACTIVATIONS
            if used - activations or len(activations) > 1 or _has_code(code.constants):
                raise NotRecognised(f"the constructor of {name} uses {', '.join(sorted(used))[:100] or 'functions'}")
            return next(iter(activations), None)
    return None


def address_of_class(node: object) -> tuple[str, str]:
    """Module and name of the class that a file names, or holds the code of.

    Raises:
        NotRecognised: it is no class.
    """
    if isinstance(node, Global):
        return node.module, node.name
    return str(_class_attributes(node).get("__module__", "__main__")), _class_name(node)


def _has_code(constants: Sequence[Any]) -> bool:
    return any(isinstance(part, Call) for part in constants)


def _class_parts(node: object) -> tuple[Any, Any]:
    """The call that makes a class, and the attributes it gets."""
    if not isinstance(node, Call):
        raise NotRecognised("it is not a class")
    if node.path == "cloudpickle.cloudpickle._rehydrate_skeleton_class" and len(node.args) == 2:
        return node.args
    state = node.state
    return node, state[0] if type(state) is tuple and state else None


def _class_attributes(node: object) -> dict[str, Any]:
    attributes = _class_parts(node)[1]
    if not isinstance(attributes, Pairs):
        raise NotRecognised("it is not a class")
    return {str(key): value for key, value in attributes}


def _class_name(node: object) -> str:
    made = _class_parts(node)[0]
    return next((part for part in getattr(made, "args", ()) if isinstance(part, str)), "")


# ---------------------------------------------------------------- what the built-in policies' parameters are
def _candidates(
    family: str, shapes: list[Shape], ob_space: spaces.Space, ac_space: spaces.Space
) -> Iterator[tuple[PolicyArchitecture, Layout]]:
    """Policies that are not out of the question for these shapes, with their parameters."""
    n_actions = width(ac_space)
    images = any(len(shape) == 4 for shape in shapes)
    if images and not is_image(ob_space):
        return
    image_shape = ob_space.shape if images else None
    if family == "common":
        yield from _actor_critics(shapes, width(ob_space), n_actions, is_box(ac_space), image_shape)
        return
    # The network of images ends with a matrix; the values of actions that DQN gets from it come next.
    n_before = 0 if not images else 2 if family == "deepq" else 1
    for layers, layer_norm, dueling in itertools.product(
        _layer_sizes(shapes, n_before), (False, True), (True, False) if family == "deepq" else (False,)
    ):
        kind = f"{'Ln' if layer_norm else ''}{'Cnn' if images else 'Mlp'}Policy"
        kwargs: dict[str, Any] = {} if layers == [64, 64] else {"layers": layers}
        if family == "deepq" and not dueling:
            if layer_norm:
                continue  # LnMlpPolicy always is
            kwargs["dueling"] = False
        layout = _OFF_POLICY[family](_Network(layers, layer_norm, image_shape), width(ob_space), n_actions, dueling)
        yield PolicyArchitecture(family, kind, kwargs), layout


def _layer_sizes(shapes: list[Shape], n_before: int) -> list[list[int]]:
    """Sizes that the hidden layers may have: those of the first matrices after some others, up to any of them."""
    sizes = [shape[1] for shape in shapes if len(shape) == 2][n_before : n_before + MAX_LAYERS]
    return [sizes[:n] for n in range(1, len(sizes) + 1)]


def _linear(path: str, n_inputs: int, n_outputs: int, names: tuple[str, str] = ("w", "b")) -> Layout:
    return [(f"{path}/{names[0]}:0", (n_inputs, n_outputs)), (f"{path}/{names[1]}:0", (n_outputs,))]


def _nature_cnn(path: str, image: Shape) -> tuple[Layout, int]:
    """The layers for images, and the number of features that they give."""
    layout: Layout = []
    height, width, channels = image
    for name, size, stride, n_filters in (("c1", 8, 4, 32), ("c2", 4, 2, 64), ("c3", 3, 1, 64)):
        layout += [
            (f"{path}/{name}/w:0", (size, size, channels, n_filters)),
            (f"{path}/{name}/b:0", (1, n_filters, 1, 1)),
        ]
        height, width, channels = (height - size) // stride + 1, (width - size) // stride + 1, n_filters
    return layout + _linear(f"{path}/fc1", height * width * channels, 512), 512


# ---------------------------------------------------------------- actor-critic policies
def _actor_critics(
    shapes: list[Shape], n_inputs: int, n_actions: int, gaussian: bool, image: Shape | None
) -> Iterator[tuple[PolicyArchitecture, Layout]]:
    kind = "Cnn" if image else "Mlp"
    features: Layout = []
    if image:
        features, n_inputs = _nature_cnn("model", image)
    sizes = [shape[1] for shape in shapes[len(features) :] if len(shape) == 2]

    def heads(n_policy: int, n_value: int) -> Layout:
        deviation: Layout = [("model/pi/logstd:0", (1, n_actions))] if gaussian else []
        return [
            *_linear("model/vf", n_value, 1),
            *_linear("model/pi", n_policy, n_actions),
            *deviation,
            *_linear("model/q", n_value, n_actions),
        ]

    if image:
        yield PolicyArchitecture("common", "CnnPolicy", {}), features + heads(n_inputs, n_inputs)
    else:
        for n_shared, n_policy, n_value in itertools.product(range(min(len(sizes), MAX_LAYERS) + 1), repeat=3):
            if n_shared + n_policy + n_value <= len(sizes):
                yield _branched(sizes, n_inputs, n_shared, n_policy, n_value, heads)
    for n_before in (0,) if image else range(min(len(sizes), MAX_LAYERS)):
        if n_before >= len(sizes) or sizes[n_before] % 4:
            continue
        n_lstm = sizes[n_before] // 4
        layers = sizes[:n_before]
        layout = list(features)
        width = n_inputs
        for i, size in enumerate(layers):
            layout += _linear(f"model/pi_fc{i}", width, size)
            width = size
        for layer_norm in (False, True):
            arguments: dict[str, Any] = {} if n_lstm == 256 else {"n_lstm": n_lstm}
            if not image and layers != [64, 64]:
                arguments["layers"] = layers
            yield (
                PolicyArchitecture("common", f"{kind}{'Ln' if layer_norm else ''}LstmPolicy", arguments),
                layout + _lstm(width, n_lstm, layer_norm) + heads(n_lstm, n_lstm),
            )


def _branched(
    sizes: list[int], n_inputs: int, n_shared: int, n_policy: int, n_value: int, heads: Callable[[int, int], Layout]
) -> tuple[PolicyArchitecture, Layout]:
    """A dense policy whose first layers have these sizes, in the order of the file: shared, then in turns."""
    layout: Layout = []
    remaining = iter(sizes)
    shared = list(itertools.islice(remaining, n_shared))
    for i, size in enumerate(shared):
        layout += _linear(f"model/shared_fc{i}", n_inputs, size)
        n_inputs = size
    widths = {"pi": n_inputs, "vf": n_inputs}
    branches: dict[str, list[int]] = {"pi": [], "vf": []}
    for i in range(max(n_policy, n_value)):
        for branch, depth in (("pi", n_policy), ("vf", n_value)):
            if i < depth:
                size = next(remaining)
                layout += _linear(f"model/{branch}_fc{i}", widths[branch], size)
                widths[branch] = size
                branches[branch].append(size)
    net_arch: list[Any] = [*shared, branches] if n_policy or n_value else shared
    usual = net_arch == [{"pi": [64, 64], "vf": [64, 64]}]
    policy = PolicyArchitecture("common", "MlpPolicy", {} if usual else {"net_arch": net_arch})
    return policy, layout + heads(widths["pi"], widths["vf"])


def _lstm(n_inputs: int, size: int, layer_norm: bool) -> Layout:
    wide = {"gx": 4, "bx": 4, "gh": 4, "bh": 4, "gc": 1, "bc": 1} if layer_norm else {}
    return [
        ("model/lstm1/wx:0", (n_inputs, 4 * size)),
        ("model/lstm1/wh:0", (size, 4 * size)),
        ("model/lstm1/b:0", (4 * size,)),
        *((f"model/lstm1/{name}:0", (times * size,)) for name, times in wide.items()),
    ]


# ---------------------------------------------------------------- policies of the algorithms with a replay buffer
class _Network(NamedTuple):
    """What the networks of an off-policy algorithm have in common."""

    layers: list[int]
    layer_norm: bool
    image: Shape | None

    def features(self, path: str, n_inputs: int) -> tuple[Layout, int]:
        return _nature_cnn(path, self.image) if self.image else ([], n_inputs)

    def hidden(self, path: str, n_inputs: int, n_late: int = 0) -> tuple[Layout, int]:
        """The hidden layers, and their width; ``n_late`` inputs enter after the first of them."""
        layout: Layout = []
        for i, size in enumerate(self.layers):
            layout += _linear(f"{path}/fc{i}", n_inputs, size, ("kernel", "bias"))
            layout += self.norm(path, i)
            n_inputs = size + (n_late if i == 0 else 0)
        return layout, n_inputs

    def norm(self, path: str, i: int) -> Layout:
        scope = f"{path}/LayerNorm{f'_{i}' if i else ''}"
        return [(f"{scope}/{name}:0", (self.layers[i],)) for name in ("beta", "gamma")] if self.layer_norm else []


def _output(path: str, n_inputs: int, n_outputs: int) -> Layout:
    return _linear(path, n_inputs, n_outputs, ("kernel", "bias"))


def _actor(network: _Network, n_inputs: int, outputs: Sequence[str], n_actions: int) -> Layout:
    features, n_inputs = network.features("model/pi", n_inputs)
    hidden, width = network.hidden("model/pi", n_inputs)
    return [*features, *hidden, *(row for name in outputs for row in _output(f"model/pi/{name}", width, n_actions))]


def _critics(network: _Network, n_inputs: int, n_actions: int, names: Sequence[str]) -> Layout:
    layout, n_inputs = network.features("model/values_fn", n_inputs)
    for name in names:
        path = f"model/values_fn/{name}"
        hidden, width = network.hidden(path, n_inputs + (0 if name == "vf" else n_actions))
        layout = layout + hidden + _output(f"{path}/{name}", width, 1)
    return layout


def _sac(network: _Network, n_inputs: int, n_actions: int, _: bool) -> Layout:
    actor = _actor(network, n_inputs, ("dense", "dense_1"), n_actions)
    return actor + _critics(network, n_inputs, n_actions, ("vf", "qf1", "qf2"))


def _td3(network: _Network, n_inputs: int, n_actions: int, _: bool) -> Layout:
    return _actor(network, n_inputs, ("dense",), n_actions) + _critics(network, n_inputs, n_actions, ("qf1", "qf2"))


def _ddpg(network: _Network, n_inputs: int, n_actions: int, _: bool) -> Layout:
    actor = _actor(network, n_inputs, ("pi",), n_actions)
    features, n_inputs = network.features("model/qf", n_inputs)
    hidden, width = network.hidden("model/qf", n_inputs, n_late=n_actions)
    return [*actor, *features, *hidden, *_output("model/qf/qf_output", width, 1)]


def _dqn(network: _Network, n_inputs: int, n_actions: int, dueling: bool) -> Layout:
    path = "deepq/model/action_value"
    layout: Layout = [("deepq/eps:0", ())]
    features, n_inputs = network.features(path, n_inputs)
    # With images, only the stream of the state's value has hidden layers.
    streams = [(path, network._replace(layers=[]) if network.image else network, n_actions)]
    if dueling:
        streams.append(("deepq/model/state_value", network, 1))
    layout += features
    for scope, stream, n_outputs in streams:
        width = n_inputs
        for i, size in enumerate([*stream.layers, n_outputs]):
            layout += _linear(f"{scope}/fully_connected{f'_{i}' if i else ''}", width, size, ("weights", "biases"))
            layout += stream.norm(scope, i) if i < len(stream.layers) else []
            width = size
    return layout


_OFF_POLICY: dict[str, Callable[[_Network, int, int, bool], Layout]] = {
    "deepq": _dqn,
    "sac": _sac,
    "td3": _td3,
    "ddpg": _ddpg,
}
