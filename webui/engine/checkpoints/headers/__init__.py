"""Headers of weight files in every format that people have. Torch-free."""
