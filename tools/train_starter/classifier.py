"""The judge of shapes: a small convolutional network trained on the masks of drawn pictures."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from tools.train_starter.draw import draw
from tools.train_starter.judge import areas, nearest
from tools.train_starter.scene import SHAPES, Scene, random_scene
from tools.train_starter.vae import to_tensor

log = logging.getLogger(__name__)
# Scenes for the judge come from another seed than the training's.
SEED = 77
TRAINED, CHECKED = 4000, 800


class Classifier(nn.Module):
    """Masks [n, 32, 32] to scores [n, 8]."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 16, 32, 64)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 64), nn.ReLU(), nn.Linear(64, len(SHAPES)))

    def forward(self, masks: torch.Tensor) -> torch.Tensor:
        """The scores."""
        return self.body(masks[:, None])

    @torch.inference_mode()
    def names(self, crops: np.ndarray) -> list[str]:
        """The shapes of mask crops [n, 32, 32]."""
        return [SHAPES[i] for i in self(torch.from_numpy(crops)).argmax(1).tolist()]


def _examples(scenes: list[Scene], pictures: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask crops and shape numbers of all filled objects that are found in the pictures."""
    crops, shapes = [], []
    for scene, picture in zip(scenes, pictures, strict=True):
        names = nearest(picture)
        for colour in {t.colour for t in scene.things}:
            things = [t for t in scene.things if t.colour == colour]
            found = areas(names, colour)
            if len(found) == len(things) and not things[0].outlined:
                crops += [area.crop for area in found]
                shapes += [SHAPES.index(things[0].shape)] * len(found)
    return torch.from_numpy(np.stack(crops)), torch.tensor(shapes)


@torch.inference_mode()
def _through(vae: AutoencoderKL, pictures: np.ndarray) -> np.ndarray:
    """The pictures encoded and decoded, as a sampler's pictures have been."""
    out = []
    for start in range(0, len(pictures), 50):
        decoded = vae.decode(vae.encode(to_tensor(pictures[start : start + 50])).latent_dist.mean).sample
        out.append(((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(out)


def trained(folder: Path) -> tuple[Classifier, float]:
    """The classifier, trained once and kept in `folder`, and its accuracy on drawn pictures that it never saw."""
    path = folder / "judge.pt"
    judge = Classifier()
    if path.exists():
        kept = torch.load(path, weights_only=True)
        judge.load_state_dict(kept["weights"])
        return judge, kept["accuracy"]
    scenes = [random_scene(SEED, index) for index in range(TRAINED + CHECKED)]
    drawn = np.stack([draw(scene) for scene in scenes])
    half = TRAINED // 2
    drawn[:half] = _through(AutoencoderKL.from_pretrained(folder / "vae"), drawn[:half])
    masks, shapes = _examples(scenes[:TRAINED], drawn[:TRAINED])
    torch.manual_seed(SEED)
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3)
    for step in range(700):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / 700)
        rows = torch.randint(0, len(masks), (128,))
        loss = F.cross_entropy(judge(masks[rows]), shapes[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    masks, shapes = _examples(scenes[TRAINED:], drawn[TRAINED:])
    accuracy = float((judge(masks).argmax(1) == shapes).float().mean())
    torch.save({"weights": judge.state_dict(), "accuracy": accuracy}, path)
    log.info("judge: %.4f right on %d drawn objects", accuracy, len(shapes))
    return judge, accuracy
