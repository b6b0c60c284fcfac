"""Finding, identifying and naming checkpoints; each kind of damage gets its sentence."""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.engine.helpers import write_checkpoint
from tests.engine.singles import sd, write
from webui.core.errors import ModelProblem, UnknownName
from webui.core.model_folders import inside_models
from webui.core.request import GenerationRequest
from webui.engine.checkpoints import looks
from webui.engine.checkpoints.accepted import find_accepted
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.hashes import HashCache
from webui.engine.checkpoints.table import ModelTable


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("models") / "nice model")


def copy(model, folder):
    for path in model.rglob("*"):
        target = folder / path.relative_to(model)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def test_a_folder_is_found_named_and_hashed(model):
    [checkpoint] = Catalogue((model.parent,)).all()
    parts = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
    digests = [hashlib.sha256((model / f"{part}.safetensors").read_bytes()).hexdigest() for part in parts]
    assert checkpoint.hash == hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
    assert checkpoint.title == f"nice model [{checkpoint.hash[:10]}]"
    assert (checkpoint.family, checkpoint.problem, checkpoint.kind) == ("sd1", None, "diffusers")
    assert checkpoint.size_bytes == sum((model / f"{part}.safetensors").stat().st_size for part in parts)


def test_a_checkpoint_answers_to_title_name_and_hash(model):
    catalogue = Catalogue((model.parent,))
    checkpoint = catalogue.all()[0]
    for name in (checkpoint.title, "nice model", "NICE MODEL", checkpoint.hash, checkpoint.hash[:10]):
        assert catalogue.get(name) == checkpoint
    with pytest.raises(UnknownName, match="Did you mean 'nice model'"):
        catalogue.get("nise model")


def test_a_broken_model_is_not_among_the_names_that_anybody_is_told(model, tmp_path):
    copy(model, tmp_path / "good")
    truncate(copy(model, tmp_path / "hurt"))
    with pytest.raises(UnknownName) as caught:
        Catalogue((tmp_path,)).get("hurtt")
    assert "hurt" not in str(caught.value.problem().to_json()).replace("hurtt", "") and "good" in caught.value.detail


def test_models_below_folders_carry_the_folder_in_their_name(model, tmp_path):
    copy(model, tmp_path / "mine" / "one")
    assert [c.name for c in Catalogue((tmp_path,)).all()] == ["mine/one"]


def test_the_first_folder_wins(model, tmp_path):
    copy(model, tmp_path / model.name)
    assert Catalogue((tmp_path, model.parent)).get(model.name).path == tmp_path / model.name


def test_the_sidecar_brings_defaults(model, tmp_path):
    folder = copy(model, tmp_path / "a")
    (folder / "darkroom.json").write_text(json.dumps({"native_size": 64, "steps": 9}))
    assert Catalogue((tmp_path,)).get("a").defaults == {"native_size": 64, "steps": 9}


@pytest.mark.parametrize("text", [b"[" * 200_000, b"[]", b"{", b"\xff"])
def test_a_sidecar_that_cannot_be_read_is_a_problem_of_its_model_alone(model, tmp_path, text):
    copy(model, tmp_path / "good")
    folder = copy(model, tmp_path / "odd")
    (folder / "darkroom.json").write_bytes(text)
    good, odd = Catalogue([tmp_path]).all()
    assert good.problem is None and "odd/darkroom.json is no JSON" in odd.problem


def test_a_file_that_the_system_refuses_is_said_without_its_path(model, tmp_path, monkeypatch):
    copy(model, tmp_path / "a")

    def refuse(self, files):
        raise PermissionError(errno.EACCES, "Permission denied", str(files[0]))

    monkeypatch.setattr(HashCache, "compute", refuse)
    (checkpoint,) = Catalogue([tmp_path]).all()
    assert checkpoint.problem == "It cannot be read: Permission denied."


def truncate(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def cut_header(folder):
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:20])


def no_pickle(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")


def no_weights(folder):
    (folder / "text_encoder" / "model.safetensors").unlink()


def no_tokenizer(folder):
    (folder / "tokenizer" / "merges.txt").unlink()


def broken_json(folder):
    (folder / "unet" / "config.json").write_text("{")


def another_text_encoder(folder):
    tensors = load_file(folder / "text_encoder" / "model.safetensors")
    save_file(
        {name: tensor[..., :16].contiguous() for name, tensor in tensors.items()},
        folder / "text_encoder" / "model.safetensors",
    )


def nothing_like_a_text_encoder(folder):
    save_file({"embeddings.token_embedding.weight": torch.zeros(4, 16)}, folder / "text_encoder" / "model.safetensors")


def inpainting(folder):
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": 9}))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "cut off"),
        (cut_header, "cut off"),
        (no_pickle, "is no torch file"),
        (no_weights, "text_encoder has no weights"),
        (no_tokenizer, "merges.txt"),
        (broken_json, "unet/config.json is no JSON"),
        (nothing_like_a_text_encoder, "text_encoder holds the weights of something else"),
        (another_text_encoder, "text_encoder does not fit the part unet"),
        (inpainting, "unet holds the weights of something else"),
    ],
)
def test_damage_is_listed_with_its_sentence(model, tmp_path, damage, sentence):
    damage(copy(model, tmp_path / "hurt"))
    catalogue = Catalogue((tmp_path,))
    [checkpoint] = catalogue.all()
    assert checkpoint.problem and sentence in checkpoint.problem
    with pytest.raises(ModelProblem, match="hurt cannot be used"):
        catalogue.get("hurt")
    with pytest.raises(ModelProblem):
        catalogue.default()


