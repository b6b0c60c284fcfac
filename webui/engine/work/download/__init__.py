"""Fetch models from the Hugging Face hub, CivitAI and any address: first a look, then the files. Torch-free."""
