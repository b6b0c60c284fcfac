"""What a diffusers folder says beside its weights: its pipeline, its scheduler, its tokenizers, sizes and scales."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenizers import Tokenizer

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.qwen3_tokens import QWEN3
from webui.engine.checkpoints.tokenizer_files import T5, TOKENIZER, KnownTokenizer, local_tokenizer
from webui.engine.checkpoints.tokens import clip_chunker

_ENDS = "<|endoftext|>"
_SCALED_LINEAR = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
_NO_CHECKER: Mapping[str, Any] = MappingProxyType(
    {"safety_checker": [None, None], "feature_extractor": [None, None], "requires_safety_checker": False}
)


@dataclass(frozen=True)
class FolderForm:
    """A family's. pipelines: by variant, "" for the plain kind. side: of the pictures it was trained on, in pixels.

    scaling: the autoencoder's scaling_factor and shift_factor. scheduler: class and configuration. pads: with what
    each of CLIP's tokenizers fills up; known: the others. index: what model_index.json says besides.
    """

    pipelines: Mapping[str, str]
    side: int
    scaling: tuple[float, float | None]
    scheduler: tuple[str, Mapping[str, Any]]
    pads: Mapping[str, str]
    known: Mapping[str, KnownTokenizer] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)


_SD = {
    "": "StableDiffusionPipeline",
    "inpainting": "StableDiffusionInpaintPipeline",
    "pix2pix": "StableDiffusionInstructPix2PixPipeline",
}
_XL = {
    "": "StableDiffusionXLPipeline",
    "inpainting": "StableDiffusionXLInpaintPipeline",
    "pix2pix": "StableDiffusionXLInstructPix2PixPipeline",
}
_EULER = ("EulerDiscreteScheduler", _SCALED_LINEAR)
_FLOW = "FlowMatchEulerDiscreteScheduler"
_DYNAMIC = {
    "shift": 3.0,
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}
_FORMS: Mapping[str, FolderForm] = MappingProxyType(
    {
        "sd1": FolderForm(_SD, 512, (0.18215, None), _EULER, {"tokenizer": _ENDS}, index=_NO_CHECKER),
        "sd2": FolderForm(_SD, 768, (0.18215, None), _EULER, {"tokenizer": "!"}, index=_NO_CHECKER),
        "sdxl": FolderForm(
            _XL,
            1024,
            (0.13025, None),
            _EULER,
            {"tokenizer": _ENDS, "tokenizer_2": "!"},
            index={"force_zeros_for_empty_prompt": True},
        ),
        "sdxl-refiner": FolderForm(
            {"": "StableDiffusionXLImg2ImgPipeline"},
            1024,
            (0.13025, None),
            _EULER,
            {"tokenizer_2": "!"},
            index={
                "text_encoder": [None, None],
                "tokenizer": [None, None],
                "force_zeros_for_empty_prompt": False,
                "requires_aesthetics_score": True,
            },
        ),
        "sd3": FolderForm(
            {"": "StableDiffusion3Pipeline"},
            1024,
            (1.5305, 0.0609),
            (_FLOW, {"shift": 3.0, "num_train_timesteps": 1000}),
            {"tokenizer": _ENDS, "tokenizer_2": "!"},
            {"tokenizer_3": T5},
        ),
        "flux": FolderForm(
            {"": "FluxPipeline"}, 1024, (0.3611, 0.1159), (_FLOW, _DYNAMIC), {"tokenizer": _ENDS}, {"tokenizer_2": T5}
        ),
        "z-image": FolderForm({"": "ZImagePipeline"}, 1024, (0.3611, 0.1159), (_FLOW, {}), {}, {"tokenizer": QWEN3}),
    }
)
# Those of the models as they were published, by family and variant.
_FIXED_SHIFTS = {("flux", "schnell"): 1.0, ("z-image", "turbo"): 3.0, ("z-image", ""): 6.0}
_TOKENIZER_CLASSES = {T5.name: "T5TokenizerFast", QWEN3.name: "Qwen2TokenizerFast"}


def folder_form(family: str) -> FolderForm:
    """The form of a family's folders. Raises ModelProblem: it has none that is known here."""
    form = _FORMS.get(family)
    if form is None:
        raise ModelProblem(f"Models of the family '{family}' are not written as folders here.", field="checkpoint")
    return form


