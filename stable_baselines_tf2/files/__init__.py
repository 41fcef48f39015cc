"""Files of models, buffers and hyperparameters: this library's and those of Stable Baselines."""
