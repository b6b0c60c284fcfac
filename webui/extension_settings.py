"""What the owner sets for extensions themselves: shown without what is secret, changed, and nobody else's to see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from webui.core.errors import NotAllowed, NotFound
from webui.core.hook_rows import Setting
from webui.core.job import Identity
from webui.core.panels import Panel
from webui.plugins.manager import Plugins


class ExtensionSettings:
    """Every method asks for the owner's identity."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    async def get(self, name: str, who: Identity) -> dict[str, Any]:
        """The rows and their values; of a secret one only whether it is set. Raises NotFound, NotAllowed."""
        panel = self._panel(name, who)
        values = await asyncio.to_thread(self._plugins.own_settings.values, panel)
        return {"settings": [_shown(field, row, values[field]) for field, row in panel.rows.items()]}

    async def change(self, name: str, values: Mapping[str, Any], who: Identity) -> dict[str, Any]:
        """Set some; null takes one back to its default. All as they are then. Raises InvalidField, NotFound."""
        panel = self._panel(name, who)
        await asyncio.to_thread(self._plugins.own_settings.change, panel, values)
        return await self.get(name, who)

    def _panel(self, name: str, who: Identity) -> Panel:
        if not who.is_owner:
            raise NotAllowed("Only the owner of this machine may set what extensions use.")
        panels = self._plugins.table("settings")
        if name not in panels:
            raise NotFound(f"The extension '{name[:60]}' has no settings.")
        panel: Panel = panels.get(name)
        return panel


def _shown(name: str, row: Any, value: Any) -> dict[str, Any]:
    is_secret = isinstance(row, Setting) and row.secret
    return {
        "name": name,
        "kind": row.kind,
        "label": row.label,
        "help": row.help,
        "minimum": row.minimum,
        "maximum": row.maximum,
        "step": row.step,
        "slider": row.slider,
        "multiple": row.multiple,
        "choices": list(row.choices),
        "secret": is_secret,
        "is_set": value != row.default,
        "value": None if is_secret else value,
    }
