"""Deterministic policies as TensorFlow SavedModel and TensorFlow Lite model, which need nothing of this library."""

from __future__ import annotations

import os
import shutil
import tempfile

import tensorflow as tf

from stable_baselines_tf2.core.interfaces import ExportableModel
from stable_baselines_tf2.core.types import Tensor


class ExportedPolicy(tf.Module):
    """A model's deterministic policy with a copy of its weights.

    Args:
        model: a model of any algorithm.
    """

    def __init__(self, model: ExportableModel) -> None:
        super().__init__("policy")
        policy = model.acting_policy
        self.weights = tf.Variable(policy.params.vector, trainable=False, name="weights")
        signature = [tf.TensorSpec.from_spec(policy.preprocessor.spec, name="observation")]
        if policy.recurrent:
            n_state = policy.initial_state.shape[1]
            signature.append(tf.TensorSpec((None, n_state), tf.float32, name="state"))
            signature.append(tf.TensorSpec((None,), tf.float32, name="mask"))

        def act(observation: Tensor, *memory: Tensor) -> dict[str, Tensor]:
            outputs = model.deterministic_actions(self.weights, observation, *memory)
            return dict(zip(("action", "state"), outputs, strict=False))

        policy.preprocessor.sync()
        self.act = tf.function(act, input_signature=signature, autograph=False)
        self.others = list(self.act.get_concrete_function().variables)  # such as DDPG's statistics of observations


def write_saved_model(model: ExportableModel, directory: str | os.PathLike) -> None:
    """See `BaseRLModel.export`."""
    target = os.path.abspath(os.fspath(directory))
    if os.path.lexists(target) and not os.path.exists(os.path.join(target, "saved_model.pb")):
        if not os.path.isdir(target) or os.listdir(target):
            raise FileExistsError(f"directory: {target} exists and is not a SavedModel")
    exported = ExportedPolicy(model)
    # Written beside it and renamed, so that what fails leaves an earlier export alone.
    with tempfile.TemporaryDirectory(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target)) as scratch:
        new, old = os.path.join(scratch, "new"), os.path.join(scratch, "old")
        tf.saved_model.save(exported, new, signatures={"serving_default": exported.act})
        if os.path.lexists(target):
            shutil.move(target, old)
        os.rename(new, target)


def tflite_model(model: ExportableModel) -> bytes:
    """See `BaseRLModel.to_tflite`."""
    exported = ExportedPolicy(model)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(exported, folder, signatures={"serving_default": exported.act})
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()
