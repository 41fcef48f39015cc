"""Stable Baselines 2.10 on TensorFlow 2 and Keras 3: reinforcement learning algorithms behind one interface."""

__version__ = "0.1.0"
