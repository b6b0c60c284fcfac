"""A folder of tiny models to work on, and an ear for what a work tells."""

from dataclasses import dataclass, field

import torch
from safetensors.torch import save_file

from tests.engine import singles
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.reading.weights import open_weights


def tensors_of(path):
    """All tensors of a file."""
    with open_weights(path) as weights:
        return {name: weights.tensor(name) for name in read_header(path).tensors}


def same(one, other):
    """Whether two files' tensors are the same to the byte."""
    assert set(one) == set(other)
    return all(one[n].dtype == other[n].dtype and torch.equal(one[n], other[n]) for n in one)


@dataclass
class Told:
    """What a work said; it is stopped once `stop_after` is reached."""

    stop_after: float = 2.0
    said: list = field(default_factory=list)

    def progress(self, fraction, words):
        self.said.append((fraction, words))

    def should_stop(self):
        return bool(self.said) and self.said[-1][0] >= self.stop_after

    @property
    def words(self):
        return " ".join(words for _, words in self.said)


class Shelf:
    """A folder of models."""

    def __init__(self, models):
        self.models = models
        self.folder = models / "Stable-diffusion"
        self.folder.mkdir(parents=True)
        (models / "VAE").mkdir()

    def put(self, name, tensors, dtype=None, metadata=None):
        """A checkpoint of these tensors."""
        path = self.folder / name
        if metadata:
            save_file({n: t.contiguous().clone() for n, t in tensors.items()}, path, metadata)
        else:
            singles.write(tensors, path, dtype)
        return self.find(name)

    def find(self, name):
        return Catalogue([self.folder], look_seconds=0).find(name)

    def listed(self):
        return [checkpoint.name for checkpoint in Catalogue([self.folder], look_seconds=0).all()]

    def left(self):
        """Hidden files that a work left behind."""
        return [path for path in self.models.rglob(".*") if path.name != ".darkroom.json"]
