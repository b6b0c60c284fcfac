"""Training of the starter model: pictures, captions, VAE, text encoder, UNet, export and evaluation."""
