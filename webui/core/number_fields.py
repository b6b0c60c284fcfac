"""Fields that are numbers and mean something to models alone that the program computes step by step."""

from __future__ import annotations

from webui.core.field import Field
from webui.core.noise_fields import NOISE


def number_field(
    name: str,
    label: str,
    help_: str,
    default: float,
    limits: tuple[float, float],
    key: str,
    *,
    group: str,
    step: float | None = None,
) -> Field:
    """limits: inclusive. key: in infotexts. A default that is a whole number makes it a field of whole numbers."""
    return Field(
        name,
        "int" if isinstance(default, int) else "float",
        label,
        help_,
        default,
        minimum=limits[0],
        maximum=limits[1],
        step=step,
        infotext=key,
        group=group,
        abilities=(NOISE,),
    )
