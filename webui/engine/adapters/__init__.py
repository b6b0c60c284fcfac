"""Adapters: LoRA files and their kin, read, understood, and merged into a model's networks for a while."""
