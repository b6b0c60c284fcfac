"""How attention is computed: the backends, applied to a network for a forward pass and taken back."""
