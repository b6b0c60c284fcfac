"""T5's text encoder as families use it: a text padded or cut to a fixed number of tokens, and its last states."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from webui.core.prompt.emphasis import fragments
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokenizer_files import T5, tokenizer_for
from webui.engine.checkpoints.tokens import READING, Reading
from webui.engine.families.clip_texts import weighted
from webui.engine.reading.base import Reader, wide

_PAD, _END = T5.numbers["<pad>"], T5.numbers["</s>"]


class T5Text:
    """The encoder with its tokenizer."""

    def __init__(self, network: nn.Module, tokenizer: Tokenizer, length: int) -> None:
        """length: to how many tokens each text is padded or cut, its end included."""
        self.network: Any = network
        self._tokenizer = tokenizer
        self._length = length

    @classmethod
    def read(cls, checkpoint: Checkpoint, reader: Reader, number: int, length: int) -> T5Text:
        """The checkpoint's text encoder of this number. Raises ModelProblem, also for a tokenizer that is nowhere."""
        tokenizer = tokenizer_for(checkpoint, f"tokenizer_{number}", T5)
        network = reader.network(checkpoint.parts[f"text_encoder_{number}"], dtype=wide(reader))
        return cls(network, tokenizer, length)

    def states(self, text: str, reading: Reading = READING) -> Tensor:
        """(1, length, width): the last layer's states; those of the padding count, as the models were trained.

        Weights multiply them as they do CLIP's, as in Forge. BREAK has no meaning, since a text is one piece.
        """
        tokens, weights = self._tokens(text, reading)
        rest = self._length - len(tokens)
        numbers = torch.tensor([[*tokens, *[_PAD] * rest]], device=self.network.device)
        return weighted(self.network(numbers).last_hidden_state, (*weights, *[1.0] * rest), reading)

    def _tokens(self, text: str, reading: Reading) -> tuple[list[int], list[float]]:
        """The tokens with their weights, the end among them."""
        tokens: list[int] = []
        weights: list[float] = []
        for part in fragments(text, reading.emphasis):
            numbers = self._tokenizer.encode(part.text, add_special_tokens=False).ids
            tokens += numbers
            weights += [part.weight] * len(numbers)
        most = self._length - 1
        return [*tokens[:most], _END], [*weights[:most], 1.0]
