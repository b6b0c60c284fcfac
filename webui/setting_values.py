"""What settings say that names something: brought to the full name of what is there, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui import accept
from webui.core.fields import FIELDS
from webui.core.panels import EXTENSIONS, change_defaults
from webui.core.precisions import FIELD_OF as PRECISION_OF
from webui.core.registry import Registry
from webui.core.settings import Settings
from webui.engine.checkpoints.catalogue import Catalogue
from webui.extension_languages import Languages


def named(
    values: Mapping[str, Any], now: Settings, registry: Registry, catalogue: Catalogue, languages: Languages
) -> dict[str, Any]:
    """The values to save of those that a person has set. Raises InvalidField for a name that nothing has."""
    found = dict(values)
    if values.get("sd_model_checkpoint"):
        found["sd_model_checkpoint"] = catalogue.get(str(values["sd_model_checkpoint"])).title
    for name, files in (("sd_vae", catalogue.vaes), ("sd_text_encoders", catalogue.text_encoders)):
        if name in values:
            found[name] = accept.known_parts(name, str(values[name]), files())
    if "attention" in values:
        found["attention"] = registry.attention.get(str(values["attention"])).name
    if "localization" in values:
        found["localization"] = languages.get(str(values["localization"]))
    found |= {name: FIELDS[name].check(values[name]) for name in PRECISION_OF.values() if name in values}
    if EXTENSIONS in values:
        found[EXTENSIONS] = change_defaults(values[EXTENSIONS], now.extensions, registry.panels)
    return found
