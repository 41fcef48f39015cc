"""Action distributions: what a policy's outputs mean, for each kind of action space.

A *type* belongs to a space: it says how many parameters a distribution has, makes them from the policy's latent vector
and draws the raw noise that sampling needs. A *distribution* is one batch of parameters; the arithmetic is TensorFlow
Probability's.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from stable_baselines_tf2.common.tf_layers import linear
from stable_baselines_tf2.core.graph_layers import in_graph
from stable_baselines_tf2.core.naming import named_layer
from stable_baselines_tf2.core.probes import copies
from stable_baselines_tf2.core.types import Tensor
from stable_baselines_tf2.envs.spaces import kind_of, width


@functools.cache
def _tfd() -> Any:
    """TensorFlow Probability's distributions; a second to import, so only when first needed."""
    import tensorflow_probability

    return tensorflow_probability.distributions


class ProbabilityDistribution:
    """A batch of distributions over actions.

    Attributes:
        tfp: the TensorFlow Probability distribution that computes.
    """

    tfp: Any

    def flatparam(self) -> Tensor:
        """The parameters as one tensor [B, n_parameters]."""
        raise NotImplementedError

    def mode(self) -> Tensor:
        """The most probable action, [B, …]."""
        raise NotImplementedError

    def neglogp(self, x: Tensor) -> Tensor:
        """Negative log-probability (density) of the actions, [B]."""
        return -self.logp(x)

    def logp(self, x: Tensor) -> Tensor:
        """Log-probability (density) of the actions, [B]."""
        return self.tfp.log_prob(x)

    def kl(self, other: ProbabilityDistribution) -> Tensor:
        """Kullback-Leibler divergence from this distribution to another of its kind, [B]."""
        return self.tfp.kl_divergence(other.tfp)

    def entropy(self) -> Tensor:
        """Entropy, [B]."""
        return self.tfp.entropy()

    def parameters(self) -> Any:
        """What ``action_probability`` reports: probabilities, or mean and standard deviation; nothing if unknown."""
        return []

    def sample(self, noise: Tensor | None = None) -> Tensor:
        """Random actions, [B, …].

        Args:
            noise: the raw random numbers to use, as the type's ``draw_noise`` makes them; new ones if None.
        """
        raise NotImplementedError