def test_single_files_are_listed_with_the_reason(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "one.safetensors")
    (tmp_path / "two.safetensors").write_bytes(b"no such thing")
    (tmp_path / "three.ckpt").write_bytes(b"pickle")
    found = Catalogue((tmp_path,)).all()
    assert all(c.size_bytes == c.path.stat().st_size and c.weights == (c.path,) for c in found)
    problems = {c.name: c.problem for c in found}
    assert problems["one.safetensors"] == "It is of a kind that is not known here: it begins with 'a'."
    assert "is damaged" in problems["two.safetensors"]
    assert "is no torch file" in problems["three.ckpt"]


def test_a_model_that_vanishes_is_said(model, tmp_path):
    folder = copy(model, tmp_path / "gone")
    catalogue = Catalogue((tmp_path,), look_seconds=600)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelProblem, match="no longer complete"):
        catalogue.get("gone")
    catalogue.refresh()
    with pytest.raises(ModelProblem, match="has no weights") as caught:
        catalogue.get("gone")
    assert caught.value.remedies
    shutil.rmtree(folder)
    with pytest.raises(ModelProblem, match="no longer there"):
        catalogue.get("gone")


def test_the_default_is_the_preferred_one_or_the_first_that_works(model, tmp_path):
    truncate(copy(model, tmp_path / "a"))
    copy(model, tmp_path / "b")
    copy(model, tmp_path / "c")
    catalogue = Catalogue((tmp_path,))
    assert catalogue.default().name == "b"
    assert catalogue.default(catalogue.get("c").title).name == "c"
    assert catalogue.default("a").name == "b"


def test_a_large_model_is_listed_at_once_and_hashed_behind(model, tmp_path, monkeypatch):
    title = Catalogue((model.parent,)).get(model.name).title
    monkeypatch.setattr("webui.engine.checkpoints.describe.SMALL_BYTES", 10)
    catalogue = Catalogue((model.parent,), tmp_path)
    deadline = time.monotonic() + 30
    while not catalogue.get(model.name).hash and time.monotonic() < deadline:
        time.sleep(0.01)
    assert catalogue.get(model.name).title == title


def other_process(folder, cache):
    """A catalogue beside the one that looks into files."""
    return Catalogue((folder,), cache, look_seconds=0, known_only=True)


def test_a_worker_lists_what_the_other_process_has_looked_into(model, tmp_path, monkeypatch):
    copy(model, tmp_path / "models" / "one")
    looked = []
    plain = looks.examine
    monkeypatch.setattr(looks, "examine", lambda path, kinds: looked.append(path.name) or plain(path, kinds))
    worker = other_process(tmp_path / "models", tmp_path)
    assert worker.all() == [] and looked == []
    [first] = Catalogue((tmp_path / "models",), tmp_path).all()
    worker.take_up()
    assert worker.all() == [first] and looked == ["one"]
    copy(model, tmp_path / "models" / "two")
    assert worker.all() == [first] and looked == ["one"]
    assert other_process(tmp_path / "models", tmp_path).all() == [first]
    # Nobody else has looked: it does so itself when that is the only way to find what is asked for.
    request = GenerationRequest(prompt="", checkpoint="two")
    assert find_accepted(worker, request).name == "two" and looked == ["one", "two"]


def test_a_worker_does_not_list_what_a_file_was_before_it_was_replaced(model, tmp_path):
    folder = copy(model, tmp_path / "models" / "one")
    [before] = Catalogue((tmp_path / "models",), tmp_path).all()
    worker = other_process(tmp_path / "models", tmp_path)
    truncate(folder)
    assert before.problem is None and worker.all() == []
    [after] = Catalogue((tmp_path / "models",), tmp_path).all()
    worker.take_up()
    assert worker.all()[0].problem == after.problem is not None


def test_files_of_parts_are_hashed_behind_too(tmp_path):
    model = sd("sd1")
    for kind, part in (("VAE", "vae"), ("text_encoder", "text_encoder")):
        (tmp_path / "models" / kind).mkdir(parents=True)
        write(model.tensors(part, bare=True), tmp_path / "models" / kind / f"{part}.safetensors")
    catalogue = Catalogue(inside_models(tmp_path / "models"), tmp_path)
    files = [file.path for file in (*catalogue.vaes(), *catalogue.text_encoders())]
    deadline = time.monotonic() + 30
    while len(ModelTable(tmp_path).hashes()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    digests = {Path(path): digest for (path, *_), digest in ModelTable(tmp_path).hashes().items()}
    assert digests == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files} and len(files) == 2


def test_a_name_that_is_no_text_is_left_out_and_takes_nothing_down(model, tmp_path):
    folder = tmp_path / "models" / "Stable-diffusion"
    copy(model, folder / "fine")
    # As an archive of Windows unpacks on Linux; other systems know no such names.
    for name in (b"caf\xe9.safetensors", b"d\xe9/inside.safetensors", b"fine/unet/config\xe9.json"):
        path = folder / os.fsdecode(name)
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x")
        except OSError:
            pytest.skip("no such names on this disk")
    assert [c.name for c in Catalogue((folder,), tmp_path).all()] == ["fine"]
