"""Count a prompt's tokens for a model that runs through its stock pipeline. Torch-free."""

from __future__ import annotations

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.tokenizer_files import SENTENCEPIECE, TOKENIZER, read_tokenizer
from webui.engine.checkpoints.tokens import CHUNK, load_chunker

# Where a tokenizer's own limit is no limit (libraries write 10^30), the pipelines cut at about this many.
_ROOM = 512
_MOST_ROOM = 100_000


def count_tokens(checkpoint: Checkpoint, text: str) -> tuple[int, int]:
    """(tokens, room) by the tokenizer of the model's last text encoder, which takes the most; stock pipelines cut."""
    folders = sorted(path for path in checkpoint.path.glob("*tokenizer*") if path.is_dir())
    for folder in reversed(folders):
        room = CHUNK if (folder / "merges.txt").is_file() else _ROOM
        config = folder / "tokenizer_config.json"
        if config.is_file():
            told = read_json(config).get("model_max_length")
            room = int(told) if isinstance(told, int | float) and 0 < told < _MOST_ROOM else room
        for name in (TOKENIZER, SENTENCEPIECE):
            if (folder / name).is_file():
                return len(read_tokenizer(folder / name).encode(text, add_special_tokens=False).ids), room
        if (folder / "vocab.json").is_file():
            return len(load_chunker(folder).tokens(text)), room
    raise ModelProblem("The model brings no tokenizer that can be read, so its tokens cannot be counted.")
