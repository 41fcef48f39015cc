"""Names of types that are used everywhere."""

from __future__ import annotations

from typing import TypeAlias

import tensorflow as tf

Tensor: TypeAlias = tf.Tensor  # also a variable or an array, where TensorFlow converts it
