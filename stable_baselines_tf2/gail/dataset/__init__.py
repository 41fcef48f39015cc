"""Expert trajectories: recording, and minibatches."""
