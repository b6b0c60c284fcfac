"""T5's text encoder as families use it: a text padded or cut to a fixed number of tokens, and its last states."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.tokenizer_files import T5, tokenizer_for
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

    def states(self, text: str) -> Tensor:
        """(1, length, width): the last layer's states; those of the padding count, as the models were trained."""
        tokens = [*self._tokenizer.encode(text, add_special_tokens=False).ids[: self._length - 1], _END]
        tokens += [_PAD] * (self._length - len(tokens))
        states: Tensor = self.network(torch.tensor([tokens], device=self.network.device)).last_hidden_state
        return states
