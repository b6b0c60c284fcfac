"""The three networks in SD1's form at the starter's size, and the initialisation that makes them learn fast."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

SCALING = 0.18215
TOKENS = 77
WIDTH = 128
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def make_vae(seed: int = 0) -> AutoencoderKL:
    """A factor-8 autoencoder with 4 latent channels, 0.7 M parameters."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 64),
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=128,
        scaling_factor=SCALING,
    )
    for name, module in vae.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if name.endswith("conv_shortcut"):
            nn.init.orthogonal_(module.weight)
        elif name.endswith(".conv2"):
            with torch.no_grad():
                module.weight.mul_(0.15)
        elif name.endswith("downsamplers.0.conv"):
            _identity(module, 0.25, slice(0, 2))
        elif name.endswith("upsamplers.0.conv"):
            _identity(module, 1.0, slice(1, 2))
    _start_quantisers(vae)
    return vae


def _identity(conv: nn.Conv2d, value: float, taps: slice) -> None:
    """A 3 x 3 convolution that copies (or averages) each channel, plus a little noise."""
    with torch.no_grad():
        conv.weight.normal_(0, 0.02 / conv.in_channels**0.5)
        for channel in range(conv.out_channels):
            conv.weight[channel, channel, taps, taps] += value


def _start_quantisers(vae: AutoencoderKL) -> None:
    """Mean passed through, log-variance -4, so that the first latents carry a signal."""
    channels = vae.config.latent_channels
    with torch.no_grad():
        vae.quant_conv.weight.zero_()
        vae.post_quant_conv.weight.zero_()
        vae.quant_conv.bias[channels:] = -4.0
        for channel in range(channels):
            vae.quant_conv.weight[channel, channel] = 1.0
            vae.post_quant_conv.weight[channel, channel] = 1.0


def make_text_encoder(vocabulary: int, seed: int = 0) -> CLIPTextModel:
    """A three-layer CLIP text transformer; the two last entries of the vocabulary are start and end."""
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        hidden_act="quick_gelu",
        projection_dim=WIDTH,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config)


def make_unet(channels: tuple[int, ...] = (32, 64, 128), seed: int = 0) -> UNet2DConditionModel:
    """The noise predictor for 16 x 16 latents; attention to the text in all blocks but the first."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        # diffusers' name notwithstanding, this is the number of heads.
        attention_head_dim=4,
        norm_num_groups=8,
    )
    with torch.no_grad():
        for name, module in unet.named_modules():
            if name.endswith((".conv2", "proj_out", "to_out.0", "ff.net.2")):
                module.weight.mul_(0.1)
                module.bias.zero_()
        unet.conv_out.weight.mul_(0.05)
        unet.conv_out.bias.zero_()
    return unet


def noise_schedule() -> DDPMScheduler:
    """SD1's training schedule; the networks predict the noise."""
    return DDPMScheduler(**BETAS, prediction_type="epsilon", clip_sample=False)
