"""Tiny random models of families without an adapter, as whole pipelines of diffusers, to be saved into folders."""

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.engine import tiny

WORDS = ("<pad>", "</s>", "<unk>", "a", "red", "green", "house", "star", "<|im_start|>", "<|im_end|>", "user", "the")
WIDTH = 32


def tokenizer(letters=False, room=512, **options):
    """A tokenizer of whole words or of letters, with room for so many of them."""
    words = (*WORDS[:3], *"abcdefghijklmnopqrst ") if letters else WORDS
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated") if letters else pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=room, **options
    )
    made.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    return made


def lively(network, seed=0):
    """The network with weights large enough that texts and times show in its answers."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and "pos_embed" not in name:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    return network.eval()


def vae(channels=4, **options):
    """An autoencoder with a factor of 8."""
    torch.manual_seed(1)
    return diffusers.AutoencoderKL(
        latent_channels=channels, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **options,
    ).eval()  # fmt: skip


def t5(kind=transformers.T5EncoderModel, config=transformers.T5Config):
    """T5's encoder, or UMT5's."""
    return lively(kind(config(vocab_size=32, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=2)))


def gemma():
    """Gemma 2."""
    return lively(
        transformers.Gemma2Model(
            transformers.Gemma2Config(
                vocab_size=32, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=1, head_dim=16, pad_token_id=0, bos_token_id=1, eos_token_id=1,
            )
        )
    )  # fmt: skip


def pixart():
    """PixArt-alpha: a callback of its own kind, learned variances, a scheduler on timesteps."""
    network = diffusers.PixArtTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=2, caption_channels=WIDTH,
        in_channels=4, out_channels=8, cross_attention_dim=16, norm_num_groups=8, use_additional_conditions=False,
        norm_type="ada_norm_single", norm_elementwise_affine=False, norm_eps=1e-6,
    )  # fmt: skip
    return diffusers.PixArtAlphaPipeline(
        tokenizer=tokenizer(), text_encoder=t5(), vae=vae(), transformer=lively(network),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )  # fmt: skip


def auraflow():
    """AuraFlow."""
    network = diffusers.AuraFlowTransformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=WIDTH, pos_embed_max_size=64,
    )  # fmt: skip
    return diffusers.AuraFlowPipeline(
        tokenizer=tokenizer(), text_encoder=t5(transformers.UMT5EncoderModel, transformers.UMT5Config), vae=vae(),
        transformer=lively(network), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=1.73),
    )  # fmt: skip


def lumina2():
    """Lumina 2."""
    network = diffusers.Lumina2Transformer2DModel(
        sample_size=4, patch_size=2, in_channels=4, hidden_size=24, num_layers=2, num_refiner_layers=1,
        num_attention_heads=3, num_kv_heads=1, multiple_of=16, axes_dim_rope=(4, 2, 2), axes_lens=(300, 64, 64),
        cap_feat_dim=WIDTH,
    )  # fmt: skip
    return diffusers.Lumina2Pipeline(
        tokenizer=tokenizer(), text_encoder=gemma(), vae=vae(shift_factor=0.1), transformer=lively(network),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=6.0),
    )  # fmt: skip


def sana():
    """Sana: an autoencoder with a factor of its own."""
    network = diffusers.SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
        num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=WIDTH,
        sample_size=32,
    )  # fmt: skip
    torch.manual_seed(1)
    autoencoder = diffusers.AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"), decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=[1, 1],
        downsample_block_type="conv", upsample_block_type="interpolate",
        decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=0.41407,
    )  # fmt: skip
    return diffusers.SanaPipeline(
        tokenizer=tokenizer(padding_side="right"), text_encoder=gemma(), vae=autoencoder.eval(),
        transformer=lively(network), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    )  # fmt: skip


def z_image():
    """Z-Image: guidance that is off at 0."""
    network = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2,
        n_kv_heads=2, qk_norm=True, cap_feat_dim=WIDTH, rope_theta=256.0, t_scale=1000.0, axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )  # fmt: skip
    config = transformers.Qwen3Config(
        vocab_size=32, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16,
    )  # fmt: skip
    return diffusers.ZImagePipeline(
        tokenizer=tokenizer(), text_encoder=lively(transformers.Qwen3Model(config)), vae=vae(16, shift_factor=0.1),
        transformer=lively(network), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )  # fmt: skip


def qwen_parts():
    """Qwen-Image's parts: packed latents, an autoencoder for videos."""
    network = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    torch.manual_seed(1)
    autoencoder = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 2, 2, 2], num_res_blocks=1, temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    text = {
        "vocab_size": 32, "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 16,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rope_theta": 10000.0, "pad_token_id": 0,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3], "rope_type": "default"},
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": WIDTH,
    }  # fmt: skip
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    return {
        # Its first 34 tokens are taken for those of a fixed text and left out.
        "tokenizer": tokenizer(letters=True),
        "text_encoder": lively(transformers.Qwen2_5_VLForConditionalGeneration(config)),
        "vae": autoencoder.eval(),
        "transformer": lively(network),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
    }


def qwen_image():
    """Qwen-Image in its plain form."""
    return diffusers.QwenImagePipeline(**qwen_parts())


def qwen_image_modular():
    """Qwen-Image in its modular form."""
    pipeline = diffusers.QwenImageAutoBlocks().get_workflow("text2image").init_pipeline()
    pipeline.update_components(**qwen_parts())
    return pipeline


