"""The request of a script's job: which script, and the request that it makes others of."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from webui.core.errors import InvalidField
from webui.core.request import GenerationRequest

SCRIPTS: Final = "scripts"
"""Where scripts are run: in the web process, while others make the pictures that they ask for."""

TASK: Final = "script"
"""The task of their jobs."""

_SCRIPT, _PICTURES = "script", "script_pictures"
MAX_PICTURES = 100


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """See core/job_request.py. `pictures`: how many of its own the script may make."""

    script: str
    request: GenerationRequest
    pictures: int = 1

    workplace = SCRIPTS
    models = ()
    alone = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_json` described. Raises InvalidField."""
        if not isinstance(data, Mapping):
            raise InvalidField("A request is a JSON object with fields such as prompt and seed.")
        values = dict(data)
        script, pictures = values.pop(_SCRIPT, ""), values.pop(_PICTURES, 1)
        if not isinstance(script, str) or not isinstance(pictures, int) or not 0 <= pictures <= MAX_PICTURES:
            raise InvalidField("The request does not say which script it is for.", field=_SCRIPT)
        return cls(script, GenerationRequest.from_json(values), pictures)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data: the request's own, with the script beside it."""
        return {**self.request.to_json(), _SCRIPT: self.script, _PICTURES: self.pictures}

    def dumps(self) -> str:
        """The JSON text, with its keys in a fixed order."""
        return json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True)

    @property
    def summary(self) -> str:
        """Which script, and what its pictures are of."""
        return f"{self.script}: {self.request.prompt}"

    @property
    def alike(self) -> Hashable:
        """Equal for jobs that take about as long for each step; it has none."""
        return self.script

    @property
    def lighter(self) -> tuple[str, ...]:
        """What a person can do when it was too much for the machine."""
        return self.request.lighter

    def seed_of(self, index: int) -> int:
        """The seed that the script was given, of each of its own pictures."""
        return self.request.seed
