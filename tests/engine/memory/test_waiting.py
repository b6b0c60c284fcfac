"""Models whose weights wait in RAM: the same pictures, by a device that only notes what comes to it."""

import pytest
import torch

from tests.engine import singles, tiny_flow, tiny_stock, tiny_z_image
from tests.engine.helpers import Loop
from tests.engine.memory.shortage import Shortage
from tests.engine.tiny_stock import Watch
from webui.core.errors import OutOfMemory
from webui.core.model_folders import inside_models
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.chosen import kept_in
from webui.engine.memory import placing
from webui.engine.memory.ladder import Ladder
from webui.engine.memory.placement import Placement
from webui.engine.memory.placing import Placer
from webui.engine.pipelines import Pipelines
from webui.engine.reading.kept import size_of
from webui.plugins.resolve import resolve

CPU = torch.device("cpu")
OFFLOADED = "Memory is short, so the model waits in RAM, and comes to the device in parts."


class Moves:
    """Copies tensors, and counts."""

    def __init__(self):
        self.count, self._real = 0, {}

    def __call__(self, tensor):
        self.count += 1
        return self._real.get(tensor.data_ptr(), tensor).clone()

    def spoil(self, networks):
        """Have weights in RAM be no numbers, so that whoever computes with them there is found out."""
        for network in networks:
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.is_floating_point() and tensor.data_ptr() not in self._real:
                    self._real[tensor.data_ptr()] = tensor.detach().clone()
                    tensor.data.fill_(float("nan"))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory, tiny_checkpoint):
    models = tmp_path_factory.mktemp("models")
    folder = models / "Stable-diffusion"
    folder.mkdir()
    (folder / "tiny").symlink_to(tiny_checkpoint, target_is_directory=True)
    singles.write(singles.sd("sdxl").tensors(), folder / "xl.safetensors")
    for kind in ("sd3.5", "flux-dev"):
        tiny_flow.folder(tiny_flow.flow(kind), folder / kind)
    tiny_z_image.folder(tiny_z_image.z_image_model(), folder / "z-image")
    tiny_stock.KINDS["sana"]().save_pretrained(folder / "sana")
    return Catalogue(inside_models(models))


def shelf(registry, mode, moves=None, ladder=None):
    placer = Placer(CPU, torch.float32, mode, move=moves, least_block=1)
    return Pipelines(registry, resolve, CPU, torch.float32, ladder=ladder, placer=placer)


def picture(registry, model, request):
    loop = Loop(model, registry)
    loop.add("a", request)
    return loop.run()["a"]


@pytest.mark.parametrize("mode", ["medvram", "lowvram"])
@pytest.mark.parametrize("name", ["tiny", "xl", "sd3.5", "flux-dev", "z-image"])
def test_the_picture_is_the_same_to_the_bit(catalogue, registry, ask, name, mode):
    request = ask(clip_skip=2 if name == "tiny" else 1, steps=2)
    moves = Moves()
    with shelf(registry, "none", moves).lend(catalogue.get(name)) as model:
        right = picture(registry, model, request)
        assert moves.count == 0
    with shelf(registry, mode, moves).lend(catalogue.get(name)) as model:
        assert model.device == CPU
        moves.spoil(model.networks)
        assert (picture(registry, model, request) == right).all() and moves.count > 0


def test_the_encoder_leaves_for_the_denoiser_and_that_for_the_autoencoder(catalogue, registry, ask):
    moves = Moves()
    waiting = shelf(registry, "medvram", moves)
    with waiting.lend(catalogue.get("tiny")) as model:
        unet, vae, text = (len(list(network.state_dict())) for network in model.networks)
        picture(registry, model, ask(steps=3))
        # Each came once, however many steps there were; CLIP has a buffer besides.
        assert unet + vae + text <= moves.count <= unet + vae + text + 1
        assert waiting.make_room() and not waiting.make_room()


def test_weights_kept_in_8_bits_wait_in_8_bits(catalogue, registry, ask):
    checkpoint = kept_in(catalogue.get("tiny"), {"denoiser": "fp8"})
    pictures = []
    for mode in ("none", "medvram"):
        with shelf(registry, mode, Moves()).lend(checkpoint) as model:
            pictures.append(picture(registry, model, ask(steps=2)))
    assert (pictures[0] == pictures[1]).all()


