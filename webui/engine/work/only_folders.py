"""Models that only a folder holds, as far as it is known before anything is opened. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable

from webui.core.errors import ModelProblem
from webui.core.model_work import DIFFUSERS
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.identify import CLIP_TOKENS

_WORDS = {"unet": "UNet", "vae": "VAE"}


def check_words(source: Checkpoint, field: str) -> None:
    """Raises ModelProblem when a text encoder was trained on words of its own: a file has no place for a tokenizer.

    field: the request's, in which a folder can be asked for instead.
    """
    if source.kind != "diffusers":
        return
    own = [
        f"its {words_of(name)} has a vocabulary of its own ({config['vocab_size']} words), which only a folder carries"
        for name, part in source.inside.items()
        if part.architecture == "clip" and (config := part.form.config).get("vocab_size", CLIP_TOKENS) != CLIP_TOKENS
    ]
    if own:
        raise no_file(source, own, field)


def words_of(part: str) -> str:
    """What people call a part of this name."""
    return _WORDS.get(part, part.replace("_", " "))


def no_file(source: Checkpoint, reasons: Iterable[str], field: str) -> ModelProblem:
    """What to raise for a model that one file cannot hold, for these reasons."""
    return ModelProblem(
        f"{source.name} cannot be one file: {'; '.join(reasons)}.",
        field=field,
        remedies=(f"Write it as a folder ({DIFFUSERS})",),
    )
