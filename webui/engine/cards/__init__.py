"""Cards of models: what people and programs say of a model in small files beside it. Torch-free."""
