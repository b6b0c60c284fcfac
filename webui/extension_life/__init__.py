"""The life of an extension: where it comes from, what it needs, how it is put in place and taken away. Torch-free."""
