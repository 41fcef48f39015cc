"""Losses: pure functions of tensors.

Shapes: B rows of a batch. Every function returns scalars unless it says otherwise. Of a transition, t-1 (``tm1``) is
the time of its action, t that of its next observation.
"""

from __future__ import annotations

import tensorflow as tf

from stable_baselines_tf2.core.types import Tensor


def standardize(x: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Zero mean and unit (population) standard deviation over the batch, [B]."""
    mean, variance = tf.nn.moments(x, axes=[0])
    return (x - mean) / (tf.sqrt(variance) + epsilon)


def policy_gradient(neglogp: Tensor, advantages: Tensor) -> Tensor:
    """Policy-gradient loss ``mean(A · -log π(a|s))`` (Mnih et al. 2016, https://arxiv.org/abs/1602.01783).

    Args:
        neglogp: negative log-probabilities of the actions taken, [B].
        advantages: [B], not differentiated.
    """
    return tf.reduce_mean(advantages * neglogp)


def squared_error(values: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error, without a factor one half."""
    return tf.reduce_mean(tf.square(values - targets))


def clipped_surrogate(
    neglogp: Tensor, old_neglogp: Tensor, advantages: Tensor, clip: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """PPO's policy loss ``-mean(min(r A, clip(r, 1 ± ε) A))`` (https://arxiv.org/abs/1707.06347, eq. 7).

    Args:
        neglogp: negative log-probabilities of the actions under the policy, [B].
        old_neglogp: the same under the policy that acted, [B].
        advantages: [B].
        clip: ε.

    Returns:
        The loss, half the mean squared log-ratio (an approximation of the Kullback-Leibler divergence), and the
        fraction of the batch whose ratio was out of bounds.
    """
    log_ratio = old_neglogp - neglogp
    ratio = tf.exp(log_ratio)
    loss = tf.reduce_mean(
        tf.maximum(-advantages * ratio, -advantages * tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip))
    )
    outside = tf.cast(tf.abs(ratio - 1.0) > clip, tf.float32)
    return loss, 0.5 * tf.reduce_mean(tf.square(log_ratio)), tf.reduce_mean(outside)


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: Tensor) -> Tensor:
    """Half the mean squared error, pessimistic about values that moved by more than ``clip`` (negative: plain)."""
    error = tf.square(values - returns)
    near = old_values + tf.clip_by_value(values - old_values, -clip, clip)
    pessimistic = tf.maximum(error, tf.square(near - returns))
    return 0.5 * tf.reduce_mean(tf.where(clip < 0.0, error, pessimistic))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of integer labels [B] under logits [B, n]."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def huber_loss(tensor: Tensor, delta: float = 1.0) -> Tensor:
    """Element-wise Huber loss: ``x^2 / 2`` where ``|x| < delta``, ``delta * (|x| - delta / 2)`` elsewhere."""
    size = tf.abs(tensor)
    return tf.where(size < delta, 0.5 * tf.square(tensor), delta * (size - 0.5 * delta))


def bellman_target(r_t: Tensor, done_t: Tensor, gamma: float, v_t: Tensor) -> Tensor:
    """``r + γ (1 - done) v``, not differentiated; any shapes that broadcast."""
    return tf.stop_gradient(r_t + gamma * (1.0 - done_t) * v_t)


def soft_value_loss(v: Tensor, q: Tensor, entropy_cost: Tensor, *, pairwise: bool) -> Tensor:
    """Half the mean squared error of ``V(s) - [Q(s, a) - α log π(a|s)]``, differentiated in V alone.

    Args:
        v: values of states, [B].
        q: values of the policy's actions there, [B].
        entropy_cost: α log π of these actions, [B].
        pairwise: compare each value with the entropy costs of all B actions instead of that of its own.
    """
    q, entropy_cost = tf.stop_gradient(q), tf.stop_gradient(entropy_cost)
    if pairwise:
        v, q = v[:, tf.newaxis], q[:, tf.newaxis]
    return 0.5 * squared_error(v, q - entropy_cost)


def q_learning_error(q_tm1: Tensor, a_tm1: Tensor, target_t: Tensor) -> Tensor:
    """Temporal-difference errors ``Q(s, a) - target``, [B].

    Args:
        q_tm1: values of all actions, [B, n].
        a_tm1: the actions that were taken, integers [B].
        target_t: what their values should be, [B].
    """
    return gather_actions(q_tm1, a_tm1) - target_t


def double_q_value(q_t_target: Tensor, q_t_selector: Tensor) -> Tensor:
    """Values under one network of the actions that are best under another, [B] (https://arxiv.org/abs/1509.06461).

    Args:
        q_t_target: values that count, [B, n].
        q_t_selector: values that choose, [B, n]; the same tensor for plain Q-learning.
    """
    return gather_actions(q_t_target, tf.argmax(q_t_selector, axis=1))


def gather_actions(values: Tensor, actions: Tensor) -> Tensor:
    """The entries of ``values`` [B, n] at ``actions`` [B]."""
    # A product with a one-hot matrix: the gradient of a gather would be a scatter, which costs more for few actions.
    return tf.reduce_sum(values * tf.one_hot(actions, values.shape[1]), axis=1)


# ------------------------------------------------------- replayed trajectories: ACER (https://arxiv.org/abs/1611.01224)

ACER_EPSILON = 1e-6  # keeps divisions and logarithms finite, and is part of ACER's numbers


def linear_recurrence(x: Tensor, decay: Tensor) -> Tensor:
    """Solves ``y_t = x_t + decay_t · y_tp1`` backwards in time, with ``y_T = 0``; all three are [T, …].

    Works by doubling, as `returns.discounted_sum` does: log2(T) operations on whole tensors.
    """
    n_steps, reach = x.shape[0], 1
    while reach < n_steps:
        x = tf.concat([x[:-reach] + decay[:-reach] * x[reach:], x[-reach:]], axis=0)
        decay = tf.concat([decay[:-reach] * decay[reach:], tf.zeros_like(decay[-reach:])], axis=0)
        reach *= 2
    return x


def retrace(r_t: Tensor, done_t: Tensor, q_tm1: Tensor, v: Tensor, rho_tm1: Tensor, gamma: float) -> Tensor:
    """Retrace targets for the values of actions (Munos et al. 2016, https://arxiv.org/abs/1606.02647).

    ``G_t = r_t + γ (1 - done_t) (min(1, ρ_t) (G_tp1 - Q_t) + V_t)``; the end of the trajectory is valued with ``V_T``.

    Args:
        r_t: rewards of T steps, [T, …].
        done_t: 1 where a step ended its episode, [T, …].
        q_tm1: values of the actions taken, [T, …].
        v: values of all T + 1 observations, [T + 1, …].
        rho_tm1: probabilities of the actions taken now, over those with which they were taken, [T, …].
        gamma: discount γ.

    Returns:
        Targets for ``q_tm1``, [T, …]; differentiable.
    """
    goes_on = gamma * (1.0 - done_t)
    nothing = tf.zeros_like(q_tm1[:1])  # after the last step there is no action to correct for
    trace_t = tf.concat([tf.minimum(1.0, rho_tm1[1:]), nothing], axis=0)
    q_t = tf.concat([q_tm1[1:], nothing], axis=0)
    return linear_recurrence(r_t + goes_on * (v[1:] - trace_t * q_t), goes_on * trace_t)


def importance_truncation(
    pi: Tensor, mu: Tensor, actions: Tensor, q_target: Tensor, q: Tensor, v: Tensor, limit: float
) -> tuple[Tensor, Tensor]:
    """Weights W of ACER's policy gain ``mean(Σ_a W_a log π(a|s))``: truncated importance sampling, and its correction.

    The action taken counts with ``min(c, ρ) (Q_target - V)`` (eq. 7, first term); all actions count with
    ``max(0, 1 - c / ρ_a) π_a (Q_a - V)``, which corrects for the truncation (second term).

    Args:
        pi: probabilities of all actions now, [B, n].
        mu: probabilities with which actions were taken, [B, n].
        actions: actions taken, [B].
        q_target: `retrace` targets, [B].
        q: values of all actions, [B, n].
        v: values of observations, [B].
        limit: c, the largest ratio that counts in the first term.

    Returns:
        Both weights, [B, n], not differentiated.
    """
    v = v[:, tf.newaxis]
    rho = pi / (mu + ACER_EPSILON)
    truncated = tf.one_hot(actions, pi.shape[1]) * tf.minimum(limit, rho) * (q_target[:, tf.newaxis] - v)
    correction = tf.nn.relu(1.0 - limit / (rho + ACER_EPSILON)) * pi * (q - v)
    return tf.stop_gradient(truncated), tf.stop_gradient(correction)


def trust_region_adjustment(gain: Tensor, average: Tensor, pi: Tensor, delta: float) -> tuple[Tensor, Tensor]:
    """How far ACER draws the policy gain's gradient back, so that ``k · g <= δ`` (eq. 12).

    k is the gradient of the Kullback-Leibler divergence of the policy from an average policy, by π. What remains of the
    gain is ``g - adjustment · k``.

    Args:
        gain: g, gradient of the gain by the probabilities, [B, n].
        average: probabilities of the average policy, [B, n].
        pi: probabilities of the policy, [B, n].
        delta: δ.

    Returns:
        The adjustment [B] and k [B, n].
    """
    k = -average / (pi + ACER_EPSILON)
    excess = tf.reduce_sum(k * gain, axis=1) - delta
    return tf.maximum(0.0, excess / (tf.reduce_sum(tf.square(k), axis=1) + ACER_EPSILON)), k
