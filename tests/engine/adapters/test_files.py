"""Files of adapters: found by all their names, told what they are, and each bad one refused in a sentence."""

import json
import os
import pickle
import zipfile
from types import SimpleNamespace

import pytest
import torch

from tests.engine.adapters.made import as_kohya, as_peft, lora, write
from webui.core.errors import DarkroomError, InvalidField, ModelProblem
from webui.core.request import GenerationRequest
from webui.engine.adapters.accepted import accepted_hashes
from webui.engine.adapters.catalogue import AdapterCatalogue
from webui.engine.adapters.facts import facts_of, tensor_hash
from webui.engine.adapters.prepare import Adapters
from webui.engine.adapters.weights import AdapterStore, read_adapter
from webui.engine.checkpoints.architectures.base import Form
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.parts import Part

TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


def of_width(width, naming=as_kohya("lora_unet"), kind="LoRA"):
    return lora({TO_K: (320, width)}, naming, kind)[0]


def checkpoint(width=768, architecture="unet"):
    form = Form("diffusers", facts={"context_width": width})
    return Checkpoint("mine", None, "sd1", parts={"unet": Part(architecture, "denoiser", (), form)})


@pytest.fixture
def folder(tmp_path):
    """A folder with some adapters."""
    (tmp_path / "styles").mkdir()
    write(tmp_path / "Ink.safetensors", of_width(768), {"ss_output_name": "ink-v3"})
    write(tmp_path / "styles" / "Ink wash.safetensors", of_width(2048), {"ss_output_name": "wash"})
    torch.save(of_width(768), tmp_path / "old.pt")
    (tmp_path / "notes.txt").write_text("nothing")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Ink", "Ink"), ("ink", "Ink"), ("Ink.safetensors", "Ink"), (" ink-v3 ", "Ink"), ("old", "old"),
        ("ink wash", "styles/Ink wash"), ("styles/ink wash", "styles/Ink wash"),
        ("styles\\Ink wash", "styles/Ink wash"),
        ("WASH", "styles/Ink wash"), ("in", None), ("", None), ("notes", None),
    ],
)  # fmt: skip
def test_by_name_and_by_what_training_called_it(folder, asked, found):
    file = AdapterCatalogue((folder,)).find(asked)
    assert (file and file.name) == found


def test_by_hash_once_it_is_known(folder):
    catalogue = AdapterCatalogue((folder,), folder)
    file = catalogue.find("ink")
    assert catalogue.with_hash(tensor_hash(file.path)) is None
    digest = catalogue.hash(file)
    assert digest == tensor_hash(file.path) and len(digest) == 64
    for other in (catalogue, AdapterCatalogue((folder,), folder)):
        assert other.with_hash(digest) == other.find(digest[:12]) == file
        assert other.with_hash(digest[:11]) is None
    # Other metadata, and so other bytes in all; the tensors are the same.
    write(folder / "copy.safetensors", of_width(768), {"note": "x"})
    assert tensor_hash(folder / "copy.safetensors") == digest


def test_a_file_that_another_process_has_read_is_not_read_again(folder, monkeypatch):
    own, other = AdapterCatalogue((folder,), folder), AdapterCatalogue((folder,), folder)
    own.hash(own.find("ink"))
    digest = other.hash(other.find("old"))
    monkeypatch.setattr("webui.engine.adapters.catalogue.tensor_hash", lambda path: pytest.fail(f"{path} was read"))
    assert own.hash(own.find("old")) == digest


def test_files_of_the_same_tensors_with_other_alphas_are_two(tmp_path):
    tensors = lora({TO_K: (320, 768)}, as_peft("unet"), "LoRA without alpha")[0]
    catalogue, store = AdapterCatalogue((tmp_path,)), AdapterStore()
    for name, alpha in (("a", 1), ("b", 8)):
        write(
            tmp_path / f"{name}.safetensors", tensors, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": alpha})}
        )
    digests = {catalogue.hash(file) for file in catalogue.all()}
    (digest,) = digests
    for name, alpha in (("a", 1), ("b", 8), ("a", 1)):
        file = catalogue.with_hash(digest, name)
        assert file.name == name
        weights = store.get(file.path, digest, name)
        assert {float(one.tensors["alpha"]) for one in weights.modules.values()} == {alpha}
    assert store.loads == 2


