"""The only package that imports torch: checkpoints, samplers, the denoising loop."""
