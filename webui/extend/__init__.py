"""The names that an extension may count on, torch-free; version 1 of the contract (docs/extensions.md).

What worker.py needs besides is in webui.extend.worker.
"""

from webui.core.asked import Asked, Reply
from webui.core.errors import DarkroomError, ExtensionProblem
from webui.core.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    ImageReady,
    Loading,
    Note,
    PreviewReady,
    Progress,
    Queued,
    Step,
)
from webui.core.field import Field
from webui.core.hook_rows import Guidance, ModelSource, PostProcessing, Route, Script
from webui.core.job import Job, State
from webui.core.model_work import ModelWork, option
from webui.core.registry import (
    Architecture,
    AttentionBackend,
    Command,
    Family,
    Need,
    Sampler,
    Schedule,
    Tab,
    Variant,
    Work,
)
from webui.core.request import GenerationRequest
from webui.core.saving import Saving
from webui.engine.checkpoints.architectures.base import Form, Names
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.look import Wanted
from webui.engine.work.download.web import Web
from webui.images.results import MadePicture, Result
from webui.plugins.hooks import hookimpl
from webui.plugins.manifest import API

__all__ = [
    "API",
    "Architecture",
    "Asked",
    "AttentionBackend",
    "Cancelled",
    "Command",
    "DarkroomError",
    "Event",
    "ExtensionProblem",
    "Failed",
    "Family",
    "Field",
    "Finished",
    "Form",
    "Found",
    "GenerationRequest",
    "Guidance",
    "ImageReady",
    "Job",
    "Loading",
    "MadePicture",
    "ModelSource",
    "ModelWork",
    "Names",
    "Need",
    "Note",
    "PostProcessing",
    "PreviewReady",
    "Progress",
    "Queued",
    "RemoteFile",
    "Reply",
    "Result",
    "Route",
    "Sampler",
    "Saving",
    "Schedule",
    "Script",
    "State",
    "Step",
    "Tab",
    "Variant",
    "Wanted",
    "Web",
    "Work",
    "hookimpl",
    "option",
]
