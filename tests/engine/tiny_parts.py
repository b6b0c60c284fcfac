"""Tiny random models of families put together of parts: as the libraries' pipelines, and as the files people have."""

import diffusers
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tests.engine import tiny, tiny_flow, tiny_z_image
from tests.engine.helpers import byte_letters
from tests.engine.tiny_stock import lively
from webui.core.model_folders import ModelFolders
from webui.engine.layouts import chroma, flux2, language_models, ldm, lumina2, t5, wan
from webui.engine.layouts.base import same

WIDTH = 32
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 128}
# As the published model writes a talk of texts.
MISTRAL_TALK = (
    "{{ '<s>' }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '[SYSTEM_PROMPT]' + message['content'][0]['text'] + '[/SYSTEM_PROMPT]' }}"
    "{% else %}{{ '[INST]' + message['content'][0]['text'] + '[/INST]' }}{% endif %}{% endfor %}"
)
MISTRAL_TOKENS = {
    "<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4, "<pad>": 11, "[SYSTEM_PROMPT]": 17,
    "[/SYSTEM_PROMPT]": 18,
}  # fmt: skip

GEMMA_TOKENS = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<start_of_turn>": 106, "<end_of_turn>": 107}


def flux2_transformer(guidance):
    """A transformer of Flux.2."""
    return lively(
        diffusers.Flux2Transformer2DModel(
            in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=2,
            joint_attention_dim=3 * WIDTH, timestep_guidance_channels=16, axes_dims_rope=(32, 32, 32, 32),
            guidance_embeds=guidance,
        )
    )  # fmt: skip


def flux2_vae():
    """Flux.2's autoencoder; it knows the spread of its latents."""
    torch.manual_seed(1)
    network = diffusers.AutoencoderKLFlux2(
        latent_channels=4, block_out_channels=(32, 32, 32, 32), layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    network.bn.running_var.uniform_(0.5, 2.0)
    network.bn.running_mean.normal_()
    return network.eval()


def mistral_tokenizer():
    """A tokenizer of letters, in which what means something has Tekken's numbers."""
    letters = {name: number for number, name in enumerate(byte_letters(), 1000)}
    made = Tokenizer(models.BPE(letters | MISTRAL_TOKENS, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in MISTRAL_TOKENS])
    return made


def mistral():
    """A Mistral that sees, as Flux.2 dev's folder has it."""
    text = {
        "vocab_size": 131072, "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 31, **HEADS,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "sliding_window": None, "model_type": "mistral",
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e9},
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 8,
        "image_size": 28, "patch_size": 14, "model_type": "pixtral",
    }  # fmt: skip
    return lively(
        transformers.Mistral3ForConditionalGeneration(
            transformers.Mistral3Config(text_config=text, vision_config=vision)
        )
    )


def flux2_dev():
    """Flux.2 dev."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=mistral_tokenizer(), bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        padding_side="left", chat_template=MISTRAL_TALK,
    )  # fmt: skip
    return diffusers.Flux2Pipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True), vae=flux2_vae(),
        text_encoder=mistral(), tokenizer=tokenizer, transformer=flux2_transformer(guidance=True),
    )  # fmt: skip


def flux2_klein():
    """Flux.2 klein."""
    config = tiny_z_image.language_model(layers=28).config
    return diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True), vae=flux2_vae(),
        text_encoder=lively(transformers.Qwen3ForCausalLM(config)), tokenizer=tiny_z_image.stock_tokenizer(),
        transformer=flux2_transformer(guidance=False),
    )  # fmt: skip


def qwen_image():
    """Qwen-Image."""
    network = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=2, attention_head_dim=128, num_attention_heads=2,
        joint_attention_dim=128, axes_dims_rope=(16, 56, 56),
    )  # fmt: skip
    torch.manual_seed(1)
    # A head is as wide as the published model's, and here the only one.
    text = {
        "vocab_size": tiny_z_image.VOCABULARY, "hidden_size": 128, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "max_position_embeddings": 128000,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 128}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
    )
    return diffusers.QwenImagePipeline(
        scheduler=scheduler, vae=diffusers.AutoencoderKLQwenImage(base_dim=8).eval(),
        text_encoder=lively(transformers.Qwen2_5_VLForConditionalGeneration(config)),
        tokenizer=tiny_z_image.stock_tokenizer(), transformer=lively(network),
    )  # fmt: skip


def flux_vae():
    """Flux.1's autoencoder."""
    network = tiny.vae(16, quant=False)
    network.register_to_config(scaling_factor=0.3611, shift_factor=0.1159)
    return network


def gemma_tokenizer():
    """A tokenizer of letters that begins texts as Gemma 2's does; what means something has its numbers."""
    letters = {name: number for number, name in enumerate(byte_letters(), 1000)}
    made = Tokenizer(models.BPE(letters | GEMMA_TOKENS, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in GEMMA_TOKENS])
    made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return made


