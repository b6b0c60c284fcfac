"""Tiny random models of Z-Image: their networks, a tokenizer of Qwen3's kind, the files and folders people have."""

import json

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from tests.engine import singles, tiny
from tests.engine.helpers import byte_letters
from webui.engine.layouts import language_models, ldm, z_image

WIDTH = 32
VOCABULARY = 151936
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
FIRST_SPECIAL = 151643
# Qwen3's own of one turn, in which it may think.
TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def transformer(seed=0):
    """A transformer of Z-Image."""
    torch.manual_seed(seed)
    network = ZImageTransformer2DModel(
        dim=256, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=WIDTH,
        axes_lens=[1536, 512, 512],
    )  # fmt: skip
    for parameter in network.parameters():
        # Large enough that texts, times, places and padding show in its answers.
        std = 1.0 / parameter[0].numel() ** 0.5 if parameter.shape[0] > 1 else 1.0
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=std)
    return network.eval()


def language_model(seed=0, layers=3):
    """A Qwen3; as many tokens as the published ones, whose numbers are looked at."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=40960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0}, initializer_range=0.3,
    )  # fmt: skip
    return Qwen3Model(config).eval()


def z_image_model(seed=0):
    """A model, as `singles.Model`; its parts' names in files that hold all of it."""
    autoencoder = tiny.vae(16, seed, quant=False)
    autoencoder.register_to_config(scaling_factor=0.3611, shift_factor=0.1159)
    place, named = "text_encoders.qwen3_4b.transformer.", language_models.transformers
    text_encoder = singles.Part(language_model(seed), place, named)
    parts = {
        "transformer": singles.Part(transformer(seed), "model.diffusion_model.", z_image.transformer),
        "vae": singles.Part(autoencoder, "vae.", ldm.vae),
        "text_encoder": text_encoder,
    }
    return singles.Model("z-image", parts)


def tokenizer():
    """A tokenizer of Qwen3's kind with few words; what means something has Qwen3's numbers."""
    names = [*byte_letters(), "re", "red", "\u0120a", "ir"]
    merges = [("r", "e"), ("re", "d"), ("\u0120", "a"), ("i", "r")]
    vocabulary = {name: number for number, name in enumerate(names)}
    vocabulary |= {name: FIRST_SPECIAL + place for place, name in enumerate(SPECIALS)}
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in SPECIALS])
    return made


def stock_tokenizer():
    """The same in transformers' form, with its chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=TEMPLATE,
        padding_side="right",
    )  # fmt: skip


def write_tokenizer(folder):
    """The folder with this tokenizer in it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def folder(model, path, shift=3.0):
    """A diffusers folder of the model."""
    for name, part in model.parts.items():
        part.network.save_pretrained(path / name)
    FlowMatchEulerDiscreteScheduler(shift=shift).save_pretrained(path / "scheduler")
    write_tokenizer(path / "tokenizer")
    (path / "model_index.json").write_text(json.dumps({"_class_name": "ZImagePipeline"}), encoding="utf-8")
    return path
