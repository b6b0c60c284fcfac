"""A tiny BLIP with random weights and a vocabulary of nine words, written as transformers writes captioners."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "circle", "blue", "square")
_SIDE = 32
_SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "projection_dim": 16,
}


def write_blip(folder: Path, *, seed: int = 0) -> Path:
    """Write it there; the folder."""
    folder.mkdir(parents=True)
    text = {
        **_SHAPE,
        # As in the real one, the mark that a caption begins with is beyond the tokenizer's words.
        "vocab_size": len(WORDS) + 1,
        "encoder_hidden_size": 16,
        "max_position_embeddings": 96,
        "bos_token_id": len(WORDS),
        "pad_token_id": 0,
        "sep_token_id": 3,
        "eos_token_id": 3,
    }
    config = BlipConfig(
        text_config=text, vision_config={**_SHAPE, "image_size": _SIDE, "patch_size": 8}, projection_dim=16
    )
    torch.manual_seed(seed)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)}).save_pretrained(folder)
    processor = {
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "size": {"height": _SIDE, "width": _SIDE},
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return folder
