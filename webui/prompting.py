"""All that helps a person to write prompts, part of the one door: what one says, names for it, those used last."""

from __future__ import annotations

from collections.abc import Callable

from webui.cards import Cards
from webui.core.registry import Registry
from webui.core.settings import SettingsStore
from webui.engine.checkpoints.catalogue import Catalogue
from webui.fitting import Fitting
from webui.jobs.queue import Queue
from webui.prompt_names import PromptNames
from webui.prompt_preview import Previews
from webui.prompts import Prompts
from webui.recent_prompts import RecentPrompts


class Prompting:
    """previews: what prompts say before anything is made of them. fitting: which models that prompts name are for which
    checkpoint. names: those that a prompt may hold. recent: what a person used last."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        catalogue: Catalogue,
        settings: SettingsStore,
        prompts: Prompts,
        cards: Cards,
        queue: Queue,
    ) -> None:
        self.previews = Previews(registry, catalogue, settings, prompts)
        self.fitting = Fitting(catalogue, registry)
        self.names = PromptNames(cards, prompts)
        self.recent = RecentPrompts(queue)