def test_what_was_found_is_remembered_and_changes_are_seen(folder, monkeypatch):
    AdapterCatalogue((folder,), folder).find("wash")
    monkeypatch.setattr("webui.engine.adapters.catalogue.facts_of", lambda path: pytest.fail(f"{path} was opened"))
    catalogue = AdapterCatalogue((folder,), folder)
    assert catalogue.find("wash").title == "Ink wash"
    monkeypatch.undo()
    path = folder / "Ink.safetensors"
    write(path, of_width(1024), {"ss_output_name": "sepia"})
    os.utime(path, ns=(1, 1))
    catalogue.refresh()
    assert catalogue.find("ink-v3") is None and catalogue.facts(catalogue.find("sepia")).context_width == 1024
    assert catalogue.like("inc wash") == "Ink wash"


@pytest.mark.parametrize(
    ("kind", "naming", "said"),
    [
        ("LoRA", as_kohya("lora_unet"), "kohya"), ("LoHa", as_kohya("lora_unet"), "LyCORIS"),
        ("LoKr of low rank", as_kohya("lora_unet"), "LyCORIS"), ("LoRA", as_peft("unet"), "diffusers"),
        ("LoKr", as_kohya("lycoris"), "LyCORIS"), ("full", as_kohya("lora_unet"), "kohya"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("width", "title"), [(768, "Stable Diffusion 1"), (1024, "Stable Diffusion 2"), (2048, "Stable Diffusion XL")]
)
def test_a_header_tells_naming_and_model(tmp_path, kind, naming, said, width, title):
    facts = facts_of(write(tmp_path / "one.safetensors", of_width(width, naming, kind)))
    assert (facts.naming, facts.context_width, facts.title, facts.modules) == (said, width, title, 1)


def request(*names, **fields):
    return GenerationRequest(prompt="a house " + "".join(f"<lora:{name}>" for name in names), **fields)


def test_a_request_is_accepted_with_the_hashes_of_what_it_names(folder):
    catalogue = AdapterCatalogue((folder,), folder)
    digests = {name: catalogue.hash(catalogue.find(name)) for name in ("ink", "old")}
    accepted = accepted_hashes(request("ink", "old", "nobody", "ink"), {}, checkpoint(), catalogue)
    assert dict(accepted) == digests
    assert dict(accepted_hashes(request("ink"), accepted, checkpoint(), catalogue)) == {"ink": digests["ink"]}
    commented = GenerationRequest(prompt="a house # <lora:wash>")
    assert not accepted_hashes(commented, {}, checkpoint(), catalogue)
    moved = (folder / "Ink.safetensors").rename(folder / "styles" / "moved.safetensors")
    catalogue.refresh()
    assert catalogue.hash(catalogue.find("moved")) == digests["ink"]
    assert dict(accepted_hashes(request("ink"), accepted, checkpoint(), catalogue)) == {"ink": digests["ink"]}
    moved.unlink()
    catalogue.refresh()
    with pytest.raises(ModelProblem, match=f"LoRA ink that this request was made with .{digests['ink'][:12]}. cannot"):
        accepted_hashes(request("ink"), accepted, checkpoint(), catalogue)


def test_what_is_for_another_model_is_refused_before_the_job_runs(folder):
    catalogue = AdapterCatalogue((folder,))
    with pytest.raises(InvalidField, match=r"LoRA wash cannot be used with mine: it is for Stable Diffusion XL\."):
        accepted_hashes(request("wash"), {}, checkpoint(), catalogue)
    with pytest.raises(InvalidField, match=r"LoRA ink cannot be used with mine: it is for Stable Diffusion 1\."):
        accepted_hashes(request("ink"), {}, checkpoint(0, "flux"), catalogue)
    assert accepted_hashes(request("wash"), {}, checkpoint(2048), catalogue)


class Code:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("/nowhere/at/all",)


def truncated(path):
    whole = write(path, of_width(768)).read_bytes()
    path.write_bytes(whole[:-100])


def with_nan(path):
    tensors = of_width(768)
    next(iter(tensors.values()))[0, 0] = float("nan")
    write(path, tensors)


def half(path):
    tensors = of_width(768)
    del tensors[next(name for name in tensors if "lora_up" in name)]
    write(path, tensors)


def with_code(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Code(), protocol=2))
        archive.writestr("archive/version", "3\n")


def of(names):
    return lambda path: write(path, {name: torch.zeros(2, 2) for name in names})


BAD = {
    "truncated.safetensors": (truncated, "is cut off"),
    "nan.safetensors": (with_nan, "holds values that are no numbers"),
    "half.safetensors": (half, "is not complete: lora_unet_.* lacks lora_up"),
    "code.pt": (with_code, "wants to call posix.mkdir"),
    "nothing.safetensors": (of(["model.weight"]), "is no LoRA: it holds model.weight"),
    "text.safetensors": (lambda path: path.write_text("<html>"), "is a web page"),
    "oft.safetensors": (of(["lora_unet_x.oft_blocks"]), "is a OFT or BOFT, a kind of adapter that is not read here"),
    "glora.safetensors": (of(["lora_unet_x.a1.weight"]), "GLoRA"),
    "ia3.safetensors": (of(["lora_unet_x.on_input"]), "IA3"),
    "xlabs.safetensors": (of(["double_blocks.0.processor.qkv_lora1.down.weight"]), "XLabs"),
    "lllite.safetensors": (of(["lllite_unet_x.down.0.weight"]), "ControlNet-LLLite"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_file_is_a_sentence(tmp_path, name):
    make, said = BAD[name]
    make(tmp_path / name)
    with pytest.raises(DarkroomError, match=said) as caught:
        read_adapter(tmp_path / name, "key", "bad")
    assert caught.value.detail.startswith(name)
    if "NaN" not in caught.value.detail and "complete" not in caught.value.detail:
        with pytest.raises(InvalidField, match=r"The LoRA .* cannot be used. "):
            accepted_hashes(request(name.partition(".")[0]), {}, checkpoint(), AdapterCatalogue((tmp_path,)))


def test_what_only_reading_tells_is_known_to_all_processes_from_then_on(tmp_path):
    with_nan(tmp_path / "nan.safetensors")
    own, other = AdapterCatalogue((tmp_path,), tmp_path), AdapterCatalogue((tmp_path,), tmp_path)
    file = other.find("nan")
    assert other.broken(file) == ""
    asked = GenerationRequest(prompt="a <lora:nan>", checkpoint="mine")
    with pytest.raises(ModelProblem, match="NaN") as caught:
        Adapters(own, None, AdapterStore()).ready(asked.prompt, asked, None, pytest.fail)
    assert other.broken(file) == caught.value.detail
    # Another file in its place is another thing.
    write(tmp_path / "nan.safetensors", of_width(1024))
    other.refresh()
    assert other.broken(other.find("nan")) == ""


def test_a_pickled_file_of_weights_is_read(folder):
    read = read_adapter(folder / "old.pt", "key", "old")
    assert len(read.modules) == 1


def test_alphas_of_diffusers_metadata_count(tmp_path):
    tensors, _ = lora({TO_K: (8, 6), "other.to_q": (8, 6)}, as_peft("unet"), "LoRA without alpha", rank=4)
    said = '{"unet.lora_alpha": 2, "unet.r": 4, "unet.alpha_pattern": {"other.to_q": 1}, "text_encoder.lora_alpha": 9}'
    read = read_adapter(write(tmp_path / "a.safetensors", tensors, {"lora_adapter_metadata": said}), "k", "a")
    assert {name: float(one.tensors["alpha"]) for name, one in read.modules.items()} == {
        f"unet_{TO_K.replace('.', '_')}": 2.0, "unet_other_to_q": 1.0
    }  # fmt: skip


def test_fifty_at_once_are_fifty(tmp_path):
    for number in range(50):
        write(tmp_path / f"n{number}.safetensors", of_width(768))
    found = accepted_hashes(request(*(f"n{n}" for n in range(50))), {}, checkpoint(), AdapterCatalogue((tmp_path,)))
    assert len(found) == 50 and SimpleNamespace(**found)
