"""Which LoRAs and embeddings are for a checkpoint, told from their headers before a job runs."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from tests.engine.adapters.made import as_kohya, lora, write
from tests.test_loras import TO_K, made
from webui.app import House
from webui.core.job import LOCAL_OWNER
from webui.engine.cards.listing import Query


def test_what_is_for_another_model_is_told_by_its_id(house: House) -> None:
    folders, service = house.paths.model_folders, house.service
    for folder in (folders.loras[0], folders.embeddings[0]):
        folder.mkdir(parents=True, exist_ok=True)
    write(folders.loras[0] / "ink.safetensors", made(house))
    write(folders.loras[0] / "large.safetensors", lora({TO_K: (96, 2048)}, as_kohya("lora_unet"))[0])
    (folders.loras[0] / "broken.safetensors").write_bytes(b"\x10")
    (encoder,) = (part for part in service._catalogue.default().parts.values() if part.role == "text_encoder")
    width = int(encoder.form.facts["width"])
    for name, wide in (("word", width), ("wide", width + 8)):
        save_file({"emb_params": np.zeros((1, wide), np.float32)}, folders.embeddings[0] / f"{name}.safetensors")
    # Those that come with the program are others.
    models = [
        model
        for kind in ("lora", "embedding")
        for model in service.cards.page(Query(kind=kind), LOCAL_OWNER).models
        if not model.name.startswith("starter")
    ]
    told = service.prompting.fitting.unfit_ones(models, service._catalogue.default().title)
    assert {model.name for model in models if model.id in told} == {"large.safetensors", "wide.safetensors"}
    large = next(model.id for model in models if model.name == "large.safetensors")
    assert told[large] == f"Not for {service._catalogue.default().name}: it is for Stable Diffusion XL."
    assert service.prompting.fitting.unfit_ones(models, "") == {}
    assert service.prompting.fitting.unfit_ones(models, "nobody") == {}
