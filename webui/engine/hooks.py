"""The step hooks of the loaded extensions, as a lane calls them."""

from __future__ import annotations

from typing import Self

from torch import Tensor

from webui.plugins.manager import Plugins


class PluginStepHooks:
    """Hands latents through every extension's before_step and after_step, in the order they were loaded."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    @classmethod
    def of(cls, plugins: Plugins) -> Self | None:
        """The hooks, or None when no extension has any, so that nothing is spent on them."""
        return cls(plugins) if plugins.has("before_step") or plugins.has("after_step") else None

    def before_step(self, latents: Tensor, step: int) -> Tensor:
        """The latents to begin step `step` (from 0) with."""
        changed: Tensor = self._plugins.transform("before_step", latents, step=step)
        return changed

    def after_step(self, latents: Tensor, step: int) -> Tensor:
        """The latents to go on with after step `step` (from 0)."""
        changed: Tensor = self._plugins.transform("after_step", latents, step=step)
        return changed
