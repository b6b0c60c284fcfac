"""Regional torch.compile: a denoiser's repeated blocks, compiled in the background while passes go on as ever."""
