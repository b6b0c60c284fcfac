"""The names that an extension's worker.py may count on besides those of `webui.extend`; they bring torch with them."""

from webui.engine.attention.base import Attend, Choices
from webui.engine.attention.base import Place as AttentionPlace
from webui.engine.checkpoints.tokens import Reading
from webui.engine.checkpoints.words import Learned, Words
from webui.engine.config import Chunks
from webui.engine.families.base import Conditioning, LoadedModel, Purpose
from webui.engine.guidance import Guided
from webui.engine.layouts.base import Source, same
from webui.engine.model_schedule import DiscreteSchedule, FlowSchedule
from webui.engine.patching import replaced
from webui.engine.samplers.base import Answer, Ask, ModelSchedule, Noise, Place, SamplerContext, Sampling

__all__ = [
    "Answer",
    "Ask",
    "Attend",
    "AttentionPlace",
    "Choices",
    "Chunks",
    "Conditioning",
    "DiscreteSchedule",
    "FlowSchedule",
    "Guided",
    "Learned",
    "LoadedModel",
    "ModelSchedule",
    "Noise",
    "Place",
    "Purpose",
    "Reading",
    "SamplerContext",
    "Sampling",
    "Source",
    "Words",
    "replaced",
    "same",
]
