"""Functions that built TensorFlow 1's graphs. They have been removed; their errors name the replacements."""

from __future__ import annotations

from typing import NoReturn

import gymnasium


def build_act(
    q_func: object,
    ob_space: gymnasium.Space,
    ac_space: gymnasium.Space,
    stochastic_ph: object,
    update_eps_ph: object,
    sess: None,
) -> NoReturn:
    """Built the graph that acts; use a policy's ``step()``.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("build_act() joined placeholders of TensorFlow 1; a policy of DQN acts by step(obs)")


def build_train(
    q_func: object,
    ob_space: gymnasium.Space,
    ac_space: gymnasium.Space,
    optimizer: object,
    sess: None,
    grad_norm_clipping: float | None = None,
    gamma: float = 1.0,
    double_q: bool = True,
    scope: str = "deepq",
    reuse: bool | None = None,
    param_noise: bool = False,
    param_noise_filter_func: object = None,
    full_tensorboard_log: bool = False,
) -> NoReturn:
    """Built the graph that trains; use ``DQN``, whose update is its method ``gradient_step``.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("build_train() joined placeholders of TensorFlow 1; DQN has all that it built")
