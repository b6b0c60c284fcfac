"""Half precision that overflowed: which parts of which checkpoints compute in 32 bits from then on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Literal

import torch

from webui.core.precisions import FIELD_OF
from webui.core.request import GenerationRequest

Role = Literal["denoiser", "vae"]
ROLES: tuple[Role, ...] = ("denoiser", "vae")

_SAID = {
    "denoiser": "This checkpoint's numbers overflow in half precision, so its denoiser computes in 32 bits.",
    "vae": "This VAE's numbers overflow in half precision, so it computes in 32 bits.",
}


class Overflows:
    """What is known of a worker's checkpoints; safe to use from several threads."""

    def __init__(self) -> None:
        self._known: set[tuple[Role, tuple[str, ...]]] = set()
        """Roles with the files, and with the precision that was asked for: others' choice is another matter."""
        self._lock = threading.Lock()

    def learn(self, request: GenerationRequest, role: Role) -> str:
        """Have the part compute in 32 bits in requests with the same files; the sentence that says so."""
        with self._lock:
            self._known.add((role, _files(request, role)))
        return _SAID[role]

    def forget(self, request: GenerationRequest) -> None:
        """Take back what was learnt of such requests, since 32 bits were no help either."""
        with self._lock:
            self._known -= {(role, _files(request, role)) for role in ROLES}

    def applied(self, request: GenerationRequest) -> GenerationRequest:
        """The request with what is known of its parts."""
        return request.but(**{FIELD_OF[role]: "fp32" for role in self._of(request)})

    def sentences(self, request: GenerationRequest) -> list[str]:
        """What is to be said of a request that something is known of."""
        return [_SAID[role] for role in self._of(request)]

    def _of(self, request: GenerationRequest) -> Iterator[Role]:
        with self._lock:
            known = set(self._known)
        return (role for role in ROLES if (role, _files(request, role)) in known)


def can_widen(model: Any, role: Role) -> bool:
    """Whether a loaded model's part computes in fewer than 32 bits, and can be loaded in 32.

    A stock pipeline's cannot: all its parts compute in one type.
    """
    autoencoder = getattr(model, "vae", None)
    if autoencoder is None:
        return False
    dtype: torch.dtype = model.dtype if role == "denoiser" else autoencoder.network.dtype
    return dtype.itemsize < torch.float32.itemsize


def _files(request: GenerationRequest, role: Role) -> tuple[str, ...]:
    """What the part is read from, by hash where that is known, and in what precision. With a refiner both are alike."""
    checkpoint, asked = request.checkpoint_hash or request.checkpoint, getattr(request, FIELD_OF[role])
    return (checkpoint, request.vae_hash or request.vae, asked) if role == "vae" else (checkpoint, asked)
