"""Where models are found: A1111's folders and other programs', links, what changes while the program runs."""

import os
import sys

import pytest

from webui.core.errors import InvalidField
from webui.core.model_folders import ModelFolders, a1111, comfy, comfy_file, inside_models, invoke
from webui.core.paths import Paths
from webui.engine.checkpoints.catalogue import Catalogue


def names(catalogue):
    return [c.name for c in catalogue.all()]


def test_a1111s_places_and_their_sub_folders(put, tmp_path):
    models = tmp_path / "models"
    put("whole", models / "Stable-diffusion" / "people" / "a.safetensors")
    put("unet", models / "diffusion_models" / "alone.safetensors")
    put("unet", models / "unet" / "old.safetensors")
    put("vae", models / "VAE" / "v.safetensors")
    put("clip", models / "text_encoder" / "deep" / "t.safetensors")
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    catalogue = Catalogue(paths.model_folders)
    assert names(catalogue) == ["alone.safetensors", "old.safetensors", "people/a.safetensors"]
    assert [file.name for file in catalogue.vaes()] == ["v.safetensors"]
    assert [file.name for file in catalogue.text_encoders()] == ["deep/t.safetensors"]
    assert all(c.problem is None for c in catalogue.all())
    assert catalogue.folder == models / "Stable-diffusion"


@pytest.mark.parametrize(
    ("layout", "places"),
    [
        (a1111, ("models/Stable-diffusion", "models/VAE", "models/text_encoder")),
        (comfy, ("models/checkpoints", "models/vae", "models/text_encoders")),
        (comfy, ("models/diffusion_models", "models/vae", "models/clip")),
        (comfy, ("models/unet", "models/vae", "models/clip")),
        (invoke, ("models/sd-1/main", "models/sd-1/vae", "models/any/clip_embed")),
        (invoke, ("models/0a", "models/1b", "models/2c")),
    ],
)
def test_other_programs_folders_are_used_as_they_are(put, tmp_path, layout, places):
    for name, place in zip(("unet", "vae", "clip"), places, strict=True):
        put(name, tmp_path / place / f"{name}.safetensors")
    catalogue = Catalogue(ModelFolders((tmp_path / "own",)) + layout(tmp_path))
    (checkpoint,) = catalogue.all()
    assert checkpoint.problem is None and checkpoint.path == tmp_path / places[0] / "unet.safetensors"
    assert {name.rpartition("/")[2] for name in checkpoint.completed.values()} == {
        "vae.safetensors",
        "clip.safetensors",
    }


def test_what_is_no_model_in_a_mixed_folder_is_left_alone(put, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "torn.safetensors").write_bytes(b"\x10")
    assert Catalogue(invoke(tmp_path)).all() == []


def test_comfys_file_of_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SHELF", str(tmp_path / "shelf"))
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(
        "a111:\n  base_path: web/\n  checkpoints: models/Stable-diffusion\n  vae: models/VAE\n  loras: models/Lora\n"
        "other:\n  is_default: true\n  base_path: $SHELF\n  diffusion_models: |\n    d\n    e\n  clip: c/\n"
        "free:\n  unet: /abs/u\n  text_encoders: [t, u]\nempty:\n"
    )
    with pytest.raises(InvalidField, match="section 'empty' holds no folders"):
        comfy_file(file)
    file.write_text(file.read_text().replace("empty:\n", ""))
    shelf = tmp_path / "shelf"
    assert comfy_file(file) == ModelFolders(
        (tmp_path / "web/models/Stable-diffusion", shelf / "d", shelf / "e", tmp_path / "/abs/u"),
        (tmp_path / "web/models/VAE",),
        (shelf / "c", tmp_path / "t", tmp_path / "u"),
        loras=(tmp_path / "web/models/Lora",),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[1, 2]", "it has no sections"),
        (b"a: [", "it is no YAML"),
        (b"\xff\xfe\x00", "it is no YAML"),
        (b"!!python/object/apply:os.system ['true']", "it is no YAML"),
        (b"a:\n  checkpoints: [{}]", "'checkpoints' should be folders"),
        (b"x" * 2_000_000, "far too large"),
        (None, "No such file"),
    ],
)
def test_a_file_of_folders_that_cannot_be_read_is_said(tmp_path, text, sentence):
    file = tmp_path / "paths.yaml"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(InvalidField, match=sentence):
        comfy_file(file)


