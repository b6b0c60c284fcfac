"""CLIP's text encoders as families use them: chunks of 75 tokens, which layer's states, the pooled projection."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from webui.core.errors import ModelProblem
from webui.core.prompt.emphasis import NO_NORM, ORIGINAL
from webui.engine.checkpoints.parts import Part
from webui.engine.checkpoints.tokens import READING, Chunk, Chunker, Reading

Layer = Literal["last", "penultimate"]

_H_LAYERS = 24
"""OpenCLIP's H, SD2's text encoder, has so many layers."""


class ClipText:
    """One text encoder with its tokenizer.

    layer: whose states are the answer, the last one's after the final norm, or those of the one before it without.
    """

    def __init__(self, network: nn.Module, chunker: Chunker, layer: Layer = "last", place: int = 0) -> None:
        """place: which of the family's encoders that take embeddings it is (`Family.embeddings`)."""
        self.network: Any = network
        self.chunker = chunker
        self._layer, self._place = layer, place
        inner = getattr(network, "text_model", network)
        self._final_norm: Any = inner.final_layer_norm

    def states(self, text: str, chunks: int, skip: int = 1, reading: Reading = READING) -> Tensor:
        """(1, 77 x chunks, width): the states of a text that is padded with empty chunks.

        skip: A1111's clip skip n takes the n-th last layer's states, after the final norm. Raises ModelProblem.
        """
        one = (lambda chunk: self._one(chunk)[0]) if skip == 1 else (lambda chunk: self._earlier(chunk, skip))
        padded = self._padded(text, chunks, reading)
        return torch.cat([weighted(one(chunk), chunk.weights, reading) for chunk in padded], dim=1)

    def states_and_pooled(self, text: str, chunks: int, reading: Reading = READING) -> tuple[Tensor, Tensor]:
        """The same, and the projected state (1, width) of the first chunk's end, which has no weights."""
        padded = self._padded(text, chunks, reading)
        answers = [self._one(chunk) for chunk in padded]
        states = [weighted(one, chunk.weights, reading) for (one, _), chunk in zip(answers, padded, strict=True)]
        return torch.cat(states, dim=1), answers[0][1].text_embeds

    def cut(self, text: str, *, projected: bool = True, reading: Reading = READING) -> tuple[Tensor, Tensor]:
        """The states (1, 77, width) and the state (1, width) at the end of a text that is cut after 75 tokens.

        projected: the end's state goes through the encoder's projection; else it is the last layer's as it is.
        """
        chunk = self.chunker.padded(self.chunker.cut(text, reading))
        states, answer = self._one(chunk)
        place = chunk.tokens.index(self.chunker.end)
        end: Tensor = answer.text_embeds if projected else answer.last_hidden_state[:, place]
        return weighted(states, chunk.weights, reading), end

    def chunk_count(self, text: str, reading: Reading = READING) -> int:
        """How many chunks the text fills, at least 1."""
        return len(self.chunker.chunks(text, reading))

    def _padded(self, text: str, chunks: int, reading: Reading) -> list[Chunk]:
        own = self.chunker.chunks(text, reading)
        return [self.chunker.padded(chunk) for chunk in own + [Chunk()] * (chunks - len(own))]

    def _earlier(self, chunk: Chunk, skip: int) -> Tensor:
        answer = self._answer(chunk, True)
        layers = len(answer.hidden_states) - 1
        if skip > layers:
            raise ModelProblem(
                f"Clip skip is {skip}, and this checkpoint's text encoder has {layers} layers.",
                field="clip_skip",
                remedies=(f"Use {layers}",),
            )
        norm, states = self._final_norm, answer.hidden_states[-skip]
        # By itself it is not brought to the device, where its weights wait elsewhere.
        weight, bias = norm.weight.to(states.device), norm.bias.to(states.device)
        return functional.layer_norm(states, norm.normalized_shape, weight, bias, norm.eps)

    def _one(self, chunk: Chunk) -> tuple[Tensor, Any]:
        # One forward pass a chunk: a chunk's numbers then never depend, to the last bit, on what is encoded beside it.
        answer = self._answer(chunk, self._layer == "penultimate")
        states: Tensor = answer.last_hidden_state if self._layer == "last" else answer.hidden_states[-2]
        return states, answer

    def _answer(self, chunk: Chunk, hidden: bool) -> Any:
        numbers = torch.tensor([chunk.tokens], device=self.network.device)
        vectors = [(first, torch.from_numpy(one.vectors[self._place])) for first, one in chunk.learned]
        with speaking(self.network, vectors):
            return self.network(numbers, output_hidden_states=hidden)


@contextmanager
def speaking(network: Any, vectors: Sequence[tuple[int, Tensor]]) -> Iterator[None]:
    """Have vectors (vectors, width) in place of the tokens from these places on, in what this thread asks a text
    encoder; other threads are answered as ever."""
    if not vectors:
        yield
        return
    thread = threading.get_ident()

    def put(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
        if threading.get_ident() != thread:
            return None
        made = output.clone()
        for first, own in vectors:
            made[:, first : first + len(own)] = own.to(made.device, made.dtype)
        return made

    handle = network.get_input_embeddings().register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()


def weighted(states: Tensor, weights: Sequence[float], reading: Reading) -> Tensor:
    """States (1, tokens, width) multiplied by their tokens' weights; all weights 1 are the same states, to the bit.

    Emphasis mode Original then has all of them as large as before, by their mean, as A1111 does for each chunk.
    """
    if reading.emphasis not in (ORIGINAL, NO_NORM) or all(weight == 1.0 for weight in weights):
        return states
    made = states * torch.tensor(weights, device=states.device, dtype=states.dtype).view(1, -1, 1)
    if reading.emphasis == NO_NORM:
        return made
    ratio = states.float().mean() / made.float().mean()
    # Weights of nothing but 0 leave no mean to restore.
    return made * torch.where(ratio.isfinite(), ratio, torch.ones_like(ratio)).to(states.dtype)


def without_last_layer(part: Part) -> dict[str, int]:
    """The config that leaves out OpenCLIP's last layer, which SD2 does not use.

    Diffusers' folders lack it already, and so do files that were made of folders.
    """
    whole = part.form.layout == "open_clip" and part.form.config["num_hidden_layers"] == _H_LAYERS
    return {"num_hidden_layers": _H_LAYERS - 1} if whole else {}
