"""The published files of parts are known by their tensors.

Sources: Comfy-Org's flux2_dev_fp8mixed.safetensors as InvokeAI's tests list its tensors and shapes; the naming of
Mistral3ForConditionalGeneration and Qwen2_5_VLForConditionalGeneration before and since transformers 4.52.
"""

import pytest

from webui.engine.checkpoints.architectures import flux2, mistral, qwen3, qwen_vl
from webui.engine.checkpoints.architectures.base import Names
from webui.engine.checkpoints.headers.base import TensorInfo

FLUX2_DEV = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "double_blocks.0.img_attn.norm.query_norm.scale": (128,),
    "double_blocks.0.img_attn.proj.weight": (6144, 6144),
    "double_blocks.0.img_attn.qkv.weight": (18432, 6144),
    "double_blocks.0.img_mlp.0.input_scale": (),
    "double_blocks.0.img_mlp.0.weight": (36864, 6144),
    "double_blocks.0.img_mlp.0.weight_scale": (),
    "double_blocks.0.img_mlp.2.weight": (6144, 18432),
    "double_blocks.0.txt_attn.proj.weight": (6144, 6144),
    "double_blocks.0.txt_mlp.0.weight": (36864, 6144),
    "double_stream_modulation_img.lin.weight": (36864, 6144),
    "double_stream_modulation_txt.lin.weight": (36864, 6144),
    "final_layer.adaLN_modulation.1.weight": (12288, 6144),
    "final_layer.linear.weight": (128, 6144),
    "guidance_in.in_layer.weight": (6144, 256),
    "guidance_in.out_layer.weight": (6144, 6144),
    "img_in.weight": (6144, 128),
    "single_blocks.0.linear1.weight": (55296, 6144),
    "single_blocks.0.linear2.weight": (6144, 24576),
    "single_blocks.0.norm.key_norm.scale": (128,),
    "single_blocks.0.norm.query_norm.scale": (128,),
    "single_stream_modulation.lin.weight": (18432, 6144),
    "time_in.in_layer.weight": (6144, 256),
    "time_in.out_layer.weight": (6144, 6144),
    "txt_in.weight": (6144, 15360),
}


def names(shapes):
    return Names({name: TensorInfo("BF16", shape, 0, 0) for name, shape in shapes.items()})


def block(start, width, query, key, middle, vocabulary, bias=False, norm=False):
    inside = f"{start}layers.0."
    shapes = {
        f"{start}embed_tokens.weight": (vocabulary, width),
        f"{inside}self_attn.q_proj.weight": (query, width),
        f"{inside}self_attn.k_proj.weight": (key, width),
        f"{inside}mlp.gate_proj.weight": (middle, width),
    }
    shapes |= {f"{inside}self_attn.q_proj.bias": (query,)} if bias else {}
    return shapes | ({f"{inside}self_attn.q_norm.weight": (128,)} if norm else {})


def test_flux2_dev_is_the_published_network():
    form = flux2.recognise(names(FLUX2_DEV))
    # What diffusers' Flux2Transformer2DModel has by default is dev.
    assert form.layout == "original" and form.facts == {"in_channels": 128, "encoder_width": 5120, "guidance": True}
    assert (form.config["num_attention_heads"], form.config["mlp_ratio"]) == (48, 3.0)
    assert flux2.recognise(names({n: s for n, s in FLUX2_DEV.items() if "stream_modulation" not in n})) is None


@pytest.mark.parametrize(
    ("start", "layout"),
    [
        ("model.", "transformers"),
        ("model.language_model.", "with_eyes"),
        ("language_model.model.", "with_eyes_old"),
        ("", "transformers_bare"),
    ],
)
def test_mistral_small_in_each_naming(start, layout):
    found = names(block(start, 5120, 4096, 1024, 32768, 131072))
    form = mistral.recognise(found)
    assert (form.layout, form.facts["width"]) == (layout, 5120)
    assert (form.config["num_attention_heads"], form.config["num_key_value_heads"]) == (32, 8)
    assert qwen_vl.recognise(found) is None and qwen3.recognise(found) is None
    # Other models of the vocabulary are not taken for it.
    assert mistral.recognise(names(block(start, 5120, 4096, 1024, 32768, 131072, norm=True))) is None
    assert mistral.recognise(names(block(start, 4096, 4096, 1024, 14336, 32768))) is None


@pytest.mark.parametrize(("start", "layout"), [("model.", "transformers"), ("model.language_model.", "with_eyes")])
def test_qwen_vl_in_each_naming(start, layout):
    found = names(block(start, 3584, 3584, 512, 18944, 152064, bias=True))
    form = qwen_vl.recognise(found)
    assert (form.layout, form.facts["width"], form.config["num_attention_heads"]) == (layout, 3584, 28)
    assert mistral.recognise(found) is None and qwen3.recognise(found) is None
    assert qwen_vl.recognise(names(block(start, 2560, 4096, 1024, 9728, 151936, norm=True))) is None