def flux2_klein_modular():
    """Flux.2 klein's base model in its modular form: guidance without a negative prompt, 128 channels in a patch."""
    network = diffusers.Flux2Transformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=3 * WIDTH, timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )  # fmt: skip
    torch.manual_seed(1)
    autoencoder = diffusers.AutoencoderKLFlux2(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
    )  # fmt: skip
    config = transformers.Qwen3Config(
        vocab_size=32, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=28, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16,
    )  # fmt: skip
    pipeline = diffusers.Flux2KleinBaseModularPipeline(workflow="text2image")
    pipeline.update_components(
        tokenizer=tokenizer(), text_encoder=lively(transformers.Qwen3ForCausalLM(config)), vae=autoencoder.eval(),
        transformer=lively(network), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )  # fmt: skip
    return pipeline


def kandinsky22():
    """Kandinsky 2.2 with its prior: two stages, each with its own steps, and an autoencoder of another name."""
    text = transformers.CLIPTextConfig(
        vocab_size=32, hidden_size=WIDTH, projection_dim=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    vision = transformers.CLIPVisionConfig(
        hidden_size=WIDTH, projection_dim=WIDTH, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=16,
    )  # fmt: skip
    prior = diffusers.PriorTransformer(
        num_attention_heads=2, attention_head_dim=12, embedding_dim=WIDTH, num_layers=1,
    )  # fmt: skip
    network = diffusers.UNet2DConditionModel(
        in_channels=4, out_channels=8, addition_embed_type="image", cross_attention_dim=WIDTH,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", block_out_channels=(16, 32), layers_per_block=1,
        encoder_hid_dim=WIDTH, encoder_hid_dim_type="image_proj", attention_head_dim=4, norm_num_groups=4,
        resnet_time_scale_shift="scale_shift", class_embed_type=None,
    )  # fmt: skip
    movq = diffusers.VQModel(
        block_out_channels=(32, 32, 32, 32), norm_num_groups=4, latent_channels=4, num_vq_embeddings=12, vq_embed_dim=4,
        down_block_types=("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3, norm_type="spatial", layers_per_block=1,
    )  # fmt: skip
    size = {"height": 32, "width": 32}
    return diffusers.KandinskyV22CombinedPipeline(
        unet=lively(network), movq=movq.eval(), prior_prior=lively(prior), prior_tokenizer=tokenizer(room=77),
        scheduler=diffusers.DDIMScheduler(prediction_type="epsilon", clip_sample=False),
        prior_image_encoder=lively(transformers.CLIPVisionModelWithProjection(vision)),
        prior_text_encoder=lively(transformers.CLIPTextModelWithProjection(text)),
        prior_scheduler=diffusers.UnCLIPScheduler(prediction_type="sample", variance_type="fixed_small_log"),
        prior_image_processor=transformers.CLIPImageProcessor(crop_size=size, size=size),
    )  # fmt: skip


def latent_consistency():
    """A latent consistency model: guidance that the network is told, no negative prompt."""
    return diffusers.LatentConsistencyModelPipeline(
        vae=vae(), unet=diffusers.UNet2DConditionModel(
            block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=4, attention_head_dim=2,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), cross_attention_dim=tiny.TEXT_WIDTH,
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), time_cond_proj_dim=32,
        ),
        text_encoder=tiny.clip(), tokenizer=tokenizer(room=77), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False, scheduler=diffusers.LCMScheduler(),
    )  # fmt: skip


KINDS = {
    "pixart": pixart, "auraflow": auraflow, "lumina2": lumina2, "sana": sana, "z_image": z_image,
    "qwen_image": qwen_image, "qwen_image_modular": qwen_image_modular,
    "flux2_klein_modular": flux2_klein_modular, "kandinsky22": kandinsky22, "latent_consistency": latent_consistency,
}  # fmt: skip

CFG = {"z_image": 2.0}
"""What a CFG scale of 3 is to the class, where it is not 3."""


def own_pictures(path, kind, seeds=(7, 8)):
    """The pictures that the library makes itself of the folder of a kind: 3 steps, CFG scale 3, 64 x 64."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    size = {"width": 64, "height": 64}
    if kind == "kandinsky22":
        pipeline = diffusers.DiffusionPipeline.from_pretrained(path)
        return [pipeline("a red house", "star", 3, 3.0, **size, generator=one).images[0] for one in generators]
    given = {
        "prompt": "a red house", "negative_prompt": "star", "num_inference_steps": 3, **size,
        "num_images_per_prompt": len(seeds), "generator": generators,
    }  # fmt: skip
    scale = CFG.get(kind, 3.0)
    if "modular" in kind:
        pipeline = diffusers.ModularPipeline.from_pretrained(str(path), workflow="text2image")
        pipeline.load_components()
        pipeline.guider.guidance_scale = scale
        return pipeline(**given, output="images")
    pipeline = diffusers.DiffusionPipeline.from_pretrained(path)
    given |= {"true_cfg_scale" if kind in ("qwen_image", "qwen-image") else "guidance_scale": scale}
    given |= {"use_resolution_binning": False} if kind in ("pixart", "sana") else {}
    given.pop("negative_prompt") if kind in ("latent_consistency", "flux2", "flux2-klein") else None
    return pipeline(**given).images


class Watch:
    """Lets everything happen, and keeps the predicted latents."""

    def __init__(self):
        self.latents, self.shares = [], []

    def before_forward(self):
        return True

    def after_step(self, share, latents):
        self.shares.append(share)
        self.latents.append(latents)