def test_a_pipeline_of_diffusers_computes_from_ram(catalogue, registry, ask):
    request = ask(sampler_name="Automatic", steps=2, cfg_scale=3.0, checkpoint="sana")
    images = []
    for mode in ("none", "medvram", "lowvram"):
        moves = Moves()
        with shelf(registry, mode, moves).lend(catalogue.get("sana")) as model:
            moves.spoil(model.networks if mode != "none" else ())
            images += model.draw(request, [5], Watch())
        assert (moves.count > 0) is (mode != "none")
    assert images[0].tobytes() == images[1].tobytes() == images[2].tobytes()


def test_a_load_that_finds_no_room_puts_the_model_into_ram_and_remembers(catalogue, registry, ask):
    shortage, moves, notes = Shortage("load"), Moves(), []
    waiting = shelf(registry, "automatic", moves, Ladder(shortage))
    for count in (2, 3):
        with waiting.lend(catalogue.get("tiny"), note=notes.append) as model:
            picture(registry, model, ask(steps=1))
        assert moves.count > 0 and set(notes) == {OFFLOADED} and len(shortage.tries) == count
        waiting.unload()


def test_a_model_that_waits_for_want_of_room_comes_back_to_the_device_when_there_is_much_more(catalogue, registry):
    left, moves, shortage = [1000], Moves(), Shortage("load", 1, MemoryError())
    ladder = Ladder(shortage, left=lambda: left[0], total=8000)
    waiting, notes, tiny = shelf(registry, "automatic", moves, ladder), [], catalogue.get("tiny")
    with waiting.lend(tiny, note=notes.append) as short:
        assert notes == [OFFLOADED] and short.denoiser.__dict__.get("forward")
    for left[0] in (1000, 2000):
        [loan] = waiting.lend_resident([tiny])
        with loan as known:
            assert known is short
    # Beside a card its weights in RAM are no use to the one that is loaded there; here both places are one.
    del short, known, loan, shortage.error
    left[0] = 2001
    with waiting.lend(tiny, note=notes.append) as again, waiting.lend(tiny) as same:
        assert again is same and "forward" not in again.denoiser.__dict__ and len(notes) == 1
    assert waiting.names() == ["tiny"] and waiting.lend_resident([tiny])


def watched(model):
    """(hook, shares): what of the denoiser's weights is on the device in the midst of its first block, each time."""
    home = {name: tensor.data_ptr() for name, tensor in model.denoiser.state_dict().items()}
    shares = []

    def look(*_):
        state = model.denoiser.state_dict()
        there = size_of(tensor for name, tensor in state.items() if tensor.data_ptr() != home[name])
        shares.append(there / size_of(state.values()))

    hook = model.denoiser.down_blocks[0].resnets[0].register_forward_pre_hook(look)
    return hook, shares


def test_a_model_that_finds_no_room_in_parts_comes_by_blocks_though_somebody_has_its_networks(catalogue, registry, ask):
    waiting = shelf(registry, "medvram", Moves())
    shares = []
    with waiting.lend(catalogue.get("tiny")) as parts:
        waiting.make_room()
        hook, seen = watched(parts)
        right = picture(registry, parts, ask(steps=1))
        hook.remove()
        shares += seen
        assert waiting.move_away([parts]) and not waiting.holds([parts]) and not waiting.names()
        # Who borrowed it too, and comes later.
        assert waiting.move_away([parts])
        with waiting.lend(catalogue.get("tiny")) as blocks:
            waiting.make_room()
            hook, seen = watched(blocks)
            assert (picture(registry, blocks, ask(steps=1)) == right).all()
            hook.remove()
            assert waiting.holds([blocks]) and not waiting.move_away([blocks, blocks])
    assert min(shares) == 1 and max(seen) < 0.6


def test_a_model_that_moves_to_ram_makes_room_by_rams_budget(catalogue, registry):
    size, shortage = catalogue.get("tiny").size_bytes, Shortage("load")
    placer = Placer(CPU, torch.float32, "automatic", move=Moves())
    waiting = Pipelines(
        registry, resolve, CPU, torch.float32, 10**10, placer=placer, ladder=Ladder(shortage), ram_budget_bytes=size
    )
    held = []
    for name in ("tiny", "xl", "tiny", "xl"):
        # The first two find no room on the device; then that is known.
        shortage.left = len(held) < 2
        waiting.prefetch(catalogue.get(name))
        held.append(waiting.names())
    assert held == [["tiny"], ["xl.safetensors"]] * 2


