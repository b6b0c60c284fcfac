"""Every kind of captioner in the table: made tiny with random weights, found by its class, and asked for words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    GitConfig,
    GitForCausalLM,
    PreTrainedModel,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)

from tests.engine.captions.tiny_blip import WORDS, write_blip
from webui.core.caption_request import Caption
from webui.engine.captions.captioners import KINDS, choose
from webui.engine.captions.describe import caption
from webui.engine.captions.files import CaptionFiles

_SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
_EYE = {**_SHAPE, "image_size": 32, "patch_size": 8}
_MARKS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
_TEXT = {**_SHAPE, **_MARKS, "vocab_size": len(WORDS), "max_position_embeddings": 96}


def git() -> tuple[PreTrainedModel, dict[str, Any]]:
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    return GitForCausalLM(GitConfig(vision_config=_EYE, **_TEXT)), {
        "image_processor_type": "CLIPImageProcessor",
        **size,
    }


def encoder_and_decoder() -> tuple[PreTrainedModel, dict[str, Any]]:
    decoder = BertConfig(is_decoder=True, add_cross_attention=True, **_TEXT)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**_EYE), decoder)
    model = VisionEncoderDecoderModel(config)
    for name, value in (("decoder_start_token_id", 2), *_MARKS.items()):
        setattr(model.generation_config, name, value)
    return model, {"image_processor_type": "ViTImageProcessor"}


def blip2() -> tuple[PreTrainedModel, dict[str, Any]]:
    between = {**_TEXT, "encoder_hidden_size": 16}
    text = {
        **_MARKS,
        "model_type": "opt",
        "vocab_size": len(WORDS) + 1,
        "hidden_size": 16,
        "word_embed_proj_dim": 16,
        "ffn_dim": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 96,
    }
    config = Blip2Config(
        vision_config=_EYE,
        qformer_config=between,
        text_config=text,
        num_query_tokens=4,
        image_token_index=len(WORDS),
    )
    return Blip2ForConditionalGeneration(config), {"image_processor_type": "BlipImageProcessor"}


MAKES: dict[str, Callable[[], tuple[PreTrainedModel, dict[str, Any]]] | None] = {
    "BlipForConditionalGeneration": None,
    "Blip2ForConditionalGeneration": blip2,
    "GitForCausalLM": git,
    "VisionEncoderDecoderModel": encoder_and_decoder,
}


@pytest.mark.parametrize("architecture", KINDS)
def test_a_captioner_of_each_kind_says_words_of_its_own(architecture: str, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "captioners" / "tiny"
    make = MAKES[architecture]
    if make is None:
        write_blip(folder)
    else:
        torch.manual_seed(3)
        model, processor = make()
        # Louder than as they are made, so that the words differ from each other.
        for weights in model.parameters():
            weights.data.normal_(0, 0.5)
            if weights.shape == (len(WORDS),):
                # The marks come first among the words; a caption of them alone would be empty.
                weights.data[: WORDS.index("red")] = -100
        model.save_pretrained(folder)
        BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)}).save_pretrained(folder)
        size = {"size": {"height": 32, "width": 32}, **processor}
        (folder / "preprocessor_config.json").write_text(json.dumps(size), encoding="utf-8")
    picture = tmp_path / "picture.png"
    Image.linear_gradient("L").save(picture)
    files = CaptionFiles(choose(tmp_path / "models"), picture)
    assert files.captioner.architecture == architecture
    text, again = (caption(Caption(), files, lambda *_: None, lambda: False).text for _ in range(2))
    assert text == again and text and set(text.split()) <= set(WORDS)
