"""A picture put into words by a captioner, on the CPU: the model is read, asked once, and let go of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
import transformers
from transformers import AutoImageProcessor, AutoTokenizer, LogitsProcessor, LogitsProcessorList

from webui.core.caption_request import Caption
from webui.core.errors import DarkroomError, OutOfMemory, first_line
from webui.core.model_work import Made
from webui.engine.captions.captioners import Captioner, CaptionerProblem
from webui.engine.captions.files import CaptionFiles
from webui.engine.device import is_out_of_memory
from webui.engine.work.base import Progress, ShouldStop, Steps
from webui.images.waiting import plain

MOST_TOKENS = 60
"""The longest caption; A1111 ends its own at 48."""

# A CPU without bf16 units computes in it many times slower.
_DTYPE, _BYTES = torch.float32, 4
# Beside the weights: the picture on its way through the network, and torch itself.
_BESIDE_BYTES = 300 * 2**20
# Reading the weights takes about as long as so many words.
_READING = 60
_AGAIN = ("Get its files again",)
# Nothing is fetched, no code of the folder runs, and no pickle file is opened.
_OFFLINE = {"local_files_only": True, "trust_remote_code": False}


def caption(request: Caption, files: CaptionFiles, progress: Progress, should_stop: ShouldStop) -> Made:
    """The picture in words, in one line, as the captioner finds most likely (no sampling: the same each time).

    Raises CaptionerProblem, BadPicture, OutOfMemory, Stopped.
    """
    picture = plain(files.picture)
    check_room(files.captioner)
    progress(0.0, "Reading the captioner")
    # It would be drawn into the log.
    transformers.utils.logging.disable_progress_bar()
    with _as_sentences(files.captioner), torch.inference_mode():
        text = _words(files.captioner, picture, progress, should_stop)
    if not text:
        raise CaptionerProblem(f"{files.captioner.name} found no words for this picture.")
    return Made(files.captioner.name, text=text)


def check_room(captioner: Captioner) -> None:
    """Raises OutOfMemory when the machine's free memory does not take the captioner."""
    needed, free = captioner.parameters * _BYTES + _BESIDE_BYTES, psutil.virtual_memory().available
    if needed > free:
        raise OutOfMemory(
            f"{captioner.name} needs {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free.",
            remedies=("Use a smaller captioner", "Unload models", "Close programs that use much memory"),
        )


def _words(captioner: Captioner, picture: Any, progress: Progress, should_stop: ShouldStop) -> str:
    # torchvision has no build for every torch; these work without.
    processor = AutoImageProcessor.from_pretrained(captioner.path, backend="pil", **_OFFLINE)
    tokenizer = AutoTokenizer.from_pretrained(captioner.path, **_OFFLINE)
    pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
    model = _model(captioner)
    steps = Steps(_READING + MOST_TOKENS, "Looking at the picture", progress, should_stop)
    steps.advance(_READING)
    watch = LogitsProcessorList([_Watch(captioner, steps)])
    tokens = model.generate(
        pixel_values=pixels, max_new_tokens=MOST_TOKENS, num_beams=1, do_sample=False, logits_processor=watch
    )
    text: str = tokenizer.decode(tokens[0], skip_special_tokens=True)
    return " ".join(text.split())


def _model(captioner: Captioner) -> Any:
    # One of our table's names: no folder chooses what is called.
    kind = getattr(transformers, captioner.architecture)
    model, told = kind.from_pretrained(
        captioner.path, dtype=_DTYPE, use_safetensors=True, output_loading_info=True, **_OFFLINE
    )
    # What is missing would be drawn at random, without a word.
    if told["missing_keys"]:
        name = min(told["missing_keys"])
        raise CaptionerProblem(f"{captioner.name} lacks weights, as {name}.", remedies=_AGAIN)
    return model.eval()


class _Watch(LogitsProcessor):  # type: ignore[misc]
    """Called before each word: tells how far it is, ends where that is wanted, and refuses what is no number."""

    def __init__(self, captioner: Captioner, steps: Steps) -> None:
        self._captioner, self._steps = captioner, steps

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """input_ids: (batch, tokens). scores: (batch, vocabulary), given back as they are."""
        self._steps.advance(1)
        if scores.isnan().any():
            raise CaptionerProblem(f"{self._captioner.name} answers with what is no number (NaN).", remedies=_AGAIN)
        return scores


@contextmanager
def _as_sentences(captioner: Captioner) -> Iterator[None]:
    """Whatever transformers raises about a folder, in a sentence without its path."""
    try:
        yield
    except DarkroomError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"There is not enough memory for {captioner.name}.", remedies=("Use a smaller captioner",)
            ) from error
        said = first_line(error).replace(str(captioner.path), captioner.name)
        raise CaptionerProblem(f"{captioner.name} cannot be used: {said}", remedies=_AGAIN) from error
