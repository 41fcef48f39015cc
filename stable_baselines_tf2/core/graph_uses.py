"""How a graph uses its weights, for optimizers that need to know (see `core.probes`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from stable_baselines_tf2.core import probes
from stable_baselines_tf2.core.graph import GraphFunction
from stable_baselines_tf2.core.types import Tensor

PRODUCTS = {"MatMul", "Conv2D"}
SUMS = {"Add", "AddV2"}


class _Use(NamedTuple):
    weights: int  # places among the weights
    bias: int | None
    inputs: Any  # tensors of the graph; None for a vector
    outputs: Any
    product: Any  # the operation that multiplies


class ProbedFunction:
    """A `GraphFunction` of one network that also reports uses of its weights to `probes.listen`.

    A first pass gives the inputs of all products. In a second one zeros are subtracted from the outputs: the gradients
    with respect to them are those of the outputs, negative, which squares do not show. (Sums at this place make
    TensorFlow's optimizer of graphs fail.)

    Args:
        function: the function.
        variables: the network's weights.
    """

    def __init__(self, function: GraphFunction, variables: Sequence[tf.Variable]) -> None:
        self._function, self._variables = function, list(variables)
        self._uses = list(self._find(function))
        products = {use.outputs.name: use.outputs for use in self._uses}
        inputs = {use.inputs.name: use.inputs for use in self._uses if use.inputs is not None}
        self._seen = [*inputs.values(), *products.values()]
        self._n_inputs = len(inputs)
        self._first = GraphFunction(function.host, self._seen, function.inputs)
        self._second = GraphFunction(function.host, function.outputs, function.inputs, list(products.values()))

    def __call__(self, vectors: Mapping[int, Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """See `GraphFunction.__call__`."""
        found = self._first(vectors, inputs)
        values = dict(zip([tensor.name for tensor in self._seen], found, strict=True))
        # Made of what depends on the weights, so that tapes follow them.
        zeros = [0.0 * value for value in found[self._n_inputs :]]
        names = [tensor.name for tensor in self._seen[self._n_inputs :]]
        taken = dict(zip(names, zeros, strict=True))
        for use in self._uses:
            bias = None if use.bias is None else self._variables[use.bias]
            given = None if use.inputs is None else self._operand(use, values[use.inputs.name])
            probes.report(self._variables[use.weights], taken[use.outputs.name], given, bias)
        return self._second(vectors, inputs, probes=zeros)

    @staticmethod
    def _operand(use: _Use, inputs: Tensor) -> Tensor:
        """What the weights are multiplied with: the inputs, or patches of them."""
        if use.product.type == "MatMul":
            return inputs
        height, width, *_ = use.product.inputs[1].shape.as_list()
        strides, padding = use.product.get_attr("strides"), use.product.get_attr("padding").decode()
        return tf.image.extract_patches(inputs, (1, height, width, 1), strides, (1, 1, 1, 1), padding)

    def _find(self, function: GraphFunction) -> Any:
        reads = {name: place.place for name, place in function.reads.items() if place.part >= 0}
        operations = function.ordered
        consumers: dict[str, list[Any]] = {}
        for operation in operations:
            for tensor in operation.inputs:
                consumers.setdefault(tensor.name, []).append(operation)

        def weight(tensor: Tensor) -> int | None:
            if tensor.name in reads:
                return reads[tensor.name]
            return weight(tensor.op.inputs[0]) if tensor.op.type == "Identity" else None

        reported: set[str] = set()
        for operation in operations:
            if operation.type in PRODUCTS:
                kernel = weight(operation.inputs[1])
                if kernel is None:
                    continue
                product, bias = operation.outputs[0], None
                users = consumers.get(product.name, [])
                follower = users[0] if len(users) == 1 else None
                if follower is not None and follower.type in SUMS | {"BiasAdd"}:
                    bias = next((found for found in map(weight, follower.inputs) if found is not None), None)
                    product = product if bias is None else follower.outputs[0]
                homogeneous = bias is not None and product.op.type == "BiasAdd"
                reported.update([product.op.name] if homogeneous else [])
                yield _Use(kernel, bias if homogeneous else None, operation.inputs[0], product, operation)
            elif operation.type in SUMS and operation.name not in reported:
                vector = next((found for found in map(weight, operation.inputs) if found is not None), None)
                if (
                    vector is not None
                    and math.prod(self._variables[vector].shape.as_list()) == operation.outputs[0].shape[-1]
                ):
                    yield _Use(vector, None, None, operation.outputs[0], operation)
