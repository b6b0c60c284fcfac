"""Which models hold what could be left out, as far as it is known before anything is opened. Torch-free."""

from __future__ import annotations

from webui.core.errors import ModelProblem
from webui.core.model_work import FORMATS
from webui.engine.checkpoints.checkpoint import Checkpoint

_WORDS = {"diffusers": "a folder", "gguf": "a GGUF file"}
_ENDINGS = " and ".join(f".{form}" for form in FORMATS)


def check_prunable(source: Checkpoint) -> None:
    """Raises ModelProblem, at the request's checkpoint, for a folder and a GGUF file: all that they hold is read."""
    if source.format not in FORMATS:
        raise ModelProblem(
            f"{source.name} is {_WORDS.get(source.format, source.format)}, which holds nothing that could be left out; "
            f"only {_ENDINGS} files can be pruned.",
            field="checkpoint",
            remedies=(f"Choose a {' or '.join(f'.{form}' for form in FORMATS)} file",),
        )
