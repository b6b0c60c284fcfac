"""A model family of an extension is found, listed, counted, accepted and run through its row alone."""

import asyncio
import time

import pytest
import torch
from safetensors.torch import save_file

from tests.engine.helpers import pixels, running
from webui.app import compose
from webui.core.errors import InvalidField
from webui.core.events import Note
from webui.core.job import LOCAL_OWNER
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.wordings import NO_WEIGHTS
from webui.jobs.executors.fake import FakeExecutor
from webui.plugins.loader import build_registry, load_plugins

MANIFEST = 'name = "toys"\nversion = "1"\napi = "1"\ntitle = "Toys"\n'
ROW = """
from webui.extend import Architecture, Family, Need, hookimpl

@hookimpl
def families():
    return [Family("toy", "Toy", "worker:load", needs=(Need("toy", "train"),), count_tokens="files:count",
                   native_size=64, sizes=((64, 64),), size_multiple=16, steps=3, cfg_scale=2.0)]

@hookimpl
def architectures():
    return [Architecture("train", "Toy train", "denoiser", "files:recognise", "worker:build",
                         {"plain": "webui.engine.layouts.base:same"})]
"""
FILES = """
from webui.extend import Form

def recognise(names, config):
    shape = names.shape("toy.colours")
    return Form("plain", {"colours": shape[0]}) if shape else None

def count(checkpoint, text):
    return len(text.split()), 10
"""
WORKER = """
import torch
from webui.engine.model_schedule import DiscreteSchedule

class Words:
    size_bytes = 1
    def __init__(self, *given):
        self.given = given

class Toy:
    latent_channels, latent_factor = 3, 16
    def __init__(self, train, device, dtype):
        self.colours, self.device, self.dtype = train.toy.colours, device, dtype
        self.networks = (train,)
        self.schedule = DiscreteSchedule.scaled_linear(0.00085, 0.012, 1000)
        self.denoiser = torch.nn.Identity()
    def chunk_count(self, text, purpose):
        return 1
    def encode(self, text, chunks, purpose):
        return Words(text, purpose.width, purpose.height)
    def schedule_at(self, width, height):
        return self.schedule
    def stack(self, rows):
        return {"rows": [row.given for row in rows]}
    def predict(self, x, sigmas, context):
        assert {given[1:] for given in context["rows"]} == {(64, 32)}
        lit = [1.0 if "bright" in text else 0.0 for text, *_ in context["rows"]]
        return torch.tensor(lit).view(-1, 1, 1, 1) * self.colours.view(1, 3, 1, 1).expand_as(x)
    def decode(self, latents):
        big = latents.repeat_interleave(16, 2).repeat_interleave(16, 3)
        return (big * 100).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

def build(config, facts):
    train = torch.nn.Module()
    train.toy = torch.nn.ParameterDict({"colours": torch.nn.Parameter(torch.empty(config["colours"]))})
    return train

def load(checkpoint, reader):
    return Toy(reader.network(checkpoint.parts["toy"]), reader.device, reader.dtype)
"""


@pytest.fixture
def home(tmp_path):
    """A data folder with the extension and one model of its family."""
    extension = tmp_path / "extensions" / "toys"
    extension.mkdir(parents=True)
    for name, text in (("extension.toml", MANIFEST), ("extension.py", ROW), ("files.py", FILES), ("worker.py", WORKER)):
        (extension / name).write_text(text, "utf-8")
    models = tmp_path / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    save_file({"toy.colours": torch.tensor([0.5, 1.0, 2.0])}, models / "train.safetensors")
    save_file({"other": torch.zeros(2)}, models / "other.safetensors")
    return tmp_path


def test_the_page_knows_a_family_of_an_extension(home):
    paths = Paths(data_dir=home, program_dir=home)
    house = compose(paths, SettingsStore(paths.settings), [FakeExecutor()])
    found = {checkpoint.path.name: checkpoint for checkpoint in house.service.checkpoints(LOCAL_OWNER)}
    assert (found["train.safetensors"].family, found["train.safetensors"].problem) == ("toy", None)
    assert "not known here: it begins with 'other'" in found["other.safetensors"].problem
    assert house.service.count_tokens("one two three", "train.safetensors") == (3, 10)
    assert house.service.defaults("train.safetensors")["steps"] == 3
    wrong = {"prompt": "a", "checkpoint": "train.safetensors", "width": 72, "height": 64}
    with pytest.raises(InvalidField, match=r"72; it must be a multiple of 16 \(nearest: 64, 80\)") as refused:
        asyncio.run(house.service.submit(wrong, LOCAL_OWNER))
    assert refused.value.field == "width"


def test_the_first_checkpoint_may_be_of_an_extension_s_family(home):
    plugins = load_plugins((home / "extensions",), "worker")
    models = home / "models" / "Stable-diffusion"
    with running(models, build_registry(plugins), plugins, warm_checkpoint="gone") as bench:
        deadline = time.monotonic() + 60
        while not bench.engine.describe()["models"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert bench.engine.describe()["models"] == ["train.safetensors"]


def test_the_engine_runs_a_family_of_an_extension(home, ask):
    plugins = load_plugins((home / "extensions",), "worker")
    with running(home / "models" / "Stable-diffusion", build_registry(plugins), plugins) as bench:
        request = ask(checkpoint="train.safetensors", prompt="bright", width=64, height=32, cfg_scale=1.0)
        [made] = bench.make(request)
    picture = pixels(made[0])
    assert picture.shape == (32, 64, 3) and abs(picture - [50, 100, 200]).max() <= 1


def test_a_family_that_does_not_weigh_words_gets_the_words_alone_and_the_job_says_so(home, ask):
    plugins = load_plugins((home / "extensions",), "worker")
    with running(home / "models" / "Stable-diffusion", build_registry(plugins), plugins) as bench:
        request = ask(checkpoint="train.safetensors", prompt="br(igh:1.3)t", width=64, height=32, cfg_scale=1.0)
        for asked, notes in ((request, [NO_WEIGHTS]), (request.but(prompt="bright"), [])):
            bench.engine.submit(asked.prompt, asked)
            [picture] = bench.heard.pictures(asked.prompt).values()
            assert abs(pixels(picture) - [50, 100, 200]).max() <= 1
            assert [event.text for event in bench.heard.of(asked.prompt, Note)] == notes
