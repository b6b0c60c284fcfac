"""Calling hooks: a value handed through all plugins, or all of them told; an error names the extension that made it."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from webui.core.errors import DarkroomError, ExtensionProblem, nearest
from webui.plugins import hooks
from webui.plugins.meter import Call, Meter, plain, refusal
from webui.plugins.resolve import resolve

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 5.0
LOAD_SECONDS = 60.0
"""So long an extension's module may take to be imported, or to name its rows of a kind."""
REFUSING = frozenset({"transform_prompt"})
"""Hooks whose DarkroomErrors are told as they are: what a person wrote is refused with a sentence."""

T = TypeVar("T")

Options = Callable[[str, Any], Mapping[str, Any]]
"""(extension, request) -> the values of the extension's fields there."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One extension's hook for one request; called with the arguments that change from call to call."""

    call: Call
    fixed: Mapping[str, Any]
    meter: Meter

    def __call__(self, moving: Mapping[str, Any]) -> Any:
        """What the hook answers. Raises ExtensionProblem, and of those that may refuse what they refuse with."""
        values = [moving[name] if name in moving else self.fixed[name] for name in self.call.arguments]
        run = self.meter.ask if self.call.hook in REFUSING else self.meter.run
        return run(self.call, values)

    def refuse(self, why: str) -> ExtensionProblem:
        """The error about an answer that cannot be taken."""
        return refusal(self.call, why)


class Calls:
    """The hooks of all modules that were added, and how they are called: in the order in which they were added."""

    def __init__(self, options: Options, meter: Meter | None = None) -> None:
        self.meter = meter or Meter()
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        for specification in hooks.SPECIFICATIONS:
            self._manager.add_hookspecs(specification)
        self._options = options
        self._origins: dict[str, str] = {}

    @property
    def hook(self) -> pluggy.HookRelay:
        """Every hook as a callable that asks all plugins with keyword arguments and returns the list of answers."""
        return self._manager.hook

    def has(self, hook: str) -> bool:
        """Whether any plugin implements this hook."""
        return bool(self._implementations(hook))

    def bound(self, hook: str, request: Any = None) -> tuple[Bound, ...]:
        """The hook of each extension that has it, in order, with `request` and the extension's `options` in place."""
        found = []
        for implementation in self._implementations(hook):
            origin = self._origins[implementation.plugin_name]
            call = Call(origin, hook, implementation.function, tuple(implementation.argnames))
            fixed = {"request": request}
            if "options" in call.arguments:
                fixed["options"] = self._options(origin, request)
            found.append(Bound(call, fixed, self.meter))
        return tuple(found)

    def transform(self, hook: str, value: Any, kind: type | None = None, **context: Any) -> Any:
        """Hand `value` through all plugins in order; None as an answer leaves it as it is.

        The value goes by the hook's first argument. kind: what every answer must be. An error inside a plugin, or an
        answer of another kind, becomes an ExtensionProblem that names it.
        """
        first = self._first_argument(hook)
        for bound in self.bound(hook, context.get("request")):
            answer = bound({**context, first: value})
            if answer is not None and kind is not None and not isinstance(answer, kind):
                raise bound.refuse(f"it returned {type(answer).__name__} in place of {kind.__name__}.")
            value = value if answer is None else answer
        return value

    def observe(self, hook: str, deadline_seconds: float = DEADLINE_SECONDS, **arguments: Any) -> None:
        """Tell all plugins, one after the other; waits for each at most `deadline_seconds`. Errors are logged only.

        It blocks: call it outside the event loop.
        """
        for bound in self.bound(hook):
            name = bound.call.extension
            late = self.meter.clock() - deadline_seconds
            if any((name, hook) == (one.extension, one.hook) and one.since < late for one in self.meter.underway):
                log.debug("The extension '%s' is still in %s, so it is not told.", name, hook)
                continue
            try:
                answer_within(deadline_seconds, partial(bound, arguments), f"{hook} of {name}")
            except TimeoutError:
                log.warning("The extension '%s' takes longer than %g s in %s; going on.", name, deadline_seconds, hook)
            except ExtensionProblem as problem:
                self._say(bound.call, problem)

    def _say(self, call: Call, problem: ExtensionProblem) -> None:
        """An error of an observing hook, for the log: one that comes with each event would fill it."""
        times = self.meter.repeats.worth_telling(call.extension, call.hook, problem.__cause__ or problem)
        if times == 1:
            log.error("%s", problem.detail, exc_info=problem.__cause__)
        elif times:
            log.error("%s It has failed there %s times.", problem.detail, f"{times:,}")

    def add(self, module: ModuleType, origin: str) -> None:
        """Register the hooks of one module; raises DarkroomError for a hook or an argument that does not exist."""
        for name, value in vars(module).items():
            if hasattr(value, f"{hooks.PROJECT}_impl") and not hasattr(self._manager.hook, name):
                near = nearest(name, vars(self._manager.hook))
                raise DarkroomError(f"There is no hook '{name}'." + (f" Did you mean '{near}'?" if near else ""))
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


def call_of(row: Any, hook: str, known: Sequence[str]) -> Call:
    """A row's function, called with those of the `known` arguments that it takes, by their names.

    It may leave out any. Raises ExtensionProblem where it needs another.
    """
    function = resolve(row.function)
    call = Call(row.extension, hook, function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise refusal(call, f"'{row.function}' is no function whose arguments can be read.") from error
    taken = []
    for one in parameters:
        if one.kind is one.VAR_KEYWORD:
            taken = list(known)
            break
        if one.name in known and one.kind is not one.POSITIONAL_ONLY:
            taken.append(one.name)
        elif one.default is one.empty and one.kind is not one.VAR_POSITIONAL:
            raise refusal(
                call,
                f"its function '{row.function}' takes '{one.name}', which it is not given. "
                f"It may take {', '.join(known)}, by these names.",
            )

    def named(*values: Any) -> Any:
        return function(**dict(zip(taken, values, strict=True)))

    return Call(row.extension, hook, named, tuple(taken))


def answer_within(seconds: float, function: Callable[[], T], name: str) -> T:
    """What a function answers, on a thread of its own; what it raises comes through.

    Raises TimeoutError where it takes longer, and leaves it to itself.
    """
    answers: list[T] = []
    errors: list[BaseException] = []

    def answer() -> None:
        try:
            answers.append(function())
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever it is, it belongs to whoever asked
            errors.append(error)
        except BaseException as error:  # noqa: BLE001 the same, in a form that ends nobody else
            errors.append(plain(error))

    thread = threading.Thread(target=answer, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"{name} takes longer than {seconds:g} s.")
    return answers[0]


def _validation(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"One of its hooks does not fit: {text.rstrip('.')[:300]}."
