"""What other programs write into their pictures, by hand from their forms: each value finds its field."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.images.readers import comfy
from webui.core.infotext import parse
from webui.images.metadata import parameters
from webui.images.picture_file import XMP, PictureFile
from webui.images.readers import names
from webui.plugins.builtin.readers import metadata_readers
from webui.plugins.resolve import resolve

INVOKE = {
    "app_version": "5.4.3", "generation_mode": "sdxl_txt2img", "positive_prompt": "a (red hat)1.3 on a cat++",
    "negative_prompt": "dogs-", "width": 1024, "height": 768, "seed": 99, "rand_device": "cpu", "cfg_scale": 7.5,
    "steps": 30, "scheduler": "dpmpp_2m_sde_k", "model": {"key": "1", "hash": "blake3:2", "name": "juggernaut",
    "base": "sdxl", "type": "main"}, "loras": [{"model": {"name": "ink"}, "weight": 0.75}],
    "vae": {"name": "sdxl-vae-fp16"},
}  # fmt: skip
INVOKE_3 = {
    "positive_prompt": "a fox", "negative_prompt": "", "seed": 3, "steps": 12, "cfg_scale": 4, "scheduler": "euler",
    "clip_skip": 1, "model": {"model_name": "stable-diffusion-v1-5", "base_model": "sd-1"},
    "loras": [{"lora": {"model_name": "fur", "base_model": "sd-1"}, "weight": 1}],
}  # fmt: skip
INVOKE_FLUX = {
    "positive_prompt": "an owl", "seed": 5, "steps": 4, "guidance": 3.5, "width": 512, "height": 512,
    "model": {"name": "FLUX Schnell", "base": "flux"},
}  # fmt: skip
INVOKE_2 = {
    "model": "stable diffusion", "model_weights": "sd-v1-5", "app_version": "2.3.5",
    "image": {"prompt": [{"prompt": "a cat [a dog] [fog]", "weight": 1}], "steps": 50, "cfg_scale": 7.5, "seed": 8,
              "width": 512, "height": 640, "sampler": "k_euler_a", "type": "txt2img"},
}  # fmt: skip
FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8Rundiffusion", "base_model_hash": "aeb7e9e689",
    "clip_skip": 2, "full_negative_prompt": ["unrealistic", "saturated"],
    "full_prompt": ["cinematic still a lighthouse . emotional", "a lighthouse, sharp focus"], "guidance_scale": 4,
    "loras": [["sd_xl_offset_example-lora_1.0.safetensors", 0.1, "4852686128"]], "metadata_scheme": "fooocus",
    "negative_prompt": "", "performance": "Speed", "prompt": "a lighthouse", "refiner_model": "None",
    "refiner_switch": 0.5, "resolution": "(896, 1152)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras",
    "seed": "3204713117", "sharpness": 2, "steps": 30, "styles": "['Fooocus V2']", "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}  # fmt: skip
SWARM = {
    "sui_image_params": {
        "prompt": "a bridge", "negativeprompt": "cars", "model": "OfficialStableDiffusion/sd_xl_base_1.0", "seed": 12,
        "steps": 20, "cfgscale": 7.0, "width": 1024, "height": 768, "sampler": "dpmpp_2m", "scheduler": "karras",
        "loras": ["ink"], "loraweights": ["0.5"], "swarm_version": "0.9.4",
    },
    "sui_extra_data": {"date": "2025-01-01"},
}  # fmt: skip
CIVITAI = {
    "resource-stack": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "urn:air:sdxl:1"}},
    "extra": {"airs": ["urn:air:sdxl:checkpoint:civitai:1@2"]},
    "extraMetadata": json.dumps({
        "prompt": "a knight", "negativePrompt": "mud", "steps": 25, "cfgScale": 5, "sampler": "DPM++ 2M Karras",
        "clipSkip": 2, "seed": 77, "resources": [{"modelVersionId": 2, "strength": 1}],
    }),
}  # fmt: skip
DRAW_THINGS = {"c": "a boat", "uc": "sails", "steps": 18, "scale": 4.5, "seed": 41, "sampler": "DPM++ 2M Karras",
               "size": "576x1024", "model": "sd_xl_base_1.0_f16.ckpt"}  # fmt: skip
NOVELAI = {
    "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "uncond_scale": 0.0, "cfg_rescale": 0.0, "seed": 4076342,
    "n_samples": 1, "noise_schedule": "karras", "sampler": "k_euler_ancestral", "uc": "lowres, {bad}",
    "prompt": "1girl, {{blue hair}}, [hat], smile (shy)",
}  # fmt: skip
NOVELAI_4 = NOVELAI | {
    "v4_prompt": {"caption": {"base_caption": "2girls, 1.5::rain::, dusk", "char_captions": [
        {"char_caption": "girl, red hair", "centers": [{"x": 0.5, "y": 0.5}]}, {"char_caption": "girl, -1::hat::"}]}},
    "v4_negative_prompt": {"caption": {"base_caption": "blurry", "char_captions": []}},
}  # fmt: skip
PACKET = (
    '<x:xmpmeta><rdf:Description><exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt>'
    "</exif:UserComment></rdf:Description></x:xmpmeta>"
)

TEXT = "a red house\nNegative prompt: blurry\n"
LORA = {"class_type": "LoraLoader", "inputs": {"lora_name": "styles/ink.safetensors", "strength_model": 0.8,
        "strength_clip": 0.5, "model": ["4", 0], "clip": ["4", 1]}}  # fmt: skip
STACK = {"class_type": "Power Lora Loader (rgthree)", "inputs": {
    "lora_1": {"on": True, "lora": "ink.safetensors", "strength": 0.6},
    "lora_2": {"on": False, "lora": "oil.safetensors", "strength": 1}, "model": ["4", 0]}}  # fmt: skip
HIRES = comfy.graph(
    n10={"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1024, "height": 1536}},
    n11=comfy.sampler(latent_image=["10", 0], denoise=0.5, steps=10, seed=9),
    n8={"class_type": "VAEDecode", "inputs": {"samples": ["11", 0], "vae": ["4", 2]}},
)
COMBINED = {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["6", 0], "conditioning_2": ["7", 0]}}

CASES = {
    "A1111": (
        {"parameters": TEXT + "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768, Model: m"}, {},
        {"prompt": "a red house", "steps": 20, "sampler_name": "Euler a", "width": 512, "height": 768, "seed": 1}),
    "A1111 in a JPEG": (
        {}, {"UserComment": TEXT + "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1"},
        {"negative_prompt": "blurry", "sampler_name": "DPM++ 2M Karras"}),
    "A1111, variation and skip": (
        {"parameters": "x\nSteps: 9, Sampler: Euler, CFG scale: 3.5, Seed: 4, Size: 64x64, Variation seed: 7, "
         "Variation seed strength: 0.25, Clip skip: 2, ENSD: 31337"}, {},
        {"subseed": 7, "subseed_strength": 0.25, "clip_skip": 2, "eta_noise_seed_delta": 31337, "cfg_scale": 3.5}),
    "A1111, quoted": (
        {"parameters": 'x\nSteps: 9, Sampler: Euler, Seed: 4, Lora hashes: "ink: 0123456789ab, oil: 112233445566"'}, {},
        {"steps": 9, "seed": 4}),
    "Forge": (
        {"parameters": "x\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, "
         "Seed: 5, Size: 896x1152, Model: flux1-dev-bnb-nf4, Module 1: ae, Module 2: clip_l, Version: f2.0.1"}, {},
        {"scheduler": "Simple", "distilled_cfg_scale": 3.5, "text_encoders": "ae, clip_l"}),
    "SD.Next": (
        {"parameters": "a fox\nNegative prompt: fog\nSteps: 20, Size: 1024x1024, Sampler: Euler a, Seed: 6, "
         "CFG scale: 6, Model: tempest, Model hash: 0a1b2c3d4e, App: SD.Next, Version: 1b2c3d4, "
         "Operations: txt2img, Pipeline: StableDiffusionXLPipeline"}, {},
        {"prompt": "a fox", "width": 1024, "checkpoint_hash": "0a1b2c3d4e", "checkpoint": "tempest"}),
    "a site without a negative line": (
        {"parameters": "a fox\nSteps: 20, Sampler: Undefined, CFG scale: 6, Seed: 6, Clip skip: 0, Model: None"}, {},
        {"steps": 20, "clip_skip": 1, "negative_prompt": ""}),
    "CivitAI's text": (
        {"parameters": 'a fox\nNegative prompt: fog\nSteps: 20, Sampler: Euler, CFG scale: 6, Seed: 6, Size: 832x1216, '
         'Civitai resources: [{"type":"checkpoint","modelVersionId":1}], Civitai metadata: {}'}, {},
        {"width": 832, "height": 1216, "seed": 6}),
    "CivitAI's generator": (
        {}, {"UserComment": json.dumps(CIVITAI)},
        {"prompt": "a knight", "negative_prompt": "mud", "steps": 25, "cfg_scale": 5, "seed": 77, "clip_skip": 2,
         "sampler_name": "DPM++ 2M Karras", "width": 512, "height": 768}),
    "Fooocus": (
        {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"}, {},
        {"prompt": "cinematic still a lighthouse . emotional, a lighthouse, sharp focus "
         "<lora:sd_xl_offset_example-lora_1.0:0.1>", "negative_prompt": "unrealistic, saturated", "width": 896,
         "height": 1152, "sampler_name": "DPM++ 2M SDE", "scheduler": "Karras", "seed": 3204713117, "cfg_scale": 4,
         "checkpoint": "juggernautXL_v8Rundiffusion", "Fooocus styles": "['Fooocus V2']"}),
    "Fooocus in a JPEG": (
        {}, {"UserComment": json.dumps(FOOOCUS | {"refiner_model": "sdxl_refiner.safetensors"})},
        {"refiner_checkpoint": "sdxl_refiner", "refiner_switch_at": 0.5, "steps": 30}),
    "Fooocus, combined LoRAs": (
        {"parameters": json.dumps({"base_model": "b.safetensors", "performance": "Speed", "prompt": "x", "steps": 8,
         "resolution": "(64, 128)", "lora_combined_1": "ink.safetensors : 0.25"})}, {},
        {"prompt": "x <lora:ink:0.25>", "checkpoint": "b", "width": 64, "height": 128}),
    "SwarmUI": (
        {"parameters": json.dumps(SWARM)}, {},
        {"prompt": "a bridge <lora:ink:0.5>", "negative_prompt": "cars", "checkpoint": "sd_xl_base_1.0", "cfg_scale": 7,
         "sampler_name": "DPM++ 2M", "scheduler": "Karras", "width": 1024}),
    "InvokeAI 5": (
        {"invokeai_metadata": json.dumps(INVOKE)}, {},
        {"prompt": "a (red hat:1.3) on a (cat:1.21) <lora:ink:0.75>", "negative_prompt": "(dogs:0.9)", "seed": 99,
         "sampler_name": "DPM++ 2M SDE", "scheduler": "Karras", "randn_source": "CPU", "checkpoint": "juggernaut",
         "vae": "sdxl-vae-fp16", "cfg_scale": 7.5, "width": 1024, "height": 768}),
    "InvokeAI 3": (
        {"invokeai_metadata": json.dumps(INVOKE_3)}, {},
        {"prompt": "a fox <lora:fur:1>", "clip_skip": 2, "checkpoint": "stable-diffusion-v1-5", "scheduler": "Normal",
         "width": 512, "height": 768}),
    "InvokeAI, Flux": (
        {"invokeai_metadata": json.dumps(INVOKE_FLUX)}, {},
        {"distilled_cfg_scale": 3.5, "checkpoint": "FLUX Schnell", "steps": 4, "negative_prompt": ""}),
    "InvokeAI 2": (
        {"sd-metadata": json.dumps(INVOKE_2)}, {},
        {"prompt": "a cat", "negative_prompt": "a dog, fog", "sampler_name": "Euler a", "checkpoint": "sd-v1-5",
         "height": 640}),
    "InvokeAI 1": (
        {"Dream": '"a cat [a dog]" -s 50 -S 123 -W 576 -H 512 -C 7.5 -A k_lms'}, {},
        {"prompt": "a cat", "negative_prompt": "a dog", "steps": 50, "seed": 123, "width": 576, "cfg_scale": 7.5,
         "sampler_name": "LMS"}),
    "InvokeAI 1, written close": (
        {"Dream": "a cat -s20 -S5 -W64 -H64 -C4.0 -Addim"}, {},
        {"prompt": "a cat", "steps": 20, "sampler_name": "DDIM", "cfg_scale": 4}),
    "Draw Things": (
        {XMP: PACKET % json.dumps(DRAW_THINGS).replace('"', "&quot;")}, {},
        {"prompt": "a boat", "negative_prompt": "sails", "steps": 18, "cfg_scale": 4.5, "sampler_name": "DPM++ 2M",
         "scheduler": "Karras", "width": 576, "height": 1024, "checkpoint": "sd_xl_base_1.0_f16"}),
    "Draw Things, another sampler": (
        {XMP: PACKET % json.dumps(DRAW_THINGS | {"sampler": "Euler a"}).replace('"', "&quot;")}, {},
        {"sampler_name": "Euler a"}),
    "NovelAI": (
        {"Software": "NovelAI", "Description": "1girl", "Comment": json.dumps(NOVELAI)}, {},
        {"prompt": r"1girl, (blue hair:1.103), (hat:0.9524), smile \(shy\)", "negative_prompt": "lowres, (bad:1.05)",
         "sampler_name": "Euler a", "scheduler": "Karras", "cfg_scale": 5, "seed": 4076342, "width": 832}),
    "NovelAI 4": (
        {"Software": "NovelAI", "Comment": json.dumps(NOVELAI_4)}, {},
        {"prompt": "2girls, (rain:1.5), dusk, girl, red hair, girl, (hat:-1)", "negative_prompt": "blurry"}),
    "NovelAI, the prompt beside": (
        {"Software": "NovelAI", "Description": "a fox", "Comment": '{"steps": 5}'}, {},
        {"prompt": "a fox", "steps": 5}),
    "ComfyUI": (
        {"prompt": comfy.graph()}, {},
        {"prompt": "a red house", "negative_prompt": "blurry", "seed": 42, "steps": 25, "cfg_scale": 6.5,
         "sampler_name": "DPM++ 2M", "scheduler": "Karras", "width": 512, "height": 768, "checkpoint": "dreamy_8"}),
    "ComfyUI, parameters beside": (
        {"prompt": comfy.graph(), "parameters": "a dog\nSteps: 3, Sampler: Euler, Seed: 4"}, {}, {"prompt": "a dog"}),
    "ComfyUI, a LoRA": (
        {"prompt": comfy.graph(n10=LORA, n3=comfy.sampler(model=["10", 0]))}, {},
        {"prompt": "a red house <lora:ink:0.5:0.8>", "checkpoint": "dreamy_8"}),
    "ComfyUI, a stack of LoRAs": (
        {"prompt": comfy.graph(n10=STACK, n3=comfy.sampler(model=["10", 0]))}, {},
        {"prompt": "a red house <lora:ink:0.6>"}),
    "ComfyUI, hires": ({"prompt": HIRES}, {}, {"seed": 42, "steps": 25, "width": 512, "height": 768}),
    "ComfyUI, Flux": (
        {"prompt": comfy.flux()}, {},
        {"prompt": "an owl", "steps": 20, "sampler_name": "Euler", "scheduler": "Simple", "seed": 219670278747233,
         "distilled_cfg_scale": 3.5, "checkpoint": "flux1-dev", "vae": "ae.safetensors", "width": 1024,
         "text_encoders": "t5xxl_fp16.safetensors, clip_l.safetensors"}),
    "ComfyUI, its page's form": (
        {"workflow": comfy.drawn()}, {},
        {"prompt": "a fox", "negative_prompt": "a dog", "seed": 7, "steps": 12, "cfg_scale": 5, "width": 640,
         "sampler_name": "Euler a", "scheduler": "Normal", "checkpoint": "plain"}),
    "ComfyUI in a WebP": ({}, {"Model": "prompt:" + comfy.graph()}, {"prompt": "a red house", "seed": 42}),
    "ComfyUI's page in a WebP": ({}, {"Make": "Workflow:" + comfy.drawn()}, {"prompt": "a fox"}),
    "ComfyUI, a text of its own": (
        {"prompt": comfy.graph(n6=comfy.text(["20", 0]), n20={"class_type": "PrimitiveString",
         "inputs": {"value": "a blue house"}})}, {}, {"prompt": "a blue house"}),
    "ComfyUI, a seed of its own": (
        {"prompt": comfy.graph(n3=comfy.sampler(seed=["20", 0]), n20={"class_type": "Seed (rgthree)",
         "inputs": {"seed": 1234}})}, {}, {"seed": 1234}),
    "ComfyUI, combined": (
        {"prompt": comfy.graph(n10=COMBINED, n3=comfy.sampler(positive=["10", 0]))}, {},
        {"prompt": "a red house AND blurry"}),
    "ComfyUI, through ControlNet": (
        {"prompt": comfy.graph(n10={"class_type": "ControlNetApplyAdvanced", "inputs": {"positive": ["6", 0],
         "negative": ["7", 0], "strength": 1}}, n3=comfy.sampler(positive=["10", 0], negative=["10", 1]))}, {},
        {"prompt": "a red house", "negative_prompt": "blurry"}),
    "ComfyUI, SDXL's two texts": (
        {"prompt": comfy.graph(n6={"class_type": "CLIPTextEncodeSDXL", "inputs": {"text_g": "a tower", "text_l": "ink",
         "width": 1024, "height": 1024, "clip": ["4", 1]}})}, {}, {"prompt": "a tower, ink", "width": 512}),
    "ComfyUI, clip skip": (
        {"prompt": comfy.graph(n6=comfy.text("a cat", clip=["10", 0]), n10={"class_type": "CLIPSetLastLayer",
         "inputs": {"stop_at_clip_layer": -2, "clip": ["4", 1]}})}, {}, {"clip_skip": 2}),
    "ComfyUI, an embedding and braces": (
        {"prompt": comfy.graph(n6=comfy.text("a {very} red house, embedding:bad\\hands.pt"))}, {},
        {"prompt": "a {very} red house, hands", "dynamic_prompts": False}),
    "ComfyUI, a VAE": (
        {"prompt": comfy.graph(n10={"class_type": "VAELoader", "inputs": {"vae_name": "clear.pt"}},
         n8={"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["10", 0]}})}, {}, {"vae": "clear.pt"}),
    "ComfyUI, advanced": (
        {"prompt": comfy.graph(n3={"class_type": "KSamplerAdvanced", "inputs": {**comfy.sampler()["inputs"],
         "noise_seed": 5, "seed": None, "sampler_name": "dpmpp_3m_sde_gpu", "scheduler": "exponential"}})}, {},
        {"seed": 5, "sampler_name": "DPM++ 3M SDE", "scheduler": "Exponential"}),
    "ComfyUI, SamplerCustom": (
        {"prompt": comfy.graph(
            n3={"class_type": "SamplerCustom", "inputs": {"noise_seed": 6, "cfg": 8, "model": ["4", 0],
                "positive": ["6", 0], "negative": ["7", 0], "sampler": ["10", 0], "sigmas": ["11", 0],
                "latent_image": ["5", 0]}},
            n10={"class_type": "KSamplerSelect", "inputs": {"sampler_name": "heun"}},
            n11={"class_type": "KarrasScheduler", "inputs": {"steps": 15, "sigma_max": 14.6, "rho": 7}})}, {},
        {"seed": 6, "cfg_scale": 8, "steps": 15, "sampler_name": "Heun", "scheduler": "Karras"}),
    "ComfyUI, of a picture": (
        {"prompt": comfy.graph(n3=comfy.sampler(denoise=0.4, latent_image=["10", 0]), n10={"class_type": "VAEEncode",
         "inputs": {"pixels": ["11", 0], "vae": ["4", 2]}}, n11={"class_type": "LoadImage",
         "inputs": {"image": "house.png"}})}, {}, {"denoising_strength": 0.4, "width": 512, "height": 768}),
}  # fmt: skip


def read(texts, exif=()):
    """What the readers make of a file, as values; {} where none knows it."""
    file = PictureFile("PNG" if texts else "JPEG", 512, 768, texts, dict(exif))
    for row in metadata_readers():
        answer = resolve(row.function)(file) if row.name != "stealth" else None
        if answer is not None:
            return parse(answer).values if isinstance(answer, str) else answer
    return {}


def test_there_are_forty_samples():
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_each_value_finds_its_field(name):
    texts, exif, expected = CASES[name]
    found = read(texts, exif)
    assert {key: found.get(key) for key in expected} == expected


def test_a_picture_without_words_is_nobody_s():
    assert read({}) == {} and read({"Software": "Paint", "Title": "a fox"}) == {}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("k_dpm_2_a", "k_dpm_2_a"),
        ("dpm_2_ancestral", "DPM2 a"),
        ("uni_pc", "UniPC"),
        (None, None),
        ("My Own", "My Own"),
    ],
)
def test_samplers_that_are_not_known_keep_their_names(theirs, ours):
    assert names.sampler(theirs) == ours


def test_a_graph_that_runs_in_circles_ends():
    circle = comfy.graph(
        n3=comfy.sampler(model=["10", 0], positive=["11", 0], latent_image=["3", 0], seed=["12", 0]),
        n10={"class_type": "LoraLoader", "inputs": {"lora_name": "ink", "model": ["10", 0]}},
        n11={"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["11", 0], "conditioning_2": ["13", 0]}},
        n12={"class_type": "Reroute", "inputs": {"value": ["12", 0]}},
        n13={"class_type": "ConditioningConcat",
             "inputs": {"conditioning_to": ["11", 0], "conditioning_from": ["13", 0]}},
    )  # fmt: skip
    assert read({"prompt": circle})["steps"] == 25


def test_what_is_made_to_take_long_does_not():
    started = time.perf_counter()
    text = json.dumps(INVOKE | {"positive_prompt": "(a" * 20_000 + "word-" * 20_000 + "x" * 40_000})
    assert read({"invokeai_metadata": text})["seed"] == 99
    nodes = {str(n): {"class_type": "Reroute", "inputs": {"images": [str(n + 1), 0]}} for n in range(4_000)}
    assert read({"prompt": json.dumps(nodes)}) == {}
    assert read({XMP: "<exif:UserComment>{" * 50_000}) == {}
    assert time.perf_counter() - started < 5


KEYS = ["prompt", "image", "model", "loras", "scheduler", "inputs", "class_type", "1", "2", "base_model", "resolution",
         "guidance_scale", "sui_image_params", "loraweights", "extraMetadata", "seed", "positive", "latent_image",
         "nodes", "links", "widgets_values", "id", "type", "weight", "lora", "c", "sampler", "size"]  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)
PLACES = ["parameters", "Comment", "invokeai_metadata", "sd-metadata", "Dream", "prompt", "workflow", XMP]


@given(st.dictionaries(st.sampled_from(PLACES), st.dictionaries(st.sampled_from(KEYS), ANY, max_size=6), max_size=3))
@settings(max_examples=200, deadline=None)
def test_nothing_in_a_file_makes_a_reader_fail(said):
    texts = {place: json.dumps(data) for place, data in said.items()} | {"Software": "NovelAI"}
    if XMP in texts:
        texts[XMP] = PACKET % texts[XMP]
    file = PictureFile("PNG", 512, 768, texts)
    for row in metadata_readers():
        # The one hands a text on as it is, the other looks at pixels.
        if row.name not in ("parameters", "stealth"):
            answer = resolve(row.function)(file)
            assert answer is None or isinstance(answer, dict)
    assert parameters(file) == (texts.get("parameters") or None)
