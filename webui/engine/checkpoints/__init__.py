"""Checkpoints on the disk: finding, identifying, counting tokens. Torch-free, so that the web process may use it."""