class CategoricalProbabilityDistribution(ProbabilityDistribution):
    """One choice among n, from ``logits`` [B, n]."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.tfp = _tfd().Categorical(logits=logits, dtype=tf.int64)

    def flatparam(self) -> Tensor:
        return self.logits

    def mode(self) -> Tensor:
        return tf.argmax(self.logits, axis=-1)

    def parameters(self) -> Tensor:
        return tf.nn.softmax(self.logits)

    def logp(self, x: Tensor) -> Tensor:
        return self.tfp.log_prob(tf.cast(x, tf.int64))

    def sample(self, noise: Tensor | None = None) -> Tensor:
        if noise is None:
            noise = tf.random.uniform(tf.shape(self.logits))
        return tf.argmax(self.logits - tf.math.log(-tf.math.log(noise)), axis=-1)  # Gumbel's trick

    @classmethod
    def fromflat(cls, flat: Tensor) -> CategoricalProbabilityDistribution:
        """The distribution with these parameters."""
        return cls(flat)


class MultiCategoricalProbabilityDistribution(ProbabilityDistribution):
    """Several independent choices, from their logits side by side, [B, sum(nvec)]."""

    def __init__(self, nvec: Sequence[int] | np.ndarray, flat: Tensor) -> None:
        self.flat = flat
        self.nvec = [int(n) for n in nvec]
        self.categoricals = [CategoricalProbabilityDistribution(part) for part in tf.split(flat, self.nvec, axis=-1)]

    def flatparam(self) -> Tensor:
        return self.flat

    def mode(self) -> Tensor:
        return tf.stack([part.mode() for part in self.categoricals], axis=-1)

    def parameters(self) -> list[Tensor]:
        return [part.parameters() for part in self.categoricals]

    def logp(self, x: Tensor) -> Tensor:
        choices = tf.unstack(x, axis=-1)
        return tf.add_n([part.logp(choice) for part, choice in zip(self.categoricals, choices, strict=True)])

    def kl(self, other: Any) -> Tensor:
        return tf.add_n([p.kl(q) for p, q in zip(self.categoricals, other.categoricals, strict=True)])

    def entropy(self) -> Tensor:
        return tf.add_n([part.entropy() for part in self.categoricals])

    def sample(self, noise: Tensor | None = None) -> Tensor:
        parts = [None] * len(self.nvec) if noise is None else tf.split(noise, self.nvec, axis=-1)
        samples = [part.sample(draws) for part, draws in zip(self.categoricals, parts, strict=True)]
        return tf.stack(samples, axis=-1)

    @classmethod
    def fromflat(cls, flat: Tensor) -> MultiCategoricalProbabilityDistribution:
        """Not possible without the number of choices.

        Raises:
            NotImplementedError: always; use the type's ``proba_distribution_from_flat``.
        """
        raise NotImplementedError("flat parameters alone do not say how many choices each part has")


class DiagGaussianProbabilityDistribution(ProbabilityDistribution):
    """Independent normal distributions, from means and log standard deviations side by side, [B, 2·n]."""

    def __init__(self, flat: Tensor) -> None:
        self.flat = flat
        self.mean, self.logstd = tf.split(flat, 2, axis=-1)
        self.std = tf.exp(self.logstd)
        self.tfp = _tfd().Independent(_tfd().Normal(self.mean, self.std), 1)

    def flatparam(self) -> Tensor:
        return self.flat

    def mode(self) -> Tensor:
        return self.mean  # out of the space's bounds at times; actions are clipped where they are taken

    def parameters(self) -> list[Tensor]:
        return [self.mean, self.std]

    def sample(self, noise: Tensor | None = None) -> Tensor:
        if noise is None:
            noise = tf.random.normal(tf.shape(self.mean))
        return self.mean + self.std * noise

    @classmethod
    def fromflat(cls, flat: Tensor) -> DiagGaussianProbabilityDistribution:
        """The distribution with these parameters."""
        return cls(flat)


class BernoulliProbabilityDistribution(ProbabilityDistribution):
    """Independent yes-no choices, from ``logits`` [B, n]."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.probabilities = tf.sigmoid(logits)
        self.tfp = _tfd().Independent(_tfd().Bernoulli(logits=logits, dtype=tf.float32), 1)

    def flatparam(self) -> Tensor:
        return self.logits

    def mode(self) -> Tensor:
        return tf.cast(tf.round(self.probabilities), tf.int64)

    def parameters(self) -> Tensor:
        return self.probabilities

    def logp(self, x: Tensor) -> Tensor:
        return self.tfp.log_prob(tf.cast(x, tf.float32))

    def sample(self, noise: Tensor | None = None) -> Tensor:
        if noise is None:
            noise = tf.random.uniform(tf.shape(self.logits))
        return tf.cast(noise < self.probabilities, tf.int64)

    @classmethod
    def fromflat(cls, flat: Tensor) -> BernoulliProbabilityDistribution:
        """The distribution with these parameters."""
        return cls(flat)


