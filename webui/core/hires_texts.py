"""What an infotext says of a second pass, by A1111's keys and in its order; written and read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from webui.core.errors import InvalidField
from webui.core.hires_fields import ENABLE, HIRES_ROWS, HiresFix
from webui.core.infotext_values import read_value

STRENGTH: Final = "Denoising strength"
_SCALE, _RESIZE, _UPSCALER, _CHECKPOINT = "Hires upscale", "Hires resize", "Hires upscaler", "Hires checkpoint"
_ON = (_SCALE, _RESIZE, _UPSCALER)
"""Any of these says that there was a second pass; the strength alone may be of a picture made from another."""

ORDER: Final = (
    _SCALE,
    _RESIZE,
    "Hires steps",
    _UPSCALER,
    "Hires sampler",
    "Hires schedule type",
    _CHECKPOINT,
    "Hires prompt",
    "Hires negative prompt",
    "Hires CFG Scale",
)
KEYS: Final = (STRENGTH, *ORDER)

_BY_KEY = {row.infotext: row for row in HIRES_ROWS if row.infotext}
_SIZE = re.compile(r"(\d{1,5})\s*[x×X]\s*(\d{1,5})")
_HASH_LENGTH = 10


def pairs_of(hires: HiresFix | None, name: str) -> dict[str, Any]:
    """The keys with their values, of what was set; "" of the rest. name: the bare name of the second checkpoint."""
    if hires is None:
        return {}
    values = asdict(hires)
    said: dict[str, Any] = {}
    for key in ORDER:
        row = _BY_KEY.get(key)
        if row is not None:
            value = values[row.name]
            said[key] = value if key == _UPSCALER or value != row.default else ""
    x, y = hires.hr_resize_x, hires.hr_resize_y
    by_size = bool(x or y)
    said |= {_SCALE: "" if by_size else hires.hr_scale, _RESIZE: f"{x}x{y}" if by_size else ""}
    if hires.hr_checkpoint_hash:
        said[_CHECKPOINT] = f"{name} [{hires.hr_checkpoint_hash[:_HASH_LENGTH]}]"
    return {STRENGTH: hires.denoising_strength, **{key: said[key] for key in ORDER}}


def take_pairs(unknown: dict[str, str]) -> dict[str, Any]:
    """The fields of a second pass that these keys say, as they stand flat, with their switch; taken out of `unknown`.

    Without a second pass there are none. A value that its field does not take stays where it is.
    """
    if not any(key in unknown for key in _ON):
        return {}
    # What is left out was the default, whatever stands in a form.
    found: dict[str, Any] = {ENABLE: True, **{row.name: row.default for row in HIRES_ROWS}}
    for key in [key for key in KEYS if key in unknown]:
        try:
            read = _read(key, unknown[key])
        except InvalidField:
            continue
        del unknown[key]
        found |= read
    return found


def _read(key: str, text: str) -> Mapping[str, Any]:
    rows = {row.name: row for row in HIRES_ROWS}
    if key == _RESIZE:
        size = _SIZE.fullmatch(text.strip())
        if size is None:
            raise InvalidField("It is no size.", field="hr_resize_x")
        return {
            name: rows[name].check(int(side))
            for name, side in zip(("hr_resize_x", "hr_resize_y"), size.groups(), strict=True)
        }
    row = _BY_KEY[key]
    return {row.name: row.check(read_value(row.kind, text))}
