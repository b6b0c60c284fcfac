"""Where weights go is a pure question of sizes, room and what was asked."""

import pytest

from webui.engine.memory.placement import Placement, Room, budget, plan

GB = 2**30
SDXL = {"text_encoder": GB // 4, "text_encoder_2": GB * 5 // 4, "unet": 5 * GB, "vae": GB // 3}
FLUX = {"text_encoder": GB // 4, "text_encoder_2": 9 * GB, "transformer": 22 * GB, "vae": GB // 3}


@pytest.mark.parametrize(
    ("mode", "sizes", "total", "expected"),
    [
        ("automatic", SDXL, 24, Placement.DEVICE),
        ("automatic", SDXL, 8, Placement.PARTS),
        ("automatic", SDXL, 6, Placement.BLOCKS),
        ("automatic", FLUX, 48, Placement.DEVICE),
        ("automatic", FLUX, 24, Placement.PARTS),
        ("automatic", FLUX, 16, Placement.BLOCKS),
        ("none", FLUX, 16, Placement.DEVICE),
        ("medvram", SDXL, 80, Placement.PARTS),
        ("lowvram", SDXL, 80, Placement.BLOCKS),
        ("medvram-sdxl", SDXL, 80, Placement.PARTS),
        ("medvram-sdxl", FLUX, 48, Placement.DEVICE),
    ],
)
def test_the_first_place_that_has_room(mode, sizes, total, expected):
    family = "sdxl" if sizes is SDXL else "flux"
    assert plan(mode, family, sizes, Room(total * GB, 3 * GB // 2)) == expected


def test_more_room_is_never_a_slower_place():
    for sizes in (SDXL, FLUX):
        places = [plan("automatic", "any", sizes, Room(total * GB // 2, GB)) for total in range(100)]
        assert places == sorted(places, reverse=True) and set(places) == set(Placement)


def test_who_asks_for_little_memory_gets_no_idle_weights_on_the_device():
    room = Room(8 * GB, GB)
    assert [budget(mode, room) for mode in ("automatic", "medvram", "lowvram")] == [7 * GB, 0, 0]
    assert Room(GB, 2 * GB).for_weights == 0
    # What a person lets models keep counts where it is less.
    assert [Room(8 * GB, GB, chosen * GB).for_weights for chosen in (0, 4, 40)] == [7 * GB, 4 * GB, 7 * GB]
