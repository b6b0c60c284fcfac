"""The page's static files: read once, named by their content, and the lines that put them into the HTML's head."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from webui.extension_languages import BROWSERS
from webui.plugins.locales import as_written
from webui.ui.texts import CATALOGUE
from webui.ui.tokens import colour, stylesheet

FOLDER = Path(__file__).parent / "assets"

# In order of use: later scripts call earlier ones, later sheets refine earlier ones.
SCRIPTS = (
    "core.js",
    "shell.js",
    "copy.js",
    "stream.js",
    "jobs.js",
    "problems.js",
    "fields.js",
    "panels.js",
    "scripts.js",
    "form.js",
    "reading.js",
    "pnginfo.js",
    "styles.js",
    "samplers.js",
    "hires.js",
    "models.js",
    "modules.js",
    "extra.js",
    "overrides.js",
    "weights.js",
    "writing.js",
    "suggest.js",
    "names.js",
    "recent.js",
    "seen.js",
    "seen_text.js",
    "seen_view.js",
    "make.js",
    "facts.js",
    "results.js",
    "lightbox.js",
    "gallery.js",
    "insertion.js",
    "card_list.js",
    "cards.js",
    "cards_dialog.js",
    "extra_tabs.js",
    "queue.js",
    "memory.js",
    "works.js",
    "captions.js",
    "extensions.js",
    "extensions_install.js",
    "extensions_settings.js",
    "setting_panels.js",
    "settings.js",
    "keys.js",
    "extend.js",
)
SHEETS = (
    "base.css",
    "head.css",
    "memory.css",
    "form.css",
    "styles.css",
    "seen.css",
    "suggest.css",
    "panels.css",
    "results.css",
    "lists.css",
    "pnginfo.css",
    "cards.css",
    "extra_tabs.css",
    "works.css",
    "extensions.css",
    "dialogs.css",
    "narrow.css",
)

Theme = Literal["system", "dark", "light"]


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served: its name holds a hash of its content, so browsers may keep it for ever."""

    name: str
    data: bytes
    media_type: str


def asset_names() -> list[str]:
    """Names without hashes, in the order in which the page loads them."""
    return ["tokens.css", *SHEETS, "texts.js", *SCRIPTS]


@cache
def load_assets() -> dict[str, Asset]:
    """All files by the name they are served under, in the page's order."""
    found = (asset_of(name, _read(name)) for name in asset_names())
    return {asset.name: asset for asset in found}


def head_html(
    prefix: str = "/assets-darkroom",
    theme: Theme = "system",
    further: Iterable[Asset] = (),
    data: Iterable[Asset] = (),
    language: str = BROWSERS,
) -> str:
    """What belongs right behind <head>: the scheme before the first frame, then our sheets and scripts, then further
    ones. data: what stands before the first of our scripts that uses it. language: the one that everybody reads.

    Gradio's own `head=` is inserted by script after the page is up, which shows a frame in the wrong scheme.
    """
    ground = {scheme: colour("bg").of(scheme) for scheme in ("light", "dark")}
    lines = [
        f"<script>{_SCHEME.replace('THEME', json.dumps(theme))}</script>",
        f"<style>html,body{{background:{ground['light']}}}"
        f"html.dk-dark,html.dk-dark body{{background:{ground['dark']}}}</style>",
    ]
    if language != BROWSERS:
        lines.append(f"<script>{_LANGUAGE.replace('TAG', json.dumps(as_written(language)))}</script>")
    own = load_assets().values()
    ground_laid = [asset for asset in own if asset.name.endswith(("texts.js", ".css"))]
    rest = [asset for asset in own if asset not in ground_laid]
    for asset in (*ground_laid, *data, *rest, *further):
        address = escape(f"{prefix}/{quote(asset.name)}")
        if asset.media_type == "text/css":
            lines.append(f'<link rel="stylesheet" href="{address}">')
        else:
            lines.append(f'<script defer src="{address}"></script>')
    return "".join(lines)


def _read(name: str) -> bytes:
    if name == "tokens.css":
        return stylesheet().encode()
    if name == "texts.js":
        texts = json.dumps(CATALOGUE, ensure_ascii=True, sort_keys=True)
        return f"window.darkroom = {{ texts: {texts} }};\n".encode()
    return (FOLDER / name).read_bytes()


def asset_of(name: str, data: bytes) -> Asset:
    """A sheet or a script, by its name's ending."""
    media_type = "text/css" if name.endswith(".css") else "text/javascript"
    return Asset(f"{hashlib.sha256(data).hexdigest()[:12]}-{name}", data, media_type)


# Gradio's scripts, ours and those of extensions ask the browser which language its reader wants.
_LANGUAGE = """(tag=>{for(const [name,value] of Object.entries({language:tag,languages:[tag,'en']}))
Object.defineProperty(navigator,name,{get:()=>value,configurable:true})})(TAG)"""

# Keeps <html class="dk-dark"> and Gradio's <body class="dark"> at the reader's choice, or the system's without one.
_SCHEME = """(()=>{const root=document.documentElement,system=matchMedia('(prefers-color-scheme: dark)');
const wanted=()=>{let kept=null;try{kept=localStorage.getItem('darkroom-theme')}catch(e){}
const name=kept||THEME;return name==='system'?system.matches:name==='dark'};
const apply=()=>{const dark=wanted();root.classList.toggle('dk-dark',dark);
if(document.body&&document.body.classList.contains('dark')!==dark)document.body.classList.toggle('dark',dark)};
window.darkroomScheme=apply;apply();system.addEventListener('change',apply);
document.addEventListener('DOMContentLoaded',()=>{apply();
new MutationObserver(apply).observe(document.body,{attributes:true,attributeFilter:['class']})})})()"""
