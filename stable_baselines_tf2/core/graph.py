"""Graphs of TensorFlow 1, and how they run inside of compiled functions.

Code that was written for sessions builds a `tf.Graph` once. Training needs the same arithmetic as a differentiable
function of one weight vector. `GraphFunction` cuts out of a graph what some of its tensors depend on, with inputs where
placeholders, variables and random numbers stood; `GraphSession` runs what a program asks a session for in the same way,
and leaves what has effects (assignments, files) to TensorFlow's own session.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from stable_baselines_tf2.core.compiled import FlatFunction
from stable_baselines_tf2.core.graph_layers import LegacyGraph, eagerly, library_shapes
from stable_baselines_tf2.core.graph_numpy import NumpyGraph, Unsupported, is_supported
from stable_baselines_tf2.core.parameters import Parameters
from stable_baselines_tf2.core.types import Tensor

v1 = tf.compat.v1

# Operations that draw random numbers, and those that draw them for a given key and counter.
RANDOM = {
    "RandomStandardNormal": "StatelessRandomNormalV2",
    "RandomUniform": "StatelessRandomUniformV2",
    "RandomUniformInt": "StatelessRandomUniformIntV2",
    "TruncatedNormal": "StatelessTruncatedNormalV2",
}
READS = {"Identity", "ReadVariableOp", "IsVariableInitialized", "VarIsInitializedOp", "VariableShape", "Shape"}
ASSIGNMENTS = {
    "Assign": "assign",
    "AssignAdd": "assign_add",
    "AssignSub": "assign_sub",
    "AssignVariableOp": "assign",
    "AssignAddVariableOp": "assign_add",
    "AssignSubVariableOp": "assign_sub",
}
VARIABLES = {"VariableV2", "VarHandleOp"}
PHILOX = 1  # the algorithm that gives the same numbers with and without XLA
PARALLEL = {"While", "StatelessWhile", "If", "StatelessIf", "PartitionedCall", "StatefulPartitionedCall"}
NUMPY_WEIGHT_LIMIT = 4_000_000  # beyond this many weights, TensorFlow's threads are the faster ones
LARGE = {"Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput"}  # better on several threads


class MissingValue(ValueError):
    """A placeholder that something depends on is not among the inputs."""


class _Place(NamedTuple):
    """Where a graph's variable has its values: in the vector of one of the networks, or in a variable of its own."""

    part: int  # -1: in a variable of its own
    place: int


class GraphParameters(Parameters):
    """The weights of a network whose variables are a graph's.

    Args:
        host: the graph.
        variables: the graph's variables, in the order of their creation.
    """

    def __init__(self, host: GraphHost, variables: Sequence[tf.Variable]) -> None:
        super().__init__(variables)
        self._host = host

    @property
    def vector(self) -> tf.Tensor:
        if self._vector is None:
            self._vector = self._host.read(self.variables)
        return self._vector

    def sync(self) -> None:
        """The variables follow whenever the session runs: nothing to do."""


