"""Half precision that overflowed: which parts of which checkpoints compute in 32 bits from then on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch

from webui.core.errors import BadNumbers
from webui.core.precisions import FIELD_OF
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.aliases import name_of
from webui.engine.checkpoints.chosen import is_automatic
from webui.engine.learnt import Learnt

Role = Literal["denoiser", "vae"]
ROLES: tuple[Role, ...] = ("denoiser", "vae")

_MORE_BITS = "--no-half"
"""The flag in the remedy that helps where numbers are too large for 16 bits."""

_SAID = {
    "denoiser": "This checkpoint's numbers overflow in half precision, so its denoiser computes in 32 bits.",
    "vae": "This VAE's numbers overflow in half precision, so it computes in 32 bits.",
}


class Overflows:
    """What is known of checkpoints; safe to use from several threads. Files of a known hash are known for good."""

    def __init__(self, learnt: Learnt | None = None, computed: Mapping[Role, str] = MappingProxyType({})) -> None:
        """learnt: what was known before, and where it is kept. computed: what each role computes in where nobody asks
        for something else.
        """
        self._learnt, self._computed = learnt or Learnt(), computed
        self._known: set[tuple[Role, tuple[str, ...]]] = set()
        """Roles with the files, and with the precision that was asked for: others' choice is another matter."""
        self._before = frozenset(self._learnt.of("overflows"))
        """Keys, as they are kept."""
        self._lock = threading.Lock()

    def learn(self, request: GenerationRequest, role: Role) -> str:
        """Have the part compute in 32 bits in requests with the same files; the sentence that says so."""
        with self._lock:
            self._known.add((role, _files(request, role)))
        self._keep(request, role, True)
        return _SAID[role]

    def forget(self, request: GenerationRequest) -> None:
        """Take back what was learnt of such requests, since 32 bits were no help either."""
        with self._lock:
            self._known -= {(role, _files(request, role)) for role in ROLES}
            self._before -= {self._key(request, role) for role in ROLES}
        for role in ROLES:
            self._keep(request, role, None)

    def applied(self, request: GenerationRequest) -> GenerationRequest:
        """The request with what is known of its parts."""
        return request.but(**{FIELD_OF[role]: "fp32" for role in self._of(request)})

    def sentences(self, request: GenerationRequest) -> list[str]:
        """What is to be said of a request that something is known of."""
        return [_SAID[role] for role in self._of(request)]

    def _of(self, request: GenerationRequest) -> Iterator[Role]:
        with self._lock:
            known, before = set(self._known), self._before
        return (r for r in ROLES if (r, _files(request, r)) in known or self._key(request, r) in before)

    def _keep(self, request: GenerationRequest, role: Role, value: bool | None) -> None:
        # A file of the same name may be another one tomorrow.
        if request.checkpoint_hash and (role == "denoiser" or request.vae_hash or is_automatic(request.vae)):
            self._learnt.put("overflows", self._key(request, role), value)

    def _key(self, request: GenerationRequest, role: Role) -> str:
        return json.dumps([role, *_files(request, role), self._computed.get(role, "")])


def can_widen(model: Any, role: Role) -> bool:
    """Whether a loaded model's part computes in fewer than 32 bits, and can be loaded in 32.

    A stock pipeline's cannot: all its parts compute in one type.
    """
    autoencoder = getattr(model, "vae", None)
    if autoencoder is None:
        return False
    dtype: torch.dtype = model.dtype if role == "denoiser" else autoencoder.network.dtype
    return dtype.itemsize < torch.float32.itemsize


def worded(error: BadNumbers, request: GenerationRequest, model: Any, role: Role) -> BadNumbers:
    """The error of a part that no more bits can help: where it computes in 32 already, its file is what to look at."""
    part = getattr(getattr(model, "vae", None), "network", None) if role == "vae" else model
    dtype = getattr(part, "dtype", None)
    if dtype is None or dtype.itemsize < torch.float32.itemsize:
        return error
    file = name_of(request.checkpoint)
    if role == "vae" and request.vae != "None":
        # An automatic one may lie in a file of its own.
        file = "the VAE's file" if is_automatic(request.vae) else request.vae
    ways = (way for way in error.remedies if _MORE_BITS not in way)
    return type(error)(error.detail, remedies=(f"Replace {file}, which may be damaged", *ways))


def _files(request: GenerationRequest, role: Role) -> tuple[str, ...]:
    """What the part is read from, by hash where that is known, and in what precision. With a refiner both are alike."""
    checkpoint, asked = request.checkpoint_hash or request.checkpoint, getattr(request, FIELD_OF[role])
    return (checkpoint, request.vae_hash or request.vae, asked) if role == "vae" else (checkpoint, asked)
