"""Embeddings (textual inversion): words whose vectors lie in files. Torch-free."""