class GraphHost:
    """A graph, its session, and the networks whose weights its variables are.

    Args:
        seed: of the graph's random numbers; None draws others each time.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.graph = LegacyGraph()
        self.graph.seed = seed
        self.parts: list[Parameters] = []
        self.owners: list[Any] = []  # the policies; the first one's generator draws random numbers for sessions
        self.derived: dict[int, Derived] = {}  # by the identity of the tensor, which the policy keeps
        self._initial: list[tf.Tensor] = []  # their first vectors
        self._loaded: list[Any] = []  # the vectors that the session's variables hold
        self._places: dict[str, _Place] = {}
        self._own: list[tf.Variable] = []  # values of variables that are no network's weights
        self._own_names: list[str] = []
        self._part_variables: list[list[Any]] = []
        self._initialized: set[str] = set()
        self._library: tuple[int, Any] | None = None
        self._variables: dict[str, Any] = {}
        self._loaders: dict[str, tuple[Any, Any]] = {}  # a placeholder and an assignment, by name of the variable

    @functools.cached_property
    def session(self) -> GraphSession:
        """The session."""
        return GraphSession(self)

    # ------------------------------------------------------------ variables
    def include(self, params: Parameters) -> None:
        """Makes variables of the graph for weights, unless it has them."""
        if not any(part is params for part in self.parts):
            with self.graph.as_default(), tf.control_dependencies(None), v1.variable_scope("", reuse=v1.AUTO_REUSE):
                pairs = zip(params.names, params.shapes, strict=True)
                variables = [v1.get_variable(name.removesuffix(":0"), list(shape)) for name, shape in pairs]
            self.add_part(variables, params)

    def add_part(self, variables: Sequence[tf.Variable], params: Parameters | None = None) -> Parameters:
        """Makes variables of the graph the weights of a network.

        Args:
            variables: the variables.
            params: weights that exist outside of the graph, of the same shapes; new ones if None.
        """
        self.initialize()
        for i, variable in enumerate(variables):
            self._places[variable.op.name] = _Place(len(self.parts), i)
            variable.load = functools.partial(self._load_one, variable)  # TensorFlow's own needs a graph around it
        self.parts.append(params or GraphParameters(self, variables))
        self._part_variables.append(list(variables))
        self._loaded.append(None)
        self._initial.append(self.parts[-1].vector)
        return self.parts[-1]

    def draw_again(self) -> None:
        """Draws new initial weights, unless the present ones come from training or from a file."""
        drawn: list[Any] = []
        for params, variables, initial in zip(self.parts, self._part_variables, self._initial, strict=True):
            for variable, now, first in zip(variables, params.arrays(), params.arrays(initial), strict=True):
                if _is_drawn(variable):
                    drawn.append(variable)
                    if not np.array_equal(now, first):
                        return
        self.session.run([variable.initializer for variable in drawn])
        self._initial = [params.vector for params in self.parts]

    def trainable(self, scope: str) -> list[Any]:
        """The trainable variables within a scope, in the order of their creation."""
        return [
            v for v in self.graph.get_collection(v1.GraphKeys.TRAINABLE_VARIABLES) if v.name.startswith(f"{scope}/")
        ]

    def knows(self, variable: tf.Variable) -> bool:
        """Whether a variable has its place: as a network's weight, or as something else."""
        return variable.op.name in self._places

    def variable(self, name: str) -> Any:
        """A variable by the name of its operation."""
        if name not in self._variables:
            found = (v for key in self.graph.get_all_collection_keys() for v in self.graph.get_collection_ref(key))
            self._variables = {v.op.name: v for v in found if isinstance(v, tf.Variable)}
        if name not in self._variables:
            raise NotImplementedError(f"the variable {name!r} is in none of the graph's collections")
        return self._variables[name]

    def initialize(self) -> None:
        """Gives initial values to variables that have none yet."""
        keys = (v1.GraphKeys.GLOBAL_VARIABLES, v1.GraphKeys.LOCAL_VARIABLES)
        new = [v for key in keys for v in self.graph.get_collection(key) if v.op.name not in self._initialized]
        if new:
            with self.graph.as_default():
                self.session.run_as_it_is(v1.variables_initializer(new))
        self._initialized.update(v.op.name for v in new)

    def place(self, name: str) -> _Place:
        """Where the values of a variable are; one that is no network's weight gets a place of its own for them."""
        if name not in self._places:
            self.initialize()
            variable = self.variable(name)
            with eagerly():
                self._own.append(tf.Variable(self.session.run_as_it_is(variable), trainable=False))
            self._own_names.append(name)
            self._places[name] = _Place(-1, len(self._own) - 1)
        return self._places[name]

    def own(self, index: int) -> tf.Variable:
        """The values of a variable that is no network's weight."""
        return self._own[index]

    def read(self, variables: Sequence[tf.Variable]) -> tf.Tensor:
        """What the session holds, as one vector."""
        arrays = self.session.run_as_it_is(list(variables))
        flat = [np.asarray(array, np.float32).ravel() for array in arrays]
        with eagerly():
            return tf.constant(np.concatenate(flat) if flat else np.zeros(0, np.float32))

    def load(self) -> None:
        """Brings the session's variables up to date."""
        for i, params in enumerate(self.parts):
            if self._loaded[i] is not params.vector:
                self._loaded[i] = params.vector
                self._assign([v.op.name for v in self._part_variables[i]], params.arrays())
        self._assign(self._own_names, [own.numpy() for own in self._own])

    def store(self) -> None:
        """Takes over what the session has assigned."""
        for i, params in enumerate(self.parts):
            vector = self.read(self._part_variables[i])
            if not np.array_equal(vector, params.vector):
                params.advance(vector)
            self._loaded[i] = params.vector
        for name, own in zip(self._own_names, self._own, strict=True):
            own.assign(self.session.run_as_it_is(self.variable(name)))

    def _load_one(self, variable: tf.Variable, value: Tensor, session: object = None) -> None:
        placeholder, operation = self._loader(variable.op.name)
        self.session.run(operation, {placeholder: value})

    def _assign(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
        loaders = [self._loader(name) for name in names]
        feed = {loader[0]: array for loader, array in zip(loaders, arrays, strict=True)}
        self.session.run_as_it_is([operation for _, operation in loaders], feed)

    def _loader(self, name: str) -> tuple[Any, Any]:
        if name not in self._loaders:
            variable = self.variable(name)
            with self.graph.as_default(), tf.control_dependencies(None):
                value = v1.placeholder(variable.dtype.base_dtype, variable.shape, name="new_value")
                self._loaders[name] = value, v1.assign(variable, value).op
        return self._loaders[name]

    def random_key(self) -> np.ndarray:
        """What the random numbers of one run follow from, [1]."""
        return self.owners[0].generator.integers(2**63, size=1, dtype=np.uint64)

    # ------------------------------------------------------------ definitions
    def library(self) -> Any:
        """The functions (bodies of loops and the like) that the graph's operations call."""
        if self._library is None or self._library[0] != self.graph.version:
            self._library = self.graph.version, self.graph.as_graph_def().library
        return self._library[1]


class GraphFunction:
    """Tensors of a graph as a function of weights and other tensors of it.

    Args:
        host: the graph.
        outputs: the tensors to compute.
        inputs: tensors whose values the calls give: placeholders, or any other.
        probed: tensors to subtract something from, before they are used.

    Raises:
        MissingValue: an output depends on a placeholder that is not among the inputs.
        NotImplementedError: it depends on something that only a session can do.
    """

    def __init__(
        self, host: GraphHost, outputs: Sequence[Tensor], inputs: Sequence[Tensor], probed: Sequence[Any] = ()
    ) -> None:
        self.host = host
        self._probed = {tensor.name: f"probed_{i}" for i, tensor in enumerate(probed)}
        self.operations: list[Any] = []
        self.inputs = [host.graph.as_graph_element(tensor) for tensor in inputs]
        self.outputs = [_as_tensor(output) for output in outputs]
        self._given = {tensor.name: i for i, tensor in enumerate(self.inputs)}
        self.reads: dict[str, _Place] = {}  # tensors that are variables, or reads of them
        self._assign: list[tuple[str, tf.Variable, Any]] = []
        self._random: list[str] = []
        self._normals: Any = None  # what the only operation that is random draws
        self.kinds: set[str] = set()  # of operations
        self._definition = v1.GraphDef()
        self._collect()
        for i, (name, probed) in enumerate(self._probed.items()):
            node = self._definition.node.add(name=probed, op="Sub", input=[name, f"probe_{i}:0"])
            node.attr["T"].type = tf.float32.as_datatype_enum
        self._definition.versions.CopyFrom(host.graph.graph_def_versions)
        self._call = tf.function(self.compute, autograph=False)
        self.twice_differentiable = False  # for gradients of gradients, at which XLA compiles anew for each input
        if self.kinds & PARALLEL:
            self._definition.library.CopyFrom(host.library())

    @property
    def assigns(self) -> bool:
        """Whether it also assigns variables."""
        return bool(self._assign)

    @property
    def ordered(self) -> list[tf.Operation]:
        """Its operations, each after those that it depends on: as they were made."""
        return sorted(self.operations, key=lambda operation: operation._id)

    @property
    def is_random(self) -> bool:
        """Whether the outputs depend on random numbers."""
        return bool(self._random)

    @property
    def is_small(self) -> bool:
        """Whether it consists of operations that one thread computes as fast as several."""
        return not self.kinds & (PARALLEL | LARGE)

    @property
    def is_simple(self) -> bool:
        """Whether it is a small network of common operations, which NumPy computes and XLA compiles."""
        n_weights = sum(sum(self.host.parts[part].sizes) for part in self.parts)
        return n_weights <= NUMPY_WEIGHT_LIMIT and is_supported(self)

    @property
    def parts(self) -> list[int]:
        """The networks whose weights it takes."""
        return sorted({place.part for place in self.reads.values() if place.part >= 0})

    # ------------------------------------------------------------ cutting
    def _collect(self) -> None:
        """Copies the definitions of all operations that the outputs depend on."""
        seen: set[str] = set()
        pending = [tensor.op for tensor in self.outputs if not self._is_cut(tensor)]
        while pending:
            operation = pending.pop()
            if operation.name in seen:
                continue
            seen.add(operation.name)
            if operation.type in ASSIGNMENTS:
                value = operation.inputs[1]
                variable = self.host.own(self._own_place(operation))
                self._assign.append((ASSIGNMENTS[operation.type], variable, value))
                pending += [] if self._is_cut(value) else [value.op]
                continue
            self._check(operation)
            self.operations.append(operation)
            self._copy(operation)
            pending += [tensor.op for tensor in operation.inputs if not self._is_cut(tensor)]
            pending += [op for op in operation.control_inputs if op.type not in VARIABLES]

    def _own_place(self, operation: tf.Operation) -> int:
        place = self.host.place(_variable_name(operation.inputs[0]))
        if place.part >= 0:
            raise NotImplementedError(f"{operation.name} assigns weights, which training itself changes")
        return place.place

    def _is_cut(self, tensor: Tensor) -> bool:
        """Whether the value of a tensor comes from elsewhere."""
        if tensor.name in self._given or tensor.name in self.reads:
            return True
        kind = tensor.op.type
        if kind == "VariableV2" or (kind == "ReadVariableOp" and tensor.op.inputs[0].op.type == "VarHandleOp"):
            self.reads[tensor.name] = self.host.place(_variable_name(tensor))
            return True
        if kind in ASSIGNMENTS:  # a value after an assignment
            self.reads[tensor.name] = self.host.place(_variable_name(tensor.op.inputs[0]))
        return False

    def _check(self, operation: tf.Operation) -> None:
        kind = operation.type
        self.kinds.add(kind)
        if kind == "Placeholder":
            raise MissingValue(f"a value for the placeholder {operation.name!r} is needed, and not given")
        if kind == "VarHandleOp":
            raise NotImplementedError(
                f"the variable {operation.name!r} is read inside of a loop; make it before, with tf.get_variable()"
            )
        if kind in RANDOM or kind in PARALLEL:
            return
        if operation.op_def.is_stateful and kind not in READS:
            raise NotImplementedError(f"{operation.name} ({kind}) has effects, and runs in a session only")

    def _copy(self, operation: tf.Operation) -> None:
        node = self._definition.node.add()
        node.CopyFrom(operation.node_def)
        node.attr.pop("_class", None)  # which variable it stood beside
        node.device = ""
        controls = [op.name for op in operation.control_inputs if op.type not in VARIABLES and not _assigns(op)]
        del node.input[:]
        node.input.extend(self._probed.get(tensor.name, tensor.name) for tensor in operation.inputs)
        if operation.type in RANDOM:
            self._random.append(operation.name)
            only_one = operation.type == "RandomStandardNormal" and len(self._random) == 1
            self._normals = operation.outputs[0] if only_one else None
            node.op = RANDOM[operation.type]
            shape, *bounds = list(node.input)
            del node.input[:]
            counter = f"counter_{len(self._random)}:0"
            node.input.extend([shape, "random_key:0", counter, "random_algorithm:0", *bounds])
            for attribute in ("seed", "seed2"):
                node.attr.pop(attribute, None)
            shape_type, values_type = node.attr.pop("T"), node.attr.pop("Tout", None)
            node.attr["Tshape"].CopyFrom(shape_type)
            if values_type is not None:
                node.attr["dtype"].CopyFrom(values_type)
        node.input.extend(f"^{name}" for name in controls)

    # ------------------------------------------------------------ running
    def __call__(
        self,
        vectors: Mapping[int, Tensor],
        inputs: Sequence[Tensor],
        noise: Tensor = None,
        probes: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """The outputs, differentiable; for use in compiled functions.

        Args:
            vectors: weights of the networks in `parts`, [n] each.
            inputs: values of the inputs.
            noise: standard normals, which take the place of those that the graph draws if that is in one operation;
                others follow from them. From the weights and inputs if None.
            probes: what to subtract from the probed tensors.
        """
        key = None if noise is None else _derived_key([noise])
        if tf.executing_eagerly() or self.twice_differentiable:
            # Gradient tapes follow calls of functions, but not operations that are imported.
            return self._call({part: vectors[part] for part in self.parts}, list(inputs), key, noise, list(probes))
        parts, n_inputs = self.parts, len(inputs)

        @tf.custom_gradient
        def outputs(*tensors: Tensor) -> Any:
            weights, rest = dict(zip(parts, tensors, strict=False)), tensors[len(parts) :]
            found = self.compute(weights, rest[:n_inputs], key, noise, rest[n_inputs:])
            floating = [tensor for tensor in tensors if tensor.dtype.is_floating]

            def gradient(*upstream: Tensor) -> list[Tensor | None]:
                known = iter(tf.gradients(found, floating, list(upstream), unconnected_gradients="zero"))
                return [next(known) if tensor.dtype.is_floating else None for tensor in tensors]

            return found, gradient

        given = [tf.convert_to_tensor(value) for value in inputs]
        found: list[Tensor] = outputs(*(vectors[part] for part in parts), *given, *probes)
        return found

    def compute(
        self,
        vectors: Mapping[int, Tensor],
        inputs: Sequence[Tensor],
        key: Tensor = None,
        noise: Tensor = None,
        probes: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """The same, but not differentiable; ``key`` is what random numbers follow from, uint64 [1]."""
        given = [_fit(value, tensor) for value, tensor in zip(inputs, self.inputs, strict=True)]
        mapping = {name: given[i] for name, i in self._given.items()}
        weights = {part: self.host.parts[part].unflatten(vectors[part]) for part in self.parts}
        for name, (part, place) in self.reads.items():
            mapping[name] = weights[part][place] if part >= 0 else self.host.own(place).read_value()
        if noise is not None and self._normals is not None and self._normals.shape.rank == noise.shape.rank:
            mapping[self._normals.name] = noise
        if self._random:
            mapping["random_key:0"] = _derived_key([*vectors.values(), *given]) if key is None else key
            mapping["random_algorithm:0"] = tf.constant(PHILOX)
            for i in range(1, len(self._random) + 1):
                mapping[f"counter_{i}:0"] = tf.constant([0, i], tf.uint64)
        wanted = [*self.outputs, *(value for *_, value in self._assign)]
        computed = [tensor for tensor in wanted if tensor.name not in mapping]
        names = [tensor.name for tensor in computed]
        mapping |= {f"probe_{i}:0": probe for i, probe in enumerate(probes)}
        used = {name: value for name, value in mapping.items() if self._uses(name)}
        with library_shapes():
            found = (
                tf.graph_util.import_graph_def(self._definition, used, self._after_probes(names), name="graph")
                if names
                else []
            )
        values = mapping | dict(zip(names, found, strict=True))
        for method, variable, value in self._assign:
            getattr(variable, method)(values[value.name])
        return [values[tensor.name] for tensor in self.outputs]

    def _after_probes(self, names: Sequence[str]) -> list[str]:
        return [f"{self._probed[name]}:0" if name in self._probed else name for name in names]

    def _uses(self, name: str) -> bool:
        return any(name in node.input for node in self._definition.node)


def _as_tensor(value: Tensor) -> Any:
    """The tensor that holds a variable's value, or the tensor itself."""
    return value if isinstance(value, tf.Tensor) else tf.convert_to_tensor(value)


def _variable_name(tensor: Tensor) -> str:
    """The name of the variable that a reference, handle or read belongs to."""
    operation = tensor.op
    return (operation.inputs[0].op if operation.type == "ReadVariableOp" else operation).name


def _is_drawn(variable: tf.Variable) -> bool:
    """Whether the initial value of a variable is random."""
    pending = [variable.initializer]
    while pending:
        operation = pending.pop()
        if operation.type in RANDOM:
            return True
        pending += [tensor.op for tensor in operation.inputs if tensor.op.type not in VARIABLES]
    return False


def _assigns(operation: tf.Operation) -> bool:
    return operation.type in ASSIGNMENTS


def _fit(value: Any, tensor: Tensor) -> Tensor:
    """A value for a tensor of a graph, as that tensor's type and shape."""
    value = tf.cast(value, tensor.dtype.base_dtype)
    if tensor.shape.rank is None or (value.shape.is_fully_defined() and tensor.shape.is_compatible_with(value.shape)):
        return value
    return tf.ensure_shape(value, tensor.shape)  # which XLA compiles anew for other values


def _derived_key(tensors: Sequence[Tensor]) -> Tensor:
    """A key for random numbers that is another one for other weights or inputs."""
    bits = [
        tf.reduce_sum(tf.bitcast(tensor, tf.int32) if tensor.dtype == tf.float32 else tf.cast(tensor, tf.int32))
        for tensor in tensors
    ]
    return tf.reshape(tf.bitcast(tf.cast(tf.add_n(bits), tf.int64), tf.uint64), (1,))


class Derived(NamedTuple):
    """A tensor that follows from the parameters of a policy's action distributions, as NumPy computes it too."""

    flat: Any  # those parameters, [B, n]
    compute: Callable[[np.ndarray, Sequence[str]], list[Any]]  # what several such tensors are
    name: str  # what this one is to the function


class _Run:
    """What a session was asked for, as a function of weights and fed values.

    Raises:
        NotImplementedError: it has effects.
        MissingValue: a placeholder is not fed.
    """

    def __init__(self, host: GraphHost, fetches: Sequence[Any], feeds: Sequence[Any]) -> None:
        self._host = host
        self._function = GraphFunction(host, fetches, feeds)
        self._feeds = self._function.inputs
        self._types = [tensor.dtype.base_dtype.as_numpy_dtype for tensor in self._feeds]
        # Plain lists, None for an unknown dimension: reading a TensorShape costs as much as a small layer.
        self._shapes = [None if t.shape.rank is None else t.shape.as_list() for t in self._feeds]
        self._compute: Callable[[list[np.ndarray]], list[Any]] = self._numpy() or self._compiled()

    def _numpy(self) -> NumpyGraph | None:
        try:
            return NumpyGraph(self._function) if self._function.is_simple else None
        except Unsupported:
            return None

    def _compiled(self) -> Callable[[list[np.ndarray]], list[Any]]:
        function, parts = self._function, [self._host.parts[part] for part in self._function.parts]

        def compute(*arguments: Tensor) -> list[Tensor]:
            vectors = dict(zip(function.parts, arguments, strict=False))
            first, last = len(parts), len(parts) + len(self._feeds)
            return function.compute(vectors, arguments[first:last], *arguments[last:])

        weights = [tf.TensorSpec(params.vector.shape) for params in parts]
        specifications = [tf.TensorSpec(tensor.shape, tensor.dtype.base_dtype) for tensor in self._feeds]
        key = [tf.TensorSpec((1,), tf.uint64)] if function.is_random else []
        with eagerly():
            compiled = FlatFunction(compute, [*weights, *specifications, *key], in_caller=function.is_small)

        def run(arrays: list[np.ndarray]) -> list[Any]:
            key = [self._host.random_key()] if function.is_random else []
            arguments = [*(params.vector for params in parts), *arrays, *key]
            if tf.executing_eagerly():
                return [output.numpy() for output in compiled(arguments)]
            with eagerly():
                return [output.numpy() for output in compiled(arguments)]

        return run

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        arrays = [np.asarray(value, kind) for value, kind in zip(values, self._types, strict=True)]
        for array, shape, tensor in zip(arrays, self._shapes, self._feeds, strict=True):
            if not _fits(array.shape, shape):
                raise ValueError(f"{tensor.name} takes values of shape {tensor.shape}, not of shape {array.shape}")
        return self._compute(arrays)


def _fits(found: tuple[int, ...], shape: list[int | None] | None) -> bool:
    if shape is None or list(found) == shape:
        return True
    return len(found) == len(shape) and all(n in (None, size) for n, size in zip(shape, found, strict=True))


class _DerivedRun:
    """The same, where some of the tensors follow from the parameters of one policy's distributions."""

    def __init__(self, host: GraphHost, fetches: Sequence[Any], feeds: Sequence[Any]) -> None:
        self._derived = {i: host.derived[id(tensor)] for i, tensor in enumerate(fetches) if id(tensor) in host.derived}
        self._names = [derived.name for derived in self._derived.values()]
        self._places = list(self._derived)
        first = next(iter(self._derived.values()))
        self._derive = first.compute
        self._others = [i for i in range(len(fetches)) if i not in self._derived]
        self._run = _Run(host, [first.flat, *(fetches[i] for i in self._others)], feeds)

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        flat, *others = self._run(values)
        found = dict(zip(self._places, self._derive(flat, self._names), strict=True))
        found.update(zip(self._others, others, strict=True))
        return [found[i] for i in range(len(found))]


class GraphSession(tf.compat.v1.Session):
    """A session on the weights of a model.

    What only computes runs as a compiled function of the current weights. What has effects runs in TensorFlow's own
    session, which gets the weights before and whose assignments are taken over.

    Args:
        host: the graph.
    """

    def __init__(self, host: GraphHost) -> None:
        super().__init__(graph=host.graph)
        self._host = host
        self._runs: dict[
            tuple[int, ...], tuple[_Run | _DerivedRun | None, Any]
        ] = {}  # by the identities of what is kept

    def run_as_it_is(self, fetches: object, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """`run` of TensorFlow's own session, on what it holds."""
        return super().run(fetches, feed_dict)

    def run(
        self,
        fetches: object,
        feed_dict: Mapping[Any, Any] | None = None,
        options: object = None,
        run_metadata: object = None,
    ) -> Any:
        """See ``tf.compat.v1.Session.run``."""
        feed = feed_dict or {}
        several = type(fetches) in (list, tuple)
        asked: Any = fetches if several else [fetches]
        key = (several, *map(id, asked), -1, *map(id, feed))
        if key not in self._runs:
            self._runs[key] = self._compile(tf.nest.flatten(fetches), list(feed)), (fetches, list(feed))
        run = self._runs[key][0]
        if run is None or options is not None or run_metadata is not None:
            return self._run_with_effects(fetches, feed, options, run_metadata)
        values = run(list(feed.values()))
        if not several and isinstance(fetches, tf.Tensor | tf.Variable):
            return values[0]
        if several and not any(map(tf.nest.is_nested, asked)):  # the usual case, without the cost of the general one
            return values if type(fetches) is list else tuple(values)
        return tf.nest.pack_sequence_as(fetches, values)

    def _compile(self, fetches: Sequence[Any], feeds: Sequence[Any]) -> _Run | _DerivedRun | None:
        if not all(isinstance(fetch, tf.Tensor | tf.Variable) for fetch in fetches):
            return None
        sources = {id(derived.flat) for derived in map(self._host.derived.get, map(id, fetches)) if derived is not None}
        kind = _DerivedRun if len(sources) == 1 else _Run
        try:
            return kind(self._host, fetches, feeds)
        except NotImplementedError:  # TensorFlow's own session does it
            return None
        except MissingValue as error:  # what sessions raise
            raise tf.errors.InvalidArgumentError(None, None, f"{error}: pass it in feed_dict") from None

    def _run_with_effects(self, fetches: object, feed: Mapping[Any, Any], options: object, run_metadata: object) -> Any:
        self._host.load()
        try:
            return super().run(fetches, feed, options, run_metadata)
        finally:
            self._host.store()
