"""A graph of nodes as ComfyUI keeps it in a picture: what each is told, and what it is told by another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webui.images.picture_file import PictureFile
from webui.images.readers.values import json_object

_MOST_NODES = 5_000
_LITERALS = ("value", "text", "string", "String", "int", "float", "number", "seed", "Number", "Text")
"""Under which nodes that only hold a value have it."""

# What the page's own form of a graph has by place only, of the nodes that it comes with.
_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "CLIPTextEncode": ("text",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "VAELoader": ("vae_name",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "FluxGuidance": ("guidance",),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "PrimitiveNode": ("value",),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A node. inputs: by their names a value, or a link [id of a node, number of its output]."""

    id: str
    type: str
    inputs: Mapping[str, Any]


class Graph:
    """The nodes of a picture. Links may run in circles or lead nowhere; nothing here follows one twice."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._by_id = {node.id: node for node in nodes}

    @property
    def ends(self) -> list[Node]:
        """Nodes that are told pictures and tell nobody: those that save, before those that only show."""
        used = {source.id for node in self.nodes for name in node.inputs if (source := self.at(node, name))}
        found = [node for node in self.nodes if "images" in node.inputs and node.id not in used]
        return sorted(found, key=lambda node: "save" not in node.type.lower())

    def at(self, node: Node, name: str) -> Node | None:
        """The node that an input is linked to."""
        link = node.inputs.get(name)
        if isinstance(link, list) and len(link) == 2 and isinstance(link[0], str | int):
            return self._by_id.get(str(link[0]))
        return None

    def value(self, node: Node, name: str) -> Any:
        """What an input is told, by the node itself or by others that only hold a value."""
        for _ in range(20):
            found = node.inputs.get(name)
            source = self.at(node, name)
            if source is None:
                return None if isinstance(found, list | dict) else found
            node = source
            name = next((key for key in _LITERALS if key in source.inputs), name)
        return None

    def behind(self, node: Node, names: Sequence[str] | None, wanted: Callable[[Node], bool]) -> Node | None:
        """The nearest node that is wanted, on the links of these inputs, then on all of those behind them.

        names: None for all inputs of the node.
        """
        first = node.inputs if names is None else names
        line = [source for name in first if (source := self.at(node, name)) is not None]
        seen = {node.id}
        while line:
            one = line.pop(0)
            if one.id in seen:
                continue
            seen.add(one.id)
            if wanted(one):
                return one
            line += [source for name in one.inputs if (source := self.at(one, name)) is not None]
        return None


def read_graph(file: PictureFile) -> Graph | None:
    """The graph in a file: as it ran, else as its page keeps it. None where there is neither."""
    ran = json_object(file.texts.get("prompt")) or _in_exif(file, "prompt:")
    nodes = _as_it_ran(ran) if ran else []
    if not nodes:
        drawn = json_object(file.texts.get("workflow")) or _in_exif(file, "workflow:")
        nodes = _as_drawn(drawn) if drawn else []
    return Graph(nodes) if nodes else None


def _in_exif(file: PictureFile, start: str) -> dict[str, Any] | None:
    """WebP files have no text chunks, so it stands in tags for the camera."""
    found = (text for name in ("Model", "Make", "ImageDescription") if (text := file.exif.get(name, "")))
    return next((json_object(text[len(start) :]) for text in found if text.lower().startswith(start)), None)


def _as_it_ran(data: Mapping[str, Any]) -> list[Node]:
    nodes = []
    for number, said in list(data.items())[:_MOST_NODES]:
        if isinstance(said, dict) and isinstance(said.get("inputs"), dict) and "class_type" in said:
            nodes.append(Node(str(number), str(said["class_type"]), said["inputs"]))
    return nodes


def _as_drawn(data: Mapping[str, Any]) -> list[Node]:
    listed, links = data.get("nodes"), data.get("links")
    if not isinstance(listed, list) or not isinstance(links, list):
        return []
    # [number, from, its output, to, its input, type]
    sources = {link[0]: [str(link[1]), link[2]] for link in links if isinstance(link, list) and len(link) >= 5}
    nodes = []
    for said in listed[:_MOST_NODES]:
        if not isinstance(said, dict):
            continue
        told = said.get("widgets_values")
        named = zip(_WIDGETS.get(str(said.get("type")), ()), told if isinstance(told, list) else (), strict=False)
        inputs = dict(told) if isinstance(told, dict) else {name: value for name, value in named if name}
        for one in said.get("inputs") or ():
            if isinstance(one, dict) and isinstance(one.get("link"), int) and one["link"] in sources:
                inputs[str(one.get("name"))] = sources[one["link"]]
        nodes.append(Node(str(said.get("id")), str(said.get("type")), inputs))
    return nodes
