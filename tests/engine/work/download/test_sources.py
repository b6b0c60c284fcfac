"""Sources of models that extensions bring: asked before the others, for their own addresses, named when broken."""

import pytest

from webui.core.errors import ExtensionProblem, InvalidField, NotFound
from webui.engine.work.download.look import Servers, Wanted, check_wanted, look
from webui.engine.work.download.tokens import TokenFile
from webui.plugins.loader import load_plugins
from webui.plugins.model_sources import sources_of

SOURCE = """
from webui.core.errors import NotFound
from webui.extend import Found, ModelSource, RemoteFile, hookimpl

@hookimpl
def model_sources():
    return [ModelSource("shop", "A shop", "extension:shop")]

def shop(wanted):
    number = wanted.address.removeprefix("shop:")
    if number == "broken":
        return 1 / 0
    if number == wanted.address:
        return None

    def look(web):
        if number == "0":
            raise NotFound("The shop has no such model.")
        return Found("m.safetensors", "LoRA", (RemoteFile(f"https://shop.example/{number}", "m.safetensors", 8),))

    return look
"""


@pytest.fixture
def sources(tmp_path):
    home = tmp_path / "shop"
    home.mkdir()
    (home / "extension.toml").write_text('name = "shop"\nversion = "1"\napi = "1"\n')
    (home / "extension.py").write_text(SOURCE)
    plugins = load_plugins([tmp_path], "web")
    assert plugins.reports[0].ok, plugins.reports
    return sources_of(plugins)


def seek(address, sources):
    return look(Wanted(address), TokenFile(None), Servers("http://127.0.0.1:1", "http://127.0.0.1:1"), sources)


def test_an_address_of_its_own_is_looked_at_there(sources):
    found = seek("shop:12", sources)
    assert (found.name, found.kind, found.files[0].url) == ("m.safetensors", "LoRA", "https://shop.example/12")
    assert check_wanted(Wanted(" shop:12 "), sources=sources) == "shop:12"


def test_other_addresses_go_on_to_the_others(sources):
    with pytest.raises(InvalidField, match="neither an address nor a repository"):
        check_wanted(Wanted("word"), sources=sources)
    assert check_wanted(Wanted("owner/repo"), sources=sources) == "owner/repo"


def test_what_it_refuses_is_its_own_sentence_and_what_breaks_names_it(sources):
    with pytest.raises(NotFound, match="The shop has no such model"):
        seek("shop:0", sources)
    with pytest.raises(ExtensionProblem, match="'shop' failed in model_sources: ZeroDivisionError"):
        seek("shop:broken", sources)
