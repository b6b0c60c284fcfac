"""Write webui/plugins/builtin/stock.json: the pipeline classes of the installed diffusers, and what each of them takes.

The web process knows models by this file, since it never imports torch. Run again after an update of diffusers:
`python -m tools.stock_classes`. A test compares the file with what this makes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import diffusers
from diffusers.modular_pipelines import modular_pipeline
from diffusers.pipelines import auto_pipeline

from webui.plugins.builtin.stock import DATA

# What the classes' signatures do not tell. Sides in pixels that the models were trained at, where no signature has one.
_SIZES = {
    "StableDiffusionPipeline": 512,
    "LatentConsistencyModelPipeline": 512,
    "IFPipeline": 64,
    "WuerstchenCombinedPipeline": 1024,
    "StableCascadeCombinedPipeline": 1024,
}
# Scales whose parameter is None by default.
_SCALES = {"Ideogram4": 7.0}
# Known to diffusers only beside a package that this program does not bring.
_PACKAGES = ("KolorsPipeline", "KolorsImg2ImgPipeline", "KolorsPAGPipeline")
# Sides must be multiples of this, where 16 is not enough: otherwise the picture comes out in another size.
_MULTIPLES = {"Kandinsky": 64, "Sana": 32, "GlmImage": 32, "Wuerstchen": 128, "StableCascade": 128, "PRX": 32}
# Classes whose guidance is added to the prediction with the prompt, so that 0 switches it off and not 1.
_OFF_AT_ZERO = ("ZImage", "Krea2")
# Classes that tell the network their guidance_scale instead of guiding two predictions with it.
_EMBEDDED = ("Flux", "FluxControl", "FluxControlNet", "FluxKontext", "Flux2")
# Classes whose models the families of the program read, so that they run in the loop.
_ADAPTED = ("StableDiffusion", "StableDiffusionXL", "StableDiffusion3", "Flux", "ZImage")
# Of pipelines in two stages, the one whose steps and scale the person means.
_PRIOR_LEADS = ("Wuerstchen", "StableCascade")
_VARIANTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"is_distilled": True},
    {"is_distilled": False},
    {"boundary_ratio": 1.0},
    {"sample_sigmas": [1.0]},
)


def table() -> dict[str, Any]:
    """The file's content."""
    rows = dict((*_pipelines(), *_modular()))
    rows |= {name: {"problem": "package"} for name in _PACKAGES}
    return {"diffusers": diffusers.__version__, "classes": dict(sorted(rows.items()))}


