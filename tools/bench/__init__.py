"""The bench: Darkroom against plain diffusers and a bare Gradio page, A and B in turn, on this machine."""
