"""The names that an extension may count on, torch-free; version 1 of the contract (docs/extensions.md).

What worker.py needs besides is in webui.extend.worker.
"""

from typing import TYPE_CHECKING

from webui.core.asked import Asked, Reply, Rooms
from webui.core.drawn import Drawn
from webui.core.errors import Conflict, DarkroomError, ExtensionProblem, Fault, InvalidField, NotFound, Problem
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
from webui.core.frozen import FrozenMap
from webui.core.hires_fields import HiresFix, HiresTarget
from webui.core.hook_rows import Guidance, MetadataReader, ModelSource, PostProcessing, Route, Script, Setting
from webui.core.job import Identity, Job, Level, State, StoredPicture
from webui.core.job_request import JobRequest
from webui.core.model_work import Made, ModelWork, option
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
from webui.engine.checkpoints.headers.base import TensorInfo
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.look import Wanted
from webui.engine.work.download.web import Answer as WebAnswer
from webui.engine.work.download.web import Web
from webui.images.picture_file import PictureFile
from webui.images.results import MadePicture, Result
from webui.plugins.deprecated import going
from webui.plugins.hooks import hookimpl
from webui.plugins.manifest import API
from webui.plugins.own_settings import own_settings

__all__ = [
    "API",
    "Architecture",
    "Asked",
    "AttentionBackend",
    "Cancelled",
    "Command",
    "Conflict",
    "DarkroomError",
    "Drawn",
    "Event",
    "ExtensionProblem",
    "Failed",
    "Family",
    "Fault",
    "Field",
    "Finished",
    "Form",
    "Found",
    "FrozenMap",
    "GenerationRequest",
    "Guidance",
    "HiresFix",
    "HiresTarget",
    "Identity",
    "ImageReady",
    "InvalidField",
    "Job",
    "JobRequest",
    "Level",
    "Loading",
    "Made",
    "MadePicture",
    "MetadataReader",
    "ModelSource",
    "ModelWork",
    "Names",
    "Need",
    "NotFound",
    "Note",
    "PictureFile",
    "PostProcessing",
    "PreviewReady",
    "Problem",
    "Progress",
    "Queued",
    "RemoteFile",
    "Reply",
    "Result",
    "Rooms",
    "Route",
    "Sampler",
    "Saving",
    "Schedule",
    "Script",
    "Setting",
    "State",
    "Step",
    "StoredPicture",
    "Tab",
    "TensorInfo",
    "Variant",
    "Wanted",
    "Web",
    "WebAnswer",
    "Work",
    "hookimpl",
    "option",
    "own_settings",
]

if not TYPE_CHECKING:
    # To a type checker they are gone already.
    __getattr__ = going(__name__, {})