def written(table: Mapping[str, Any]) -> str:
    """The table as the file has it, a class a line."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table["classes"].items())
    return f'{{"diffusers": {json.dumps(table["diffusers"])}, "classes": {{\n{lines}\n}}}}\n'


def _pipelines() -> list[tuple[str, dict[str, Any]]]:
    texts = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    rows: dict[str, dict[str, Any]] = {}
    for mapping, why in (
        (auto_pipeline.AUTO_TEXT2VIDEO_PIPELINES_MAPPING, "video"),
        (auto_pipeline.AUTO_IMAGE2VIDEO_PIPELINES_MAPPING, "video"),
        (auto_pipeline.AUTO_VIDEO2VIDEO_PIPELINES_MAPPING, "video"),
        (auto_pipeline.AUTO_TEXT2AUDIO_PIPELINES_MAPPING, "audio"),
        (auto_pipeline._AUTO_TEXT2IMAGE_DECODER_PIPELINES_MAPPING, "prior"),
    ):
        rows |= {kind.__name__: {"problem": why} for kind in mapping.values()}
    for mapping in (auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING, auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING):
        for key, kind in mapping.items():
            rows[kind.__name__] = _pipeline(texts[key]) if key in texts else {"problem": "picture"}
    return list((rows | {kind.__name__: _pipeline(kind) for kind in texts.values()}).items())


def _pipeline(kind: type) -> dict[str, Any]:
    name = kind.__name__.removesuffix("Pipeline")
    takes = inspect.signature(kind.__call__).parameters
    if "num_frames" in takes:
        return {"problem": "video"}
    if "Control" in name:
        return {"problem": "control"}
    adapted = {"adapted": True} if name.removesuffix("PAG") in _ADAPTED else {}
    prior = "prior_" if name.startswith(_PRIOR_LEADS) else ""
    row: dict[str, Any] = adapted | {"runs": kind.__name__, "steps": takes[f"{prior}num_inference_steps"].default}
    if prior:
        row["steps_as"] = f"{prior}num_inference_steps"
    if "prior_num_inference_steps" in takes:
        other = "num_inference_steps" if prior else "prior_num_inference_steps"
        row["more_steps"] = takes[other].default
    scale = next((f"{prior}{s}" for s in ("true_cfg_scale", "guidance_scale") if f"{prior}{s}" in takes), None)
    if name in _EMBEDDED:
        row |= {"embedded_as": "guidance_scale", "embedded": takes["guidance_scale"].default}
        scale = "true_cfg_scale" if "true_cfg_scale" in takes else None
    return row | _guided(name, takes, scale, takes[scale].default if scale else 1.0) | _sized(kind.__name__, takes)


def _guided(name: str, takes: Mapping[str, Any], scale: str | None, default: float | None) -> dict[str, Any]:
    """cfg: the default of what the person sets, which is 1 where guidance is off for every class."""
    if scale is None:
        return {}
    off = 0.0 if name.startswith(_OFF_AT_ZERO) else 1.0
    default = default or _SCALES.get(name, 1.0)
    return {"scale_as": scale, "off": off, "cfg": max(default, off) + 1.0 - off} | (
        {"negative": True} if "negative_prompt" in takes else {}
    )


def _sized(name: str, takes: Mapping[str, Any]) -> dict[str, Any]:
    default = takes["height"].default if "height" in takes else None
    multiple = next((m for start, m in _MULTIPLES.items() if name.startswith(start)), 16)
    return {"size": _SIZES.get(name) or default or 1024, "multiple": multiple}


def _modular() -> list[tuple[str, dict[str, Any]]]:
    mapping = modular_pipeline.MODULAR_PIPELINE_MAPPING
    names = {make(options) for make in mapping.values() for options in _VARIANTS}
    return [(name, _blocks(getattr(diffusers, name))) for name in sorted(names)]


def _blocks(kind: Any) -> dict[str, Any]:
    blocks = getattr(diffusers, kind.default_blocks_name)()
    outputs = {output.name for output in blocks.outputs}
    if "images" not in outputs:
        return {"problem": "video" if "videos" in outputs else "audio"}
    try:
        blocks = blocks.get_workflow("text2image")
    except (NotImplementedError, ValueError):
        return {"problem": "picture"}
    takes = {one.name: one for one in blocks.inputs}
    components = {spec.name: spec for spec in blocks.expected_components}
    name = kind.__name__
    row: dict[str, Any] = {
        "runs": name,
        "modular": True,
        "blocks": kind.default_blocks_name,
        "steps": takes["num_inference_steps"].default,
    }
    # Parts that are made of a configuration are always there, and others only where the workflow asks for them.
    row["parts"] = sorted(n for n, spec in components.items() if spec.default_creation_method == "from_pretrained")
    if "guidance_scale" in takes:
        row |= {"embedded_as": "guidance_scale", "embedded": takes["guidance_scale"].default}
    if "guider" not in components:
        return row | _sized(name, takes)
    guider = components["guider"].create()
    off = 0.0 if getattr(guider, "use_original_formulation", False) else 1.0
    row |= {"scale_as": "guider", "off": off, "cfg": guider.guidance_scale + 1.0 - off}
    return row | ({"negative": True} if "negative_prompt" in takes else {}) | _sized(name, takes)


def main() -> None:
    """Write the file."""
    DATA.write_text(written(table()), encoding="utf-8")


if __name__ == "__main__":
    main()
