"""The built-in plugins, in the order they are registered; each is a torch-free module of hook implementations."""

MODULES = ("commands", "samplers", "architectures", "families", "attention", "tabs", "works", "readers")
