"""Write what a diffusers folder says beside its weights: its pipeline, its scheduler, its tokenizers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.forms.base import ENDS, FLOW, FolderForm
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.qwen3_tokens import QWEN3
from webui.engine.checkpoints.tokenizer_files import T5, TOKENIZER, local_tokenizer
from webui.engine.checkpoints.tokens import clip_chunker

_TOKENIZER_CLASSES = {T5.name: "T5TokenizerFast", QWEN3.name: "Qwen2TokenizerFast"}


def scheduler_of(checkpoint: Checkpoint, form: FolderForm) -> dict[str, Any]:
    """The scheduler's configuration. That it is known what the model predicts was looked at before."""
    name, config = form.scheduler
    found: dict[str, Any] = {"_class_name": name, **config}
    if name == FLOW:
        shift = checkpoint.defaults.get("shift") or form.shifts.get(checkpoint.variant)
        return {"_class_name": name, "num_train_timesteps": 1000, "shift": shift} if shift else found
    facts = checkpoint.parts["unet"].form.facts
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if facts.get("ztsnr") else {}
    return {**found, "prediction_type": checkpoint.prediction_type or "epsilon", **zero}


def write_form(
    checkpoint: Checkpoint, form: FolderForm, folder: Path, classes: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Write all files but the networks' into a folder; what is missing, in sentences.

    form: its family's. classes: library and class of each network by its part's name. What the checkpoint's own folder
    has is copied.
    """
    missing = []
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
        nothing = [None, None]
        said = read_json(own / "model_index.json")
        left_out = [name for name in checkpoint.parts if name not in classes]
        left_out += [name.replace("text_encoder", "tokenizer") for name in left_out if name.startswith("text_encoder")]
        index |= {name: word for name, word in said.items() if name not in classes or word != nothing}
        index |= {name: nothing for name in left_out if name in said}
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
            "eos_token": ENDS,
            "unk_token": ENDS,
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
