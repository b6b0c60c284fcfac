"""ComfyUI's pictures: from what was saved the graph is followed back to the sampler, its texts, model and size."""

from __future__ import annotations

import re
from typing import Any

from webui.core.request import join_names
from webui.images.picture_file import PictureFile
from webui.images.readers import names
from webui.images.readers.graph import Graph, Node, read_graph
from webui.images.readers.values import lora_text, request_values, stem, whole, with_loras

_EMBEDDING = re.compile(r"\bembedding:\s*([\w\-./\\]+)")
_MOST_ENDS, _MOST_TEXTS = 20, 200
_ONE_TEXT = ("text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "positive_prompt")
_MODELS = ("ckpt_name", "unet_name", "model_name")
_WORD = {"ConditioningConcat": " BREAK ", "ConditioningCombine": " AND "}
_PAIRS = {
    "ConditioningConcat": ("conditioning_to", "conditioning_from"),
    "ConditioningCombine": ("conditioning_1", "conditioning_2"),
}


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where no graph with a sampler is in the file."""
    graph = read_graph(file)
    sampler = _first_pass(graph) if graph else None
    if graph is None or sampler is None:
        return None
    steps, schedule, denoise = _levels(graph, sampler)
    guider = graph.at(sampler, "guider") or sampler
    prompt, negative = (_text(graph, guider, key) for key in ("positive", "negative"))
    if prompt is None:
        prompt = _text(graph, guider, "conditioning")
    model, loras = _model(graph, guider if "model" in guider.inputs else sampler)
    size = graph.behind(sampler, ("latent_image", "latent", "samples"), lambda node: "width" in node.inputs)
    width, height = (graph.value(size, side) if size else None for side in ("width", "height"))
    method = graph.at(sampler, "sampler")
    return request_values(
        prompt=with_loras(prompt, loras),
        negative_prompt=negative if negative is not None else "",
        steps=whole(steps),
        cfg_scale=graph.value(guider, "cfg"),
        distilled_cfg_scale=_guidance(graph, guider),
        seed=_seed(graph, sampler),
        sampler_name=names.sampler(graph.value(method or sampler, "sampler_name")),
        scheduler=names.schedule(schedule),
        width=whole(width) if width else file.width,
        height=whole(height) if height else file.height,
        denoising_strength=denoise if isinstance(denoise, int | float) and denoise < 1 else None,
        checkpoint=model,
        vae=_vae(graph, sampler),
        **_encoders(graph, guider),
    )


def _is_sampler(node: Node) -> bool:
    says_seed = any(name in node.inputs for name in ("seed", "noise_seed", "noise"))
    return says_seed and any(name in node.inputs for name in ("positive", "guider")) and "latent_image" in node.inputs


def _first_pass(graph: Graph) -> Node | None:
    """The sampler that the picture began with: behind what was saved, and behind samplers that worked it over."""
    found = None
    for start in graph.ends[:_MOST_ENDS]:
        found = graph.behind(start, None, _is_sampler)
        if found:
            break
    found = found or next(filter(_is_sampler, graph.nodes), None)
    seen = set()
    while found and found.id not in seen:
        seen.add(found.id)
        before = graph.behind(found, ("latent_image",), _is_sampler)
        if before is None:
            break
        found = before
    return found


def _seed(graph: Graph, sampler: Node) -> Any:
    noise = graph.at(sampler, "noise") or sampler
    return next((whole(seed) for key in ("seed", "noise_seed") if (seed := graph.value(noise, key)) is not None), None)


def _levels(graph: Graph, sampler: Node) -> tuple[Any, Any, Any]:
    """(steps, schedule, denoise), from the node of noise levels where it is one of its own."""
    levels = graph.at(sampler, "sigmas")
    if levels is not None and "steps" not in levels.inputs:
        levels = graph.behind(levels, None, lambda node: "steps" in node.inputs)
    node = levels or sampler
    schedule = graph.value(node, "scheduler")
    if schedule is None and node.type.endswith("Scheduler"):
        # KarrasScheduler, ExponentialScheduler and their like.
        schedule = node.type.removesuffix("Scheduler")
    return graph.value(node, "steps"), schedule, graph.value(node, "denoise")


def _text(graph: Graph, node: Node, key: str, seen: set[str] | None = None) -> str | None:
    """The text of a conditioning; None where there is none. seen: nodes that were asked before."""
    seen = set() if seen is None else seen
    at = graph.at(node, key)
    while at is not None and at.id not in seen and len(seen) < _MOST_TEXTS:
        seen.add(at.id)
        if at.type in _PAIRS:
            halves = [_text(graph, at, half, seen) for half in _PAIRS[at.type]]
            return _WORD[at.type].join(half for half in halves if half)
        if at.type == "ConditioningZeroOut":
            return ""
        said = [text for name in _ONE_TEXT if isinstance(text := graph.value(at, name), str)]
        if said:
            return _EMBEDDING.sub(lambda found: stem(found[1]), ", ".join(dict.fromkeys(said)))
        at = graph.at(at, "conditioning") or graph.at(at, key)
    return None


def _guidance(graph: Graph, node: Node) -> Any:
    """Of distilled models, which are told it beside the text."""
    for key in ("positive", "conditioning"):
        told = graph.behind(node, (key, "conditioning"), lambda found: "guidance" in found.inputs)
        if told is not None:
            return graph.value(told, "guidance")
    return None


def _model(graph: Graph, node: Node) -> tuple[str | None, list[str]]:
    """(the checkpoint's name, the LoRAs on the way to it)."""
    loras: list[str] = []
    at = graph.at(node, "model")
    for _ in range(len(graph.nodes)):
        if at is None:
            break
        loras[:0] = _loras(graph, at)
        name = next((found for key in _MODELS if isinstance(found := graph.value(at, key), str)), None)
        if name is not None:
            return stem(name), loras
        at = graph.at(at, "model")
    return None, loras


def _loras(graph: Graph, node: Node) -> list[str]:
    name = graph.value(node, "lora_name")
    if isinstance(name, str):
        if name.lower() == "none":
            return []
        return [lora_text(name, graph.value(node, "strength_model"), graph.value(node, "strength_clip"))]
    # Stacks name several, each as an object with a switch.
    rows = [value for value in node.inputs.values() if isinstance(value, dict) and isinstance(value.get("lora"), str)]
    return [lora_text(row["lora"], row.get("strength", 1)) for row in rows if row.get("on", True)]


def _vae(graph: Graph, sampler: Node) -> str | None:
    """That of the node that decodes what the sampler made."""
    for node in graph.nodes:
        if "vae" in node.inputs and "samples" in node.inputs:
            loader = graph.at(node, "vae")
            name = graph.value(loader, "vae_name") if loader else None
            return name if isinstance(name, str) else None
    return None


def _encoders(graph: Graph, node: Node) -> dict[str, Any]:
    """clip_skip and text_encoders, from where the prompt's text encoder comes."""
    said: dict[str, Any] = {}
    at = graph.behind(node, ("positive", "conditioning"), lambda found: "clip" in found.inputs)
    for _ in range(len(graph.nodes)):
        at = graph.at(at, "clip") if at else None
        if at is None:
            break
        last = whole(graph.value(at, "stop_at_clip_layer"))
        if isinstance(last, int) and last < 0:
            said.setdefault("clip_skip", -last)
        files = [graph.value(at, key) for key in ("clip_name", "clip_name1", "clip_name2", "clip_name3")]
        if any(files):
            said["text_encoders"] = join_names([name for name in files if isinstance(name, str)])
            break
    return said