def test_a_model_that_ram_has_no_room_for_does_not_move_there(catalogue, registry, monkeypatch):
    notes, shortage = [], Shortage("load", 10**6)
    poor = shelf(registry, "automatic", Moves(), Ladder(shortage))
    monkeypatch.setattr(placing, "memory", lambda device: (10_000, 20_000))
    with (
        pytest.raises(OutOfMemory, match="not enough memory to load"),
        poor.lend(catalogue.get("tiny"), note=notes.append),
    ):
        pass
    assert notes == []
    shortage.left = 0
    with poor.lend(catalogue.get("tiny")) as model:
        assert not poor.move_away([model]) and poor.holds([model])


def test_models_in_ram_are_dropped_by_a_budget_of_their_own(catalogue, registry):
    size = catalogue.get("tiny").size_bytes
    placer = Placer(CPU, torch.float32, "medvram", move=Moves())
    waiting = Pipelines(registry, resolve, CPU, torch.float32, 1, placer=placer, ram_budget_bytes=10**10)
    for name in ("tiny", "xl"):
        waiting.prefetch(catalogue.get(name))
    assert waiting.names() == ["tiny", "xl.safetensors"]
    poor = Pipelines(registry, resolve, CPU, torch.float32, 10**10, placer=placer, ram_budget_bytes=size)
    for name in ("tiny", "xl"):
        poor.prefetch(catalogue.get(name))
    assert poor.names() == ["xl.safetensors"]


def test_where_memory_is_the_machines_own_nothing_waits_and_it_is_said(catalogue, registry, caplog):
    with shelf(registry, "lowvram").lend(catalogue.get("tiny")) as model:
        assert all("forward" not in network.__dict__ for network in model.networks)
    assert "--lowvram changes nothing here" in caplog.text


def test_a_model_that_is_larger_than_all_memory_is_refused_before_it_is_read(catalogue, registry, monkeypatch):
    monkeypatch.setattr(placing, "memory", lambda device: (10_000, 20_000))

    def refuse(*arguments):
        raise AssertionError("it was read")

    poor = Pipelines(registry, lambda name: refuse, CPU, torch.float32, placer=Placer(CPU, torch.float32, "automatic"))
    with pytest.raises(OutOfMemory, match=r"tiny takes .* of memory, and there are .* in all") as caught:
        poor.prefetch(catalogue.get("tiny"))
    assert any("smaller" in way for way in caught.value.remedies)


def test_a_budget_that_a_model_is_larger_than_is_told(catalogue, registry):
    notes = []
    for budget in (10**9, 0):
        with Pipelines(registry, resolve, CPU, torch.float32, budget).lend(catalogue.get("tiny"), note=notes.append):
            pass
    assert notes == []
    with Pipelines(registry, resolve, CPU, torch.float32, 1).lend(catalogue.get("tiny"), note=notes.append):
        [said] = notes
    assert said.startswith("tiny takes ") and "models may keep 0 MB as the settings say" in said


def test_beside_a_card_a_model_larger_than_the_budget_waits_in_ram(catalogue):
    tiny = catalogue.get("tiny")
    places = [Placer(CPU, torch.float32, "automatic", 1, budget, move=Moves()).of(tiny) for budget in (0, 1)]
    assert [place.home for place in places] == [None, CPU]


def test_what_other_programs_hold_of_a_card_is_no_room(catalogue, monkeypatch):
    left = [0]
    monkeypatch.setattr(placing, "_WORKING_BYTES", 100)
    monkeypatch.setattr(placing, "memory", lambda device: (10**12, 10**12))
    monkeypatch.setattr(placing, "left_by_others", lambda device: left[0])
    tiny, placer = catalogue.get("tiny"), Placer(CPU, torch.float32, "automatic", move=Moves())
    sizes = [part.parameters * 4 for part in tiny.parts.values()]
    places = []
    # The same card, as others come and go.
    for left[0] in (sum(sizes) + 100, sum(sizes) + 99, max(sizes) + 99, 0, 10**12):
        places.append(placer.of(tiny).placement)
        assert placer._seats.budget == max(0, left[0] - 100)
    assert places == [Placement.DEVICE, Placement.PARTS, Placement.BLOCKS, Placement.BLOCKS, Placement.DEVICE]
    # What it was told to leave there stays there.
    left[0] = 0
    assert Placer(CPU, torch.float32, "none", move=Moves()).of(tiny).placement is Placement.DEVICE