class ProbabilityDistributionType:
    """What distributions over one action space look like."""

    gaussian_noise: ClassVar[bool] = False  # samples are made from normal, not from uniform numbers

    def probability_distribution_class(self) -> type[ProbabilityDistribution]:
        """The class of the distributions."""
        raise NotImplementedError

    def proba_distribution_from_flat(self, flat: Tensor) -> Any:
        """The distribution with the parameters ``flat`` [B, n_parameters]."""
        return self.probability_distribution_class()(flat)  # type: ignore[call-arg]

    def proba_distribution_from_latent(
        self, pi_latent_vector: Tensor, vf_latent_vector: Tensor, init_scale: float = 1.0, init_bias: float = 0.0
    ) -> tuple[Any, Tensor, Tensor]:
        """Adds the heads ``pi`` and ``q`` to a network.

        Args:
            pi_latent_vector: policy features, [B, n].
            vf_latent_vector: value features, [B, m].
            init_scale: scale of the initial weights.
            init_bias: initial bias.

        Returns:
            The distribution, the output of the head ``pi`` (logits or means) and that of the head ``q``.
        """
        size = self.param_shape()[0]
        output = linear(pi_latent_vector, "pi", size, init_scale=init_scale, init_bias=init_bias)
        q_values = linear(vf_latent_vector, "q", size, init_scale=init_scale, init_bias=init_bias)
        return self.proba_distribution_from_flat(output), output, q_values

    def param_shape(self) -> list[int]:
        """Shape of one distribution's parameters."""
        raise NotImplementedError

    def sample_shape(self) -> list[int]:
        """Shape of one action."""
        raise NotImplementedError

    def sample_dtype(self) -> Any:
        """TensorFlow type of the actions."""
        raise NotImplementedError

    def param_placeholder(self, prepend_shape: Sequence[int | None], name: str | None = None) -> Any:
        """A placeholder of parameters with leading axes ``prepend_shape``; outside of graphs its specification."""
        return _placeholder([*prepend_shape, *self.param_shape()], tf.float32, name)

    def sample_placeholder(self, prepend_shape: Sequence[int | None], name: str | None = None) -> Any:
        """A placeholder of actions with leading axes ``prepend_shape``; outside of graphs its specification."""
        return _placeholder([*prepend_shape, *self.sample_shape()], self.sample_dtype(), name)

    def noise_size(self) -> int:
        """How many raw random numbers one sample needs."""
        return self.param_shape()[0]

    def draw_noise(self, generator: np.random.Generator, batch: int) -> np.ndarray:
        """Raw random numbers for one sample of each of ``batch`` distributions, [batch, noise_size]."""
        draw = generator.standard_normal if self.gaussian_noise else generator.random
        return draw((batch, self.noise_size()), dtype=np.float32)


class CategoricalProbabilityDistributionType(ProbabilityDistributionType):
    """For a Discrete space of ``n_cat`` actions."""

    def __init__(self, n_cat: int) -> None:
        self.n_cat = int(n_cat)

    def probability_distribution_class(self) -> type[ProbabilityDistribution]:
        return CategoricalProbabilityDistribution

    def param_shape(self) -> list[int]:
        return [self.n_cat]

    def sample_shape(self) -> list[int]:
        return []

    def sample_dtype(self) -> Any:
        return tf.int64


class MultiCategoricalProbabilityDistributionType(ProbabilityDistributionType):
    """For a MultiDiscrete space with ``n_vec`` choices."""

    def __init__(self, n_vec: Sequence[int] | np.ndarray) -> None:
        self.n_vec = [int(n) for n in n_vec]
        if min(self.n_vec, default=0) < 1:
            raise ValueError(f"n_vec: every part needs one choice or more, not {self.n_vec}")

    def probability_distribution_class(self) -> type[ProbabilityDistribution]:
        return MultiCategoricalProbabilityDistribution

    def proba_distribution_from_flat(self, flat: Tensor) -> MultiCategoricalProbabilityDistribution:
        return MultiCategoricalProbabilityDistribution(self.n_vec, flat)

    def param_shape(self) -> list[int]:
        return [sum(self.n_vec)]

    def sample_shape(self) -> list[int]:
        return [len(self.n_vec)]

    def sample_dtype(self) -> Any:
        return tf.int64


