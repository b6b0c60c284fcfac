"""Calling hooks: a value handed through all plugins, or all of them told; an error names the extension that made it."""

from __future__ import annotations

import logging
import threading
from types import ModuleType
from typing import Any

import pluggy

from webui.core.errors import DarkroomError
from webui.plugins import hooks

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 5.0


class Calls:
    """The hooks of all modules that were added, and how they are called."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        for specification in hooks.SPECIFICATIONS:
            self._manager.add_hookspecs(specification)
        self._origins: dict[str, str] = {}

    @property
    def hook(self) -> pluggy.HookRelay:
        """Every hook as a callable that asks all plugins with keyword arguments and returns the list of answers."""
        return self._manager.hook

    def has(self, hook: str) -> bool:
        """Whether any plugin implements this hook."""
        return bool(self._implementations(hook))

    def transform(self, hook: str, value: Any, **context: Any) -> Any:
        """Hand `value` through all plugins in the order they were loaded; None as an answer leaves it as it is.

        The value goes by the hook's first argument. An error inside a plugin becomes a DarkroomError that names it.
        """
        for implementation in self._implementations(hook):
            arguments = {self._first_argument(hook): value, **context}
            try:
                answer = implementation.function(*(arguments[name] for name in implementation.argnames))
            except DarkroomError:
                raise
            except Exception as error:
                name = self._origins[implementation.plugin_name]
                raise DarkroomError(f"The extension '{name}' failed in {hook}: {sentence(error)}") from error
            value = value if answer is None else answer
        return value

    def observe(self, hook: str, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any) -> None:
        """Tell all plugins, one after the other; waits for each at most `deadline_seconds`. Errors are logged only.

        It blocks: call it outside the event loop.
        """
        for implementation in self._implementations(hook):
            values = [arguments[name] for name in implementation.argnames]
            name = self._origins[implementation.plugin_name]
            thread = threading.Thread(
                target=_tell, args=(implementation.function, values, name, hook), name=f"{hook} of {name}", daemon=True
            )
            thread.start()
            thread.join(deadline_seconds)
            if thread.is_alive():
                log.warning("The extension '%s' takes longer than %g s in %s; going on.", name, deadline_seconds, hook)

    def add(self, module: ModuleType, origin: str) -> None:
        """Register the hooks of one module; raises DarkroomError for a hook or an argument that does not exist."""
        try:
            self._manager.register(module, module.__name__)
            self._manager.check_pending()
            for caller in self._manager.get_hookcallers(module) or ():
                if any(
                    found.plugin is module and (found.wrapper or found.hookwrapper) for found in caller.get_hookimpls()
                ):
                    raise ValueError(f"{caller.name} is a wrapper, and Darkroom's hooks take none")
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.has_plugin(module.__name__):
                self._manager.unregister(name=module.__name__)
            raise DarkroomError(_validation(error)) from error
        self._origins[module.__name__] = origin

    def remove(self, module: ModuleType) -> None:
        """Take the hooks of one module out again."""
        if self._manager.has_plugin(module.__name__):
            self._manager.unregister(name=module.__name__)

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        # pluggy itself calls the last registered first; a value goes through extensions in the order they were loaded.
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return sorted(caller.get_hookimpls(), key=lambda found: (not found.tryfirst, found.trylast))

    def _first_argument(self, hook: str) -> str:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return str(caller.spec.argnames[0]) if caller.spec else ""


def _tell(function: Any, values: list[Any], name: str, hook: str) -> None:
    try:
        function(*values)
    except Exception:
        log.exception("The extension '%s' failed in %s.", name, hook)


def sentence(error: BaseException) -> str:
    """What went wrong, as the end of a sentence."""
    return f"{type(error).__name__}: {error}".rstrip(": ").rstrip(".")[:300] + "."


def _validation(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"One of its hooks does not fit: {text.rstrip('.')[:300]}."
