"""A look at the hub, at CivitAI and at plain addresses: names, sizes, sums, licences, kinds; then folders fetched."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save

from tests.engine.shelf import Told
from tests.engine.work.download.conftest import WEIGHTS, answer, file, json_route, redirect
from webui.core.errors import InvalidField, NotAllowed, NotFound, UnknownName
from webui.core.model_work import Download
from webui.engine.work.download import civitai, hub
from webui.engine.work.download.fetch import FetchFiles, fetch
from webui.engine.work.download.kinds import by_name, by_tensors
from webui.engine.work.download.look import Servers, Wanted, look
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.download.web import WebProblem
from webui.engine.work.names import safe_name

SHA = hashlib.sha256(WEIGHTS).hexdigest()
HUB = "https://huggingface.co"


def seek(server, address, **more):
    return look(Wanted(address, **more), TokenFile(None), Servers(server.url, server.url))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("owner/repo", hub.Place("owner/repo")),
        ("owner/repo/sub/m.safetensors", hub.Place("owner/repo", "main", "sub/m.safetensors")),
        (f"{HUB}/owner/repo", hub.Place("owner/repo")),
        (f"{HUB}/owner/repo/tree/main", hub.Place("owner/repo")),
        (
            f"{HUB}/owner/repo/blob/refs%2Fpr%2F1/a%20b.safetensors",
            hub.Place("owner/repo", "refs/pr/1", "a b.safetensors"),
        ),
        (f"{HUB}/owner/repo/resolve/v1/m.ckpt?download=true", hub.Place("owner/repo", "v1", "m.ckpt")),
        ("https://models.example/a/b", None),
        ("word", None),
    ],
)
def test_addresses_of_the_hub(address, expected):
    assert hub.parse(address, HUB) == expected


@pytest.mark.parametrize("address", ["owner/..", "../repo", f"{HUB}/datasets/a/b", "owner/repo/../x", "ow ner/repo"])
def test_addresses_that_are_none_of_the_hub_s(address):
    with pytest.raises(InvalidField):
        hub.parse(address, HUB)


def repository(server, files, **more):
    siblings = [
        {"rfilename": name, "size": len(data), "lfs": {"sha256": hashlib.sha256(data).hexdigest()}}
        for name, data in files.items()
    ]
    data = {"sha": "c0ffee", "siblings": siblings, **more}
    server.routes["/api/models/owner/repo/revision/main"] = json_route(json.dumps(data))
    for name, content in files.items():
        headers = {"X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Linked-Size": str(len(content))}
        server.routes[f"/owner/repo/resolve/c0ffee/{name}"] = file(content, headers)


def test_a_file_of_the_hub_with_its_licence_size_sum_and_commit(server):
    repository(server, {"m.safetensors": WEIGHTS, "README.md": b"x"}, cardData={"license": "openrail"})
    for address in ("owner/repo", "owner/repo/m.safetensors", f"{server.url}/owner/repo/blob/main/m.safetensors"):
        found = seek(server, address)
        assert (found.name, found.size, found.files[0].sha256) == ("m.safetensors", len(WEIGHTS), SHA)
        assert (found.licence, found.kind, found.folder) == ("openrail", "diffusion model", "diffusion_models")
        assert found.files[0].url.endswith("/owner/repo/resolve/c0ffee/m.safetensors")
    with pytest.raises(UnknownName, match=r"Did you mean 'm\.safetensors'"):
        seek(server, "owner/repo/n.safetensors")
    assert seek(server, "owner/repo", kind="VAE").folder == "VAE"


def test_what_the_hub_says_of_a_file_elsewhere_is_read_before_its_redirect(server, other):
    repository(server, {"m.safetensors": WEIGHTS})
    headers = {"X-Linked-Etag": f'"{SHA}"', "X-Linked-Size": "12345"}
    server.routes["/owner/repo/resolve/c0ffee/m.safetensors"] = redirect(other.url + "/m", 302, headers)
    found = seek(server, "owner/repo", kind="checkpoint")
    assert (found.size, found.files[0].sha256) == (12345, SHA) and other.seen == []


def test_of_several_files_one_must_be_named_and_a_closed_one_says_the_way(server):
    repository(server, {"a.safetensors": WEIGHTS, "b.safetensors": WEIGHTS}, tags=["license:mit"])
    with pytest.raises(InvalidField, match=r"several files of weights: a\.safetensors, b\.safetensors"):
        seek(server, "owner/repo")
    assert seek(server, "owner/repo", file="b.safetensors").licence == "mit"
    server.routes["/api/models/owner/repo/revision/main"] = lambda h: answer(h, 401)
    with pytest.raises(NotAllowed) as error:
        seek(server, "owner/repo")
    assert any("--token-for 127.0.0.1" in way for way in error.value.remedies)
    with pytest.raises(NotFound):
        seek(server, "owner/nothing")
    server.routes["/api/models/owner/repo/revision/main"] = json_route("[1]")
    with pytest.raises(WebProblem, match="not understood"):
        seek(server, "owner/repo")


def test_a_repository_in_diffusers_form_comes_as_a_folder_and_goes_on_after_a_stop(server, tmp_path):
    files = {
        "model_index.json": b"{}",
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
        "unet/diffusion_pytorch_model.fp16.safetensors": b"no",
        "unet/diffusion_pytorch_model.bin": b"no",
        "text_encoder/model-00001-of-00002.safetensors": WEIGHTS,
        "text_encoder/model-00002-of-00002.safetensors": WEIGHTS,
        "text_encoder/model.safetensors.index.json": b"{}",
        "vae/diffusion_pytorch_model.fp16.safetensors": WEIGHTS,
        "tokenizer/merges.txt": b"x",
        "whole.safetensors": b"no",
        "unet/flax_model.msgpack": b"no",
        "deep/er/config.json": b"no",
    }
    repository(server, files)
    found = seek(server, "owner/repo")
    assert found.is_folder and found.name == "repo" and found.folder == "Stable-diffusion"
    expected = {name for name, data in files.items() if data != b"no"}
    assert {one.name for one in found.files} == expected
    target = tmp_path / "models" / "repo"
    told = Told(stop_after=0.6)
    with pytest.raises(Exception, match="kept for a week"):
        fetch(Download(), FetchFiles(found, target), told.progress, told.should_stop)
    assert not target.exists()
    before = len(server.seen)
    told = Told()
    fetch(Download(), FetchFiles(found, target), told.progress, told.should_stop)
    assert {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()} == expected
    assert len(server.seen) - before < len(expected), "what had come is not fetched again"
    assert [p.name for p in target.parent.iterdir()] == ["repo"] and told.said[-1][0] == 1.0


def test_civitai_s_links_and_what_it_says(server, other):
    assert civitai.parse("https://civitai.com/models/12/nice?modelVersionId=34", "x") == civitai.Page("12", "34")
    assert civitai.parse("https://civitai.com/api/download/models/34?type=Model", "x") == civitai.Page("", "34")
    assert civitai.parse("https://models.example/models/12", "x") is None
    with pytest.raises(InvalidField, match="to no model"):
        civitai.parse("https://civitai.com/user/me", "x")
    entry = {
        "name": "it's nice.safetensors", "sizeKB": len(WEIGHTS) / 1024, "type": "Model", "primary": True,
        "hashes": {"SHA256": SHA.upper()}, "downloadUrl": f"{server.url}/api/download/models/34",
    }  # fmt: skip
    version = {"id": 34, "files": [{**entry, "name": "x.zip"}, entry], "trainedWords": ["red hair"], "modelId": 12}
    model = {"type": "LORA", "allowCommercialUse": ["Image"], "modelVersions": [version], "name": "Nice"}
    server.routes["/api/v1/models/12"] = json_route(json.dumps(model))
    server.routes["/api/v1/model-versions/34"] = json_route(json.dumps({**version, "model": model}))
    for path in ("/models/12/nice", "/models/12?modelVersionId=34", "/api/download/models/34"):
        found = look(Wanted(server.url + path), TokenFile(None), Servers(other.url, server.url))
        assert (found.name, found.kind, found.size) == ("it's nice.safetensors", "LoRA", len(WEIGHTS))
        assert found.files[0].sha256 == SHA and found.trained_words == ("red hair",)
        assert found.licence == "commercial use: Image; name its author"
    with pytest.raises(UnknownName):
        look(Wanted(f"{server.url}/models/12", file="x.ckpt"), TokenFile(None), Servers(other.url, server.url))
    server.routes["/api/v1/models/12"] = json_route('{"modelVersions": []}')
    with pytest.raises(WebProblem, match="no version"):
        look(Wanted(f"{server.url}/models/12"), TokenFile(None), Servers(other.url, server.url))


def plain(server, path):
    return look(Wanted(server.url + path), TokenFile(None), Servers())


def test_plain_addresses_with_or_without_head(server):
    disposition = {"Content-Disposition": "attachment; filename*=UTF-8''..%2F..%2Fm%C3%B6del.safetensors"}
    server.routes["/get"] = file(headers=disposition)
    found = plain(server, "/get?id=1")
    assert (found.name, found.size, found.kind) == ("_.._m\u00f6del.safetensors", len(WEIGHTS), "diffusion model")
    server.routes["/m.safetensors"] = lambda h: answer(h, 405) if h.command == "HEAD" else file()(h)
    assert plain(server, "/m.safetensors").size == len(WEIGHTS)
    server.routes["/page"] = lambda h: answer(h, 200, b"", {"Content-Type": "text/html"})
    with pytest.raises(InvalidField, match="not a file"):
        plain(server, "/page")
    with pytest.raises(NotFound):
        plain(server, "/nowhere.safetensors")
    with pytest.raises(InvalidField, match="neither an address"):
        plain_word = Wanted("word")
        look(plain_word, TokenFile(None), Servers())
    with pytest.raises(InvalidField, match="A kind is one of"):
        look(Wanted("a/b", kind="picture"), TokenFile(None), Servers())


def test_kinds_are_known_by_tensors_and_else_by_names(server):
    lora = save({"lora_unet_x.lora_down.weight": torch.ones(2)})
    server.routes["/a.safetensors"] = file(lora)
    assert plain(server, "/a.safetensors").kind == "LoRA"
    server.routes["/b.safetensors"] = file(lora, ranges=False)
    assert plain(server, "/b.safetensors").kind == "embedding", "by its size, since no part of it is given"
    assert by_tensors(["decoder.conv_in.weight", "encoder.conv_in.weight"]) == "VAE"
    assert by_tensors(["model.diffusion_model.x", "first_stage_model.y"]) == "checkpoint"
    assert by_tensors(["text_model.x"]) == "text encoder" and by_tensors([]) == ""
    assert by_name("flux-Q4.gguf", 10**9) == "diffusion model" and by_name("big.ckpt", 10**9) == "checkpoint"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden.ckpt", "hidden.ckpt"),
        ('a"b:c?.ckpt', "a_b_c_.ckpt"),
        ("con.ckpt", "_con.ckpt"),
        ("\u6a21\u578b\u202egpj.ckpt", "\u6a21\u578b_gpj.ckpt"),
        ("trail. ", "trail"),
    ],
)
def test_names_are_made_safe(name, expected):
    assert safe_name(name) == expected


def test_long_and_empty_names():
    assert len(safe_name("\u00e9" * 300, ".safetensors").encode()) <= 230
    assert safe_name("x" * 300 + ".safetensors", ".safetensors").endswith("x.safetensors")
    with pytest.raises(InvalidField):
        safe_name("...")