class _LogStd(keras.layers.Layer):
    """State-independent log standard deviations; named like the head whose ``pi/logstd`` they are."""

    def __init__(self, size: int) -> None:
        super().__init__(name="pi")
        self.size = size

    def build(self, input_shape: object) -> None:
        self.logstd = self.add_weight((1, self.size), "zeros", name="logstd")

    def call(self, mean: Tensor) -> Tensor:
        return tf.zeros_like(mean) + copies(self.logstd, mean)


class DiagGaussianProbabilityDistributionType(ProbabilityDistributionType):
    """For a Box space of ``size`` numbers."""

    gaussian_noise = True

    def __init__(self, size: int) -> None:
        self.size = int(size)

    def probability_distribution_class(self) -> type[ProbabilityDistribution]:
        return DiagGaussianProbabilityDistribution

    def proba_distribution_from_latent(
        self, pi_latent_vector: Tensor, vf_latent_vector: Tensor, init_scale: float = 1.0, init_bias: float = 0.0
    ) -> tuple[Any, Tensor, Tensor]:
        mean = linear(pi_latent_vector, "pi", self.size, init_scale=init_scale, init_bias=init_bias)
        logstd = named_layer("pi_logstd", lambda: _LogStd(self.size))(mean)
        q_values = linear(vf_latent_vector, "q", self.size, init_scale=init_scale, init_bias=init_bias)
        return self.proba_distribution_from_flat(tf.concat([mean, logstd], axis=1)), mean, q_values

    def param_shape(self) -> list[int]:
        return [2 * self.size]

    def sample_shape(self) -> list[int]:
        return [self.size]

    def sample_dtype(self) -> Any:
        return tf.float32

    def noise_size(self) -> int:
        return self.size


class BernoulliProbabilityDistributionType(ProbabilityDistributionType):
    """For a MultiBinary space of ``size`` bits."""

    def __init__(self, size: int) -> None:
        self.size = int(size)

    def probability_distribution_class(self) -> type[ProbabilityDistribution]:
        return BernoulliProbabilityDistribution

    def param_shape(self) -> list[int]:
        return [self.size]

    def sample_shape(self) -> list[int]:
        return [self.size]

    def sample_dtype(self) -> Any:
        return tf.int32


def _placeholder(shape: Sequence[int | None], dtype: tf.DType, name: str | None) -> Any:
    return tf.compat.v1.placeholder(dtype, shape, name) if in_graph() else tf.TensorSpec(shape, dtype, name=name)


def make_proba_dist_type(ac_space: Any) -> ProbabilityDistributionType:
    """The distribution type for an action space.

    Raises:
        ValueError: the actions are arrays with another number of axes than one, or do not start at 0.
        NotImplementedError: a space that is not a Box, Discrete, MultiDiscrete or MultiBinary.
    """
    try:
        kind = kind_of(ac_space)
    except TypeError:  # a space of the user's own
        kind = None
    if kind is None or kind.distribution is None:
        raise NotImplementedError(
            f"the action space is a {type(ac_space).__name__}; Box, Discrete, MultiDiscrete and MultiBinary are "
            "supported"
        )
    if np.any(getattr(ac_space, "start", 0)):
        raise ValueError(f"the action space must start at 0, {ac_space} does not")
    if kind.distribution != "categorical" and len(ac_space.shape) != 1:
        raise ValueError(f"the action space must have one axis, {ac_space} has shape {ac_space.shape}")
    match kind.distribution:
        case "gaussian":
            return DiagGaussianProbabilityDistributionType(width(ac_space))
        case "categorical":
            return CategoricalProbabilityDistributionType(width(ac_space))
        case "multi-categorical":
            return MultiCategoricalProbabilityDistributionType(ac_space.nvec)
        case _:
            return BernoulliProbabilityDistributionType(width(ac_space))


def shape_el(tensor: Tensor, index: int) -> Any:
    """Size of one axis of a tensor: a number where it is known, else a scalar tensor."""
    size = tensor.shape[index]
    return size if size is not None else tf.shape(tensor)[index]
