"""Model families, one file each: how to load one and how it predicts."""
