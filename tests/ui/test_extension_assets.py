"""The files of extensions on the page: their words by language, names that need quoting, new ones after a switch."""

from __future__ import annotations

import json
import re
from pathlib import Path

from webui.core.settings import Settings
from webui.plugins.loader import load_plugins
from webui.ui.assets import head_html
from webui.ui.extension_assets import DATA, PageAssets, extension_data, page_texts

FIELDS = """
from webui.extend import Field, hookimpl

@hookimpl
def fields():
    return [Field("width", "int", "Width", "How wide.", 1, minimum=0, maximum=9)]
"""


def extension(folder: Path, name: str, **files: str) -> Path:
    home = folder / name
    for path, text in {"extension.py": FIELDS, "extension.toml": f'name="{name}"\nversion="1"\napi="1"\n'}.items():
        files.setdefault(path, text)
    for path, text in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text, encoding="utf-8")
    return home


def test_panels_and_words_are_told_and_the_first_has_the_page_s(tmp_path: Path) -> None:
    extension(tmp_path, "a", **{"locales/de.toml": "title = 'Breite'\n[page]\npaste = 'Einsetzen'\n"})
    extension(tmp_path, "b", **{"locales/de.toml": "[page]\npaste = 'Kleben'\nclear = 'Leeren'\n"})
    plugins = load_plugins([tmp_path], "web")
    said = extension_data(plugins.reports, plugins.panels, ()).data.decode().partition(" = ")[2].rstrip(";\n")
    data = json.loads(said)
    assert [panel["name"] for panel in data["panels"]] == ["a", "b"]
    assert data["words"] == {"a": {"de": {"title": "Breite"}}}
    assert data["texts"] == {"de": {"paste": "Einsetzen", "clear": "Leeren"}} == page_texts(plugins.reports)


def test_words_stand_before_the_scripts_that_use_them(tmp_path: Path) -> None:
    extension(tmp_path, "a", **{"web/x.js": "1"})
    assets = PageAssets(load_plugins([tmp_path], "web"))
    order = re.findall(r"/f/[0-9a-f]{12}-([^\"]+)", assets.head("/f"))
    assert order.index("texts.js") < order.index(DATA) < order.index("core.js") < order.index("a-x.js")


def test_a_language_that_was_chosen_is_told_before_any_script(tmp_path: Path) -> None:
    extension(tmp_path, "a", **{"locales/pt-br.toml": "[page]\npaste = 'Colar'\n"})
    plugins = load_plugins([tmp_path], "web")
    now = Settings.model_validate({})
    assets = PageAssets(plugins, lambda: now)
    assert "languages" not in assets.head("/f"), "each reader's browser chooses"
    now = Settings.model_validate({"localization": "pt-br"})
    head = assets.head("/f")
    assert '("pt-BR")' in head and head.index('("pt-BR")') < head.index("src=")


def test_names_with_signs_of_addresses_are_quoted_there_and_found(tmp_path: Path) -> None:
    extension(tmp_path, "a", **{"web/a#b?c%41.js": "1"})
    assets = PageAssets(load_plugins([tmp_path], "web"))
    (name,) = [name for name in assets if name.endswith("-a-a#b?c%41.js")]
    assert assets[name].data == b"1"
    assert "-a-a%23b%3Fc%2541.js" in assets.head("/f")
    assert "#" not in "".join(re.findall(r'src="([^"]+)"', head_html("/f", further=[assets[name]])))
