"""Where the files of models are searched for: A1111's folder names, and the layouts of Forge, ComfyUI and InvokeAI."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from webui.core.errors import InvalidField

# A file of paths is a page long; what is larger is something else.
_MAX_BYTES = 1_000_000

CHECKPOINTS, VAE, TEXT_ENCODER = "Stable-diffusion", "VAE", "text_encoder"
"""A1111's and Forge's names of the folders inside models/ for what is read now."""

LORA, EMBEDDINGS = "Lora", "embeddings"
"""The same for what prompts name."""

OWN = (CHECKPOINTS, VAE, LORA, EMBEDDINGS, TEXT_ENCODER)
"""Those that a person finds there from the first start on."""


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """Folders by what lies in them; the first one that has a name wins.

    checkpoints: whole models, and diffusion models alone. vae, text_encoders: parts for models that lack them.
    mixed: anything; each file counts as what it holds, and what none of the three is, is left alone.
    vae_approx: small decoders for previews. loras, embeddings: adapters and words that prompts name.
    """

    checkpoints: tuple[Path, ...] = ()
    vae: tuple[Path, ...] = ()
    text_encoders: tuple[Path, ...] = ()
    mixed: tuple[Path, ...] = ()
    vae_approx: tuple[Path, ...] = ()
    loras: tuple[Path, ...] = ()
    embeddings: tuple[Path, ...] = ()

    def __add__(self, other: ModelFolders) -> ModelFolders:
        """These and then the other's, none twice."""
        return ModelFolders(
            _once(self.checkpoints + other.checkpoints),
            _once(self.vae + other.vae),
            _once(self.text_encoders + other.text_encoders),
            _once(self.mixed + other.mixed),
            _once(self.vae_approx + other.vae_approx),
            _once(self.loras + other.loras),
            _once(self.embeddings + other.embeddings),
        )


def inside_models(models: Path) -> ModelFolders:
    """Those inside a folder `models` of A1111's or Forge's form; diffusion models alone may have ComfyUI's folders."""
    return ModelFolders(
        (models / CHECKPOINTS, models / "diffusion_models", models / "unet"),
        (models / VAE,),
        (models / TEXT_ENCODER,),
        vae_approx=(models / "VAE-approx", models / "VAE-taesd"),
        loras=(models / LORA, models / "LyCORIS"),
        embeddings=(models / EMBEDDINGS,),
    )


def a1111(home: Path) -> ModelFolders:
    """Those of A1111's or Forge's program folder."""
    return inside_models(home / "models") + ModelFolders(embeddings=(home / EMBEDDINGS,))


def comfy(home: Path) -> ModelFolders:
    """Those of ComfyUI's program folder."""
    models = home / "models"
    return ModelFolders(
        (models / "checkpoints", models / "diffusion_models", models / "unet"),
        (models / "vae",),
        (models / "text_encoders", models / "clip"),
        vae_approx=(models / "vae_approx",),
        loras=(models / "loras",),
        embeddings=(models / "embeddings",),
    )


_INVOKE_BASES = ("sd-1", "sd-2", "sdxl", "sd-3", "flux")
_INVOKE_LORAS = tuple(f"{base}/{kind}" for base in _INVOKE_BASES for kind in ("lora", "lycoris"))


def invoke(home: Path) -> ModelFolders:
    """Those of InvokeAI's root folder, which sorts by family and kind, or newer by a key that says neither."""
    models = home / "models"
    return ModelFolders(
        mixed=(models,),
        loras=tuple(models / name for name in _INVOKE_LORAS),
        embeddings=tuple(models / base / "embedding" for base in _INVOKE_BASES),
    )


_COMFY_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "checkpoints": "checkpoints",
        "diffusion_models": "checkpoints",
        "unet": "checkpoints",
        "vae": "vae",
        "vae_approx": "vae_approx",
        "text_encoders": "text_encoders",
        "clip": "text_encoders",
        "loras": "loras",
        "embeddings": "embeddings",
    }
)


def comfy_file(path: Path) -> ModelFolders:
    """Those that a file in the form of ComfyUI's extra_model_paths.yaml names. Raises InvalidField.

    Each section has a `base_path`, which counts from the file's own folder, and one folder a line for each kind.
    """
    found = ModelFolders()
    for name, section in _sections(path).items():
        if not isinstance(section, Mapping):
            raise _wrong(path, f"its section '{str(name)[:40]}' holds no folders")
        base = path.parent / _path(section.get("base_path") or "")
        for kind, texts in section.items():
            target = _COMFY_KINDS.get(str(kind))
            if target is not None:
                folders = tuple(base / _path(line) for line in _lines(path, str(kind), texts))
                found += ModelFolders(**{target: folders})
    return found


def _sections(path: Path) -> Mapping[Any, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _wrong(path, "it is far too large")
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(path, "it is no YAML") from error
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise _wrong(path, "it has no sections")
    return data


def _lines(path: Path, kind: str, texts: Any) -> Iterator[str]:
    """The folders of one kind: a text with one a line, or a list of them."""
    listed = texts if isinstance(texts, list) else str(texts or "").splitlines()
    for text in listed:
        if not isinstance(text, str):
            raise _wrong(path, f"'{kind}' should be folders, one a line")
        if text.strip():
            yield text.strip()


def _path(text: Any) -> Path:
    expanded = Path(os.path.expandvars(str(text)))
    try:
        return expanded.expanduser()
    except RuntimeError:  # a home folder of a user who does not exist
        return expanded


def _wrong(path: Path, why: str) -> InvalidField:
    return InvalidField(
        f"{path} cannot be used as a file of model folders: {why}.",
        remedies=("Correct the file; it has the form of ComfyUI's extra_model_paths.yaml",),
    )


def _once(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folders))


LAYOUTS: Mapping[str, Callable[[Path], ModelFolders]] = MappingProxyType(
    {
        "vae_dir": lambda folder: ModelFolders(vae=(folder,)),
        "lora_dir": lambda folder: ModelFolders(loras=(folder,)),
        "embeddings_dir": lambda folder: ModelFolders(embeddings=(folder,)),
        "text_encoder_dir": lambda folder: ModelFolders(text_encoders=(folder,)),
        "a1111_home": a1111,
        "comfy_home": comfy,
        "invoke_home": invoke,
        "comfy_file": comfy_file,
    }
)
"""What a flag's path means, by the name that the flag's row has for it."""
