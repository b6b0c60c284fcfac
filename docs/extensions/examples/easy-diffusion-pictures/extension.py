"""Easy Diffusion writes each setting into a text chunk of its own, by names that diffusers has for most of them."""

from typing import Any

from webui.extend import MetadataReader, PictureFile, hookimpl

NUMBERS = {"num_inference_steps": "steps", "guidance_scale": "cfg_scale", "seed": "seed"}
TEXTS = {"prompt": "prompt", "negative_prompt": "negative_prompt", "use_stable_diffusion_model": "checkpoint"}
SAMPLERS = {"euler": "Euler", "euler_a": "Euler a", "dpmpp_2m": "DPM++ 2M", "ddim": "DDIM"}


@hookimpl
def metadata_readers() -> list[MetadataReader]:
    """Asked of each picture that Darkroom's own readers do not know."""
    return [MetadataReader("easy-diffusion", "Easy Diffusion", "extension:read")]


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    if "num_inference_steps" not in file.texts:
        return None
    values: dict[str, Any] = {ours: file.texts[theirs] for theirs, ours in TEXTS.items() if theirs in file.texts}
    values |= {ours: float(file.texts[theirs]) for theirs, ours in NUMBERS.items() if theirs in file.texts}
    values |= {"width": file.width, "height": file.height}
    if file.texts.get("sampler_name") in SAMPLERS:
        values["sampler_name"] = SAMPLERS[file.texts["sampler_name"]]
    return values