def scheduler_of(checkpoint: Checkpoint, form: FolderForm) -> dict[str, Any]:
    """The scheduler's configuration. Raises ModelProblem for an SD2 file of which nobody says what it predicts."""
    name, config = form.scheduler
    found: dict[str, Any] = {"_class_name": name, **config}
    if name == _FLOW:
        shift = checkpoint.defaults.get("shift") or _FIXED_SHIFTS.get((checkpoint.family, checkpoint.variant))
        return {"_class_name": name, "num_train_timesteps": 1000, "shift": shift} if shift else found
    prediction = checkpoint.prediction_type
    if not prediction and checkpoint.family == "sd2":
        raise ModelProblem(
            f"Nothing says whether {checkpoint.name} predicts noise or velocity, which a folder must say.",
            field="checkpoint",
            remedies=("Put the model's .yaml file beside it",),
        )
    facts = checkpoint.parts["unet"].form.facts
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if facts.get("ztsnr") else {}
    return {**found, "prediction_type": prediction or "epsilon", **zero}


def write_form(checkpoint: Checkpoint, folder: Path, classes: Mapping[str, tuple[str, str]]) -> list[str]:
    """Write all files but the networks' into a folder; what is missing, in sentences.

    classes: library and class of each network by its part's name. What the checkpoint's own folder has is copied.
    """
    form, missing = folder_form(checkpoint.family), []
    own = checkpoint.path if checkpoint.kind == "diffusers" else None
    if own is not None and (own / "scheduler").is_dir():
        shutil.copytree(own / "scheduler", folder / "scheduler")
    else:
        _write(folder / "scheduler" / "scheduler_config.json", scheduler_of(checkpoint, form))
    tokenizers = {}
    for name in (*form.pads, *form.known):
        if name.replace("tokenizer", "text_encoder") not in classes:
            continue
        tokenizers[name] = "CLIPTokenizer" if name in form.pads else _TOKENIZER_CLASSES[form.known[name].name]
        if own is not None and (own / name).is_dir():
            shutil.copytree(own / name, folder / name)
        elif name in form.pads:
            _write_clip(folder / name, form.pads[name])
        else:
            known = form.known[name]
            found = local_tokenizer(checkpoint, name, known)
            if found is None:
                missing.append(f"The tokenizer of {known.title} is not on this machine; {name}/ is left out.")
            else:
                _write_tokenizer(folder / name, found, tokenizers[name])
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    index = {
        "_class_name": form.pipelines.get(checkpoint.variant, form.pipelines[""]),
        **form.index,
        "scheduler": ["diffusers", scheduler["_class_name"]],
        **{name: list(pair) for name, pair in classes.items()},
        **{name: ["transformers", kind] for name, kind in tokenizers.items()},
    }
    if own is not None and (own / "model_index.json").is_file():
        shutil.copyfile(own / "model_index.json", folder / "model_index.json")
    else:
        _write(folder / "model_index.json", index)
    return missing


def _write_clip(folder: Path, pad: str) -> None:
    model = json.loads(clip_chunker().tokenizer.to_str())["model"]
    _write(folder / "vocab.json", model["vocab"])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": 77,
            "bos_token": "<|startoftext|>",
            "eos_token": _ENDS,
            "unk_token": _ENDS,
            "pad_token": pad,
        },
    )


def _write_tokenizer(folder: Path, tokenizer: Tokenizer, kind: str) -> None:
    folder.mkdir()
    tokenizer.save(str(folder / TOKENIZER))
    _write(folder / "tokenizer_config.json", {"tokenizer_class": kind})


def _write(path: Path, data: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
