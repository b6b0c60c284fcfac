"""The names that an extension may count on, torch-free; version 1 of the contract (docs/extensions.md).

What a sampler in worker.py needs besides is in webui.engine.samplers.base.
"""

from webui.core.errors import DarkroomError
from webui.core.job import Job, State
from webui.core.registry import AttentionBackend, Command, Family, Sampler, Schedule, Tab
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.identify import Identified, ModelFiles
from webui.plugins.hooks import hookimpl
from webui.plugins.manifest import API

__all__ = [
    "API",
    "AttentionBackend",
    "Command",
    "DarkroomError",
    "Family",
    "GenerationRequest",
    "Identified",
    "Job",
    "ModelFiles",
    "Sampler",
    "Schedule",
    "State",
    "Tab",
    "hookimpl",
]