def test_an_empty_file_of_folders_names_none(tmp_path):
    (tmp_path / "p.yaml").write_text("# nothing\n")
    assert comfy_file(tmp_path / "p.yaml") == ModelFolders()


def test_a_root_may_be_one_file(put, tmp_path):
    put("whole", tmp_path / "a.safetensors")
    put("whole", tmp_path / "b.safetensors")
    (tmp_path / "b.darkroom.json").write_text('{"steps": 3}')
    (checkpoint,) = Catalogue((tmp_path / "b.safetensors",)).all()
    assert (checkpoint.name, checkpoint.defaults) == ("b.safetensors", {"steps": 3})


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_nowhere_or_round_are_said_and_harm_nothing(put, tmp_path, caplog):
    put("whole", tmp_path / "m" / "a.safetensors")
    (tmp_path / "m" / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (tmp_path / "m" / "lost").symlink_to(tmp_path / "nowhere", target_is_directory=True)
    (tmp_path / "m" / "self.safetensors").symlink_to(tmp_path / "m" / "self.safetensors")
    (tmp_path / "m" / "round").symlink_to(tmp_path / "m", target_is_directory=True)
    put("vae", tmp_path / "elsewhere" / "v.safetensors")
    put("whole", tmp_path / "elsewhere" / "b.safetensors")
    (tmp_path / "m" / "out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    catalogue = Catalogue((tmp_path / "m",), look_seconds=0)
    assert names(catalogue) == ["a.safetensors", "out/b.safetensors", "out/v.safetensors"]
    assert "gone.safetensors was left out" in caplog.text
    assert "round was left out of the search for models: it was searched already" in caplog.text
    said = len(caplog.records)
    catalogue.refresh()
    assert len(caplog.records) == said, "once is enough"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("end", [".json", ".yaml", ".darkroom.json"])
def test_a_sidecar_that_leads_nowhere_takes_no_model_with_it(put, tmp_path, caplog, end):
    put("whole", tmp_path / "a.safetensors")
    (tmp_path / f"a{end}").symlink_to(tmp_path / "nowhere")
    (checkpoint,) = Catalogue((tmp_path,)).all()
    assert (checkpoint.name, checkpoint.problem) == ("a.safetensors", None)
    assert f"a{end} was left out" in caplog.text


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="whoever may read all is refused nothing")
def test_a_folder_that_may_not_be_read_is_said(put, tmp_path, caplog):
    put("whole", tmp_path / "a.safetensors")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        assert names(Catalogue((tmp_path,))) == ["a.safetensors"]
        assert "closed was left out" in caplog.text
    finally:
        closed.chmod(0o700)


def test_a_folder_that_the_system_refuses_is_said(put, tmp_path, caplog, monkeypatch):
    put("whole", tmp_path / "a.safetensors")
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(Catalogue((tmp_path,))) == ["a.safetensors"]
    assert "closed was left out of the search for models: Permission denied." in caplog.text


def test_the_list_follows_the_folders(put, tmp_path):
    path = put("whole", tmp_path / "a.safetensors")
    catalogue = Catalogue((tmp_path,), look_seconds=0)
    put("whole", tmp_path / "new" / "b.safetensors")
    assert names(catalogue) == ["a.safetensors", "new/b.safetensors"]
    assert catalogue.get("new/b").problem is None
    (tmp_path / "a.darkroom.json").write_text('{"steps": 7}')
    assert catalogue.get("a").defaults == {"steps": 7}
    path.write_bytes(path.read_bytes()[:-10])
    assert "cut off" in catalogue.find("a").problem
    path.unlink()
    assert names(catalogue) == ["new/b.safetensors"]


def test_the_lists_of_parts_follow_their_folders(put, tmp_path):
    catalogue = Catalogue(inside_models(tmp_path), look_seconds=0)
    assert catalogue.vaes() == catalogue.text_encoders() == []
    put("vae", tmp_path / "VAE" / "v.safetensors")
    assert [file.title for file in catalogue.vaes()] == ["v.safetensors"]
    put("clip", tmp_path / "text_encoder" / "t.safetensors")
    assert [file.title for file in catalogue.text_encoders()] == ["t.safetensors"]


def test_folders_are_not_looked_through_at_every_question(put, tmp_path):
    put("whole", tmp_path / "a.safetensors")
    catalogue = Catalogue((tmp_path,), look_seconds=600)
    put("whole", tmp_path / "b.safetensors")
    assert names(catalogue) == ["a.safetensors"]
    catalogue.refresh()
    assert names(catalogue) == ["a.safetensors", "b.safetensors"]