def gemma():
    """Gemma 2, whose norms multiply by 1 more than their weights."""
    config = transformers.Gemma2Config(
        hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1
    )
    network = lively(transformers.Gemma2Model(config))
    for name, parameter in network.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def lumina2_model():
    """Lumina 2; three heads with queries share one with keys, as in the published model."""
    network = diffusers.Lumina2Transformer2DModel(
        hidden_size=288, num_layers=2, num_refiner_layers=2, num_attention_heads=3, num_kv_heads=1, cap_feat_dim=WIDTH
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=gemma_tokenizer(), bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>",
        padding_side="left",
    )  # fmt: skip
    return diffusers.Lumina2Pipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=6.0), vae=flux_vae(), text_encoder=gemma(),
        tokenizer=tokenizer, transformer=lively(network),
    )  # fmt: skip


def chroma_model():
    """Chroma."""
    network = diffusers.ChromaTransformer2DModel(
        num_layers=1, num_single_layers=2, num_attention_heads=2, joint_attention_dim=tiny_flow.CONTEXT_WIDTH,
        approximator_num_channels=64, approximator_hidden_dim=32, approximator_layers=2,
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny_flow.tokenizer(), eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    return diffusers.ChromaPipeline(
        scheduler=scheduler, vae=flux_vae(), text_encoder=lively(tiny_flow.t5_encoder()), tokenizer=tokenizer,
        transformer=lively(network),
    )  # fmt: skip


KINDS = {
    "flux2": flux2_dev,
    "flux2-klein": flux2_klein,
    "qwen-image": qwen_image,
    "lumina2": lumina2_model,
    "chroma": chroma_model,
}
LAYOUTS = {
    "flux2": (flux2.transformer, ldm.vae),
    "flux2-klein": (flux2.transformer, ldm.vae),
    "qwen-image": (same, wan.vae),
    "lumina2": (lumina2.transformer, ldm.vae),
    "chroma": (chroma.transformer, ldm.vae),
}
TOKENIZERS = {
    "flux2": ("mistral-tekken", mistral_tokenizer),
    "flux2-klein": ("qwen3", tiny_z_image.tokenizer),
    "qwen-image": ("qwen2.5-vl", tiny_z_image.tokenizer),
    "lumina2": ("gemma2", gemma_tokenizer),
    "chroma": ("t5", tiny_flow.tokenizer),
}

NAMES = {
    "flux2": ("mistral_3_small_flux2", "flux2-vae"),
    "flux2-klein": ("qwen_3_4b", "flux2-vae"),
    "qwen-image": ("qwen_2.5_vl_7b", "qwen_image_vae"),
    "lumina2": ("gemma_2_2b_fp16", "ae"),
    "chroma": ("t5xxl_fp16", "ae"),
}
"""What the files of their text encoder and their autoencoder are called."""

WHOLE = {"lumina2": ("model.diffusion_model.", "text_encoders.gemma2_2b.transformer.", "vae.")}
"""What the names of denoiser, text encoder and autoencoder begin with in files that hold all of a model."""


def text_tensors(kind, pipeline):
    """The text encoder's tensors as ComfyUI's users have them."""
    if kind == "lumina2":
        # ComfyUI's file has its tokenizer as bytes, too.
        tokenizer = {"spiece_model": torch.zeros(16, dtype=torch.uint8)}
        return tiny.renamed(pipeline.text_encoder, language_models.transformers) | tokenizer
    if kind == "chroma":
        return tiny.renamed(pipeline.text_encoder.encoder, t5.transformers)
    model = pipeline.text_encoder.model
    if kind == "flux2":
        # Files that were made for it hold thirty layers, and no norm behind them.
        kept = tiny.renamed(model.language_model, language_models.transformers)
        return {n: t for n, t in kept.items() if not n.startswith(("model.layers.30.", "model.norm."))}
    if kind == "flux2-klein":
        return tiny.renamed(model, language_models.transformers)
    eyes = {f"visual.{name}": tensor for name, tensor in model.visual.state_dict().items()}
    return tiny.renamed(model.language_model, language_models.transformers) | eyes


def denoiser_tensors(kind, pipeline):
    """The transformer's tensors in their own program's naming."""
    return tiny.renamed(pipeline.transformer, LAYOUTS[kind][0])


def vae_tensors(kind, pipeline):
    """The autoencoder's tensors in their own program's naming."""
    return tiny.renamed(pipeline.vae, LAYOUTS[kind][1])


def whole_tensors(kind, pipeline):
    """The tensors of a file that holds all of it, of a kind that has such files."""
    parts = zip(WHOLE[kind], (denoiser_tensors, text_tensors, vae_tensors), strict=True)
    return {prefix + name: tensor for prefix, of in parts for name, tensor in of(kind, pipeline).items()}


def write_tokenizers(folder):
    """Put all their tokenizers into a folder of models."""
    for name, make in TOKENIZERS.values():
        place = folder / "tokenizers" / name
        place.mkdir(parents=True, exist_ok=True)
        make().save(str(place / "tokenizer.json"))


def folders_of(models):
    """The folders of models below this one."""
    return ModelFolders((models / "Stable-diffusion",), vae=(models / "VAE",), text_encoders=(models / "text_encoder",))
