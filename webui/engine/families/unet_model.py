"""What SD1, SD2 and SDXL share: a UNet that predicts noise or velocity at discrete timesteps, with extra channels."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.device import column
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.model_schedule import DiscreteSchedule

Prediction = Literal["epsilon", "v_prediction"]

# Sizes whose extra channels are kept; a person rarely draws more at a time.
_KEPT_SIZES = 8

# Texts are repeated to at most so many times the longest one of a forward pass; what needs more is one by itself.
_MOST_REPEATED = 4


@dataclass(frozen=True, slots=True, eq=False)
class TextStates:
    """What a text is to a UNet: `context` (1, tokens, width) for cross-attention, and what its labels are made of.

    All in the model's dtype, on its device. pooled (1, width) and time_ids (1, count) are SDXL's.
    """

    context: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None

    @property
    def size_bytes(self) -> int:
        return self.context.numel() * self.context.element_size()


@dataclass(frozen=True, slots=True)
class _Stacked:
    """Texts of rows that share a forward pass. places: which rows these are, where they are not all."""

    context: Tensor
    added: dict[str, Tensor] | None
    places: Tensor | None = None


class UNetModel:
    """A loaded model of this kind without its texts; see LoadedModel for what the methods promise."""

    latent_factor = 8

    def __init__(
        self,
        unet: nn.Module,
        vae: Autoencoder,
        texts: Sequence[nn.Module],
        schedule: DiscreteSchedule,
        prediction: Prediction,
    ) -> None:
        self.denoiser = unet
        self._unet = cast(Any, unet)
        self.device: torch.device = self._unet.device
        self.dtype: torch.dtype = self._unet.dtype
        self.networks = (unet, vae.network, *texts)
        self.schedule = schedule
        self.vae = vae
        self.latent_channels = int(self._unet.config.out_channels)
        self._velocity = prediction == "v_prediction"
        self._extra = int(self._unet.config.in_channels) - self.latent_channels
        self._extras: OrderedDict[tuple[int, int], Tensor] = OrderedDict()
        self._lock = Lock()

    def schedule_at(self, width: int, height: int) -> DiscreteSchedule:
        return self.schedule

    def stack(self, rows: Sequence[TextStates]) -> tuple[_Stacked, ...]:
        parts = _fitting([row.context.shape[1] for row in rows])
        if len(parts) == 1:
            return (self._stacked(rows),)
        return tuple(
            replace(self._stacked([rows[place] for place in part]), places=torch.tensor(part, device=self.device))
            for part in parts
        )

    def _stacked(self, rows: Sequence[TextStates]) -> _Stacked:
        # Repeating all states of a text changes no cross-attention.
        lengths = [row.context.shape[1] for row in rows]
        common = math.lcm(*lengths)
        context = torch.cat([row.context.repeat(1, common // n, 1) for row, n in zip(rows, lengths, strict=True)])
        pooled = [row.pooled for row in rows if row.pooled is not None]
        if not pooled:
            return _Stacked(context, None)
        ids = [row.time_ids for row in rows if row.time_ids is not None]
        return _Stacked(context, {"text_embeds": torch.cat(pooled), "time_ids": torch.cat(ids)})

    def predict(self, x: Tensor, sigmas: Sequence[float], context: tuple[_Stacked, ...]) -> Tensor:
        first = sigmas[0]
        if all(s == first for s in sigmas):
            sigma: Any = first
            scale: Any = 1 / math.sqrt(first * first + 1)
            timesteps = column([self.schedule.timestep(first)], self.device)
        else:
            known = {s: self.schedule.timestep(s) for s in set(sigmas)}
            timesteps = column([known[s] for s in sigmas], self.device)
            sigma = column(sigmas, self.device).view(-1, 1, 1, 1)
            scale = torch.rsqrt(sigma * sigma + 1)
        inputs = x * scale
        if self._extra:
            extra = self._empty_picture(x.shape[-1] * self.latent_factor, x.shape[-2] * self.latent_factor)
            inputs = torch.cat([inputs, extra.expand(len(x), -1, -1, -1)], dim=1)
        output = self._ask_parts(inputs.to(self.dtype), timesteps, context)
        if self._velocity:
            denoised: Tensor = x * (scale * scale) - output * (sigma * scale)
        else:
            denoised = x - output * sigma
        return denoised

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents)

    def decode_tiled(self, latents: Tensor, side: int) -> Tensor:
        return self.vae.decode(latents, side)

    def encode_picture(self, pictures: Tensor, side: int = 0) -> Tensor:
        return self.vae.encode_picture(pictures, side)

    def _ask_parts(self, x: Tensor, timesteps: Tensor, parts: Sequence[_Stacked]) -> Tensor:
        whole: Tensor | None = None
        for part in parts:
            if part.places is None:
                return self._ask(x, timesteps, part.context, part.added)
            own = timesteps if len(timesteps) == 1 else timesteps[part.places]
            answer = self._ask(x[part.places], own, part.context, part.added)
            if whole is None:
                whole = answer.new_empty((len(x), *answer.shape[1:]))
            whole[part.places] = answer
        assert whole is not None
        return whole

    def _ask(self, x: Tensor, timesteps: Tensor, context: Tensor, added: Any) -> Tensor:
        answer: Tensor = self._unet(
            x, timesteps, encoder_hidden_states=context, added_cond_kwargs=added, return_dict=False
        )[0]
        return answer.float()

    def _empty_picture(self, width: int, height: int) -> Tensor:
        """(1, extra channels, height/8, width/8): what a model that starts from a picture sees where there is none.

        To an inpainting model a mask over everything and a grey picture below it, as A1111 has it; to an editing model
        (InstructPix2Pix) nothing.
        """
        with self._lock:
            known = self._extras.get((width, height))
            if known is None:
                cells = (1, 1, height // self.latent_factor, width // self.latent_factor)
                if self._extra == self.latent_channels + 1:
                    mask = torch.ones(cells, device=self.device)
                    known = torch.cat([mask, self.vae.encode_grey(width, height).to(self.device)], dim=1)
                else:
                    known = torch.zeros(cells, device=self.device).expand(-1, self._extra, -1, -1)
                self._extras[width, height] = known
                while len(self._extras) > _KEPT_SIZES:
                    self._extras.popitem(last=False)
        return known


def _fitting(lengths: Sequence[int]) -> list[list[int]]:
    """The places of these lengths in parts, few, of which each has a small common multiple."""
    parts: dict[int, list[int]] = {}
    common: dict[int, int] = {}
    for length in sorted(set(lengths), reverse=True):
        fits = (most for most in parts if math.lcm(common[most], length) <= _MOST_REPEATED * most)
        most = next(fits, length)
        common[most] = math.lcm(common.get(most, length), length)
        parts.setdefault(most, []).extend(place for place, one in enumerate(lengths) if one == length)
    return list(parts.values())


def prediction_of(checkpoint: Checkpoint, otherwise: Prediction | None = "epsilon") -> Prediction | None:
    """What the model predicts, as its folder, its sidecar or a mark in its weights says; else `otherwise`.

    Raises ModelProblem for a kind that is not known here.
    """
    kind = checkpoint.prediction_type or otherwise
    if kind in (None, "epsilon", "v_prediction"):
        return cast(Prediction | None, kind)
    raise ModelProblem(f"The model predicts '{kind}', which is not known here.", field="checkpoint")


def schedule_of(checkpoint: Checkpoint, aligned_as: str = "sd1") -> DiscreteSchedule:
    """The model's noise levels, as its folder says; else those of SD1, SD2 and SDXL. Raises ModelProblem.

    aligned_as: see `ModelSchedule`.
    """
    config: Mapping[str, Any] = checkpoint.scheduler
    spacing = config.get("beta_schedule", "scaled_linear")
    if spacing != "scaled_linear" or config.get("trained_betas"):
        raise ModelProblem(f"The model's noise schedule ('{spacing}') is none that is known here.", field="checkpoint")
    first, last = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
    count = int(config.get("num_train_timesteps", 1000))
    zero = bool(checkpoint.defaults.get("zero_snr", config.get("rescale_betas_zero_snr")))
    return DiscreteSchedule.scaled_linear(first, last, count, zero_snr=zero, aligned_as=aligned_as)
