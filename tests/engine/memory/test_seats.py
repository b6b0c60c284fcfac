"""Weights come and go: counted with a device that only notes what was moved to it."""

import gc
import threading
import weakref

import pytest
import torch
from torch import nn

from tests.engine import tiny
from webui.engine.memory.seats import Seats
from webui.engine.reading.kept import KeptTensor, keep, size_of

CPU = torch.device("cpu")


class Moves:
    """Copies tensors, and counts; knows what of these networks is a copy."""

    def __init__(self, *nets):
        self.count, self._nets = 0, nets
        self._home = {tensor.data_ptr() for net in nets for tensor in net.state_dict().values()}

    def __call__(self, tensor):
        self.count += 1
        return tensor.clone()

    @property
    def there(self):
        held = {tensor.data_ptr() for net in self._nets for tensor in net.state_dict().values()}
        return len(held - self._home)


class Net(nn.Module):
    """Two blocks in a list, one beside it, a parameter of its own, a tied one, and a buffer."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
        self.last = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.last.weight
        self.shift = nn.Parameter(torch.ones(4))
        self.register_buffer("scale", torch.full((4,), 2.0))
        self.requires_grad_(False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.tied(self.last(x)) * self.scale + self.shift


def test_a_network_is_on_the_device_while_it_computes_and_its_answer_is_the_same():
    net = Net()
    moves, home = Moves(net), dict(net.named_parameters())
    x = torch.randn(2, 4)
    right = net(x)
    seats = Seats(CPU, move=moves)
    seats.seat(net)
    assert torch.equal(net(x), right)
    # Two blocks of two tensors, the last one's two, the shift and the buffer; the tied one was moved once.
    assert moves.count == 8
    assert net.last.weight is not home["last.weight"] and net.tied.weight is net.last.weight
    assert seats.seated_bytes() == size_of(net.parameters()) + 16 == size_of(home.values()) + 16
    net(x)
    assert moves.count == 8
    assert seats.leave_idle() and not seats.leave_idle()
    assert moves.there == 0 and all(one is home[name] for name, one in net.named_parameters())


def test_with_no_budget_one_network_goes_when_another_computes():
    first, second = Net(), Net()
    moves = Moves(first, second)
    seats = Seats(CPU, move=moves)
    seats.seat(first)
    seats.seat(second)
    for net in (first, second, first):
        net(torch.zeros(1, 4))
        assert moves.there == 8
    assert moves.count == 24


def test_within_the_budget_they_stay_and_the_longest_unused_goes_first():
    nets = [Net() for _ in range(3)]
    moves = Moves(*nets)
    one = size_of(nets[0].parameters()) + 16
    seats = Seats(CPU, 2 * one, moves)
    for net in nets:
        seats.seat(net)
    for place in (0, 1, 0, 2, 0):
        nets[place](torch.zeros(1, 4))
    assert moves.count == 24 and seats.seated_bytes() == 2 * one


def test_by_blocks_one_block_at_a_time_is_there():
    net = Net()
    moves, x = Moves(net), torch.randn(2, 4)
    right, most = net(x), []
    for block in net.blocks:
        block.forward = lambda x, plain=block.forward: most.append(moves.there) or plain(x)
    seats = Seats(CPU, move=moves)
    seats.seat(net, by_blocks=True, least_block=1)
    assert torch.equal(net(x), right)
    # What is no block's (the last layer's two, the shift and the buffer) and the block's own two.
    assert most == [6, 6] and moves.there == 4


@pytest.mark.parametrize("by_blocks", [False, True])
@torch.inference_mode()
def test_real_networks_compute_the_same(by_blocks):
    seats = Seats(CPU, move=Moves())
    unet, vae, clip = tiny.unet("sdxl"), tiny.vae(), tiny.clip("clip-g", projection=True)
    latents, context = torch.randn(1, 4, 8, 8), torch.randn(1, 7, 2 * tiny.TEXT_WIDTH)
    added = {"text_embeds": torch.randn(1, tiny.TEXT_WIDTH), "time_ids": torch.randn(1, 6)}
    asks = {
        unet: lambda: unet(latents, 500.0, context, added_cond_kwargs=added).sample,
        vae: lambda: vae.decode(vae.encode(torch.ones(1, 3, 32, 32)).latent_dist.mode()).sample,
        clip: lambda: clip(torch.tensor([[1, 2, 3]])).text_embeds,
    }
    for network, ask in asks.items():
        right = ask()
        seats.seat(network, by_blocks=by_blocks, least_block=1)
        assert torch.equal(ask(), right)


def test_weights_kept_narrow_stay_narrow_on_the_way():
    net = Net()
    net.last.weight = net.tied.weight = nn.Parameter(net.last.weight.half(), requires_grad=False)
    keep(net, {"last.weight", "tied.weight"}, torch.float32)
    moved = []

    def move(tensor):
        moved.append(tensor.dtype)
        return tensor.clone()

    right = net(torch.ones(1, 4))
    Seats(CPU, move=move).seat(net)
    assert torch.equal(net(torch.ones(1, 4)), right)
    assert torch.float16 in moved and isinstance(net.last.weight, KeptTensor)


def test_a_network_is_never_in_ram_twice_while_it_is_pinned():
    class Pinning(Seats):
        """As beside a card, where weights are copied into memory that it reads at full speed."""

        def _pinned(self, tensor):
            twice.append(sum(original() is not None for original in originals) + len(twice) - count)
            return nn.Parameter(tensor.detach().clone(), requires_grad=False)

    net, twice = Net(), []
    right = net(torch.ones(1, 4))
    originals = [weakref.ref(parameter) for parameter in net.parameters()]
    count = len(originals)
    net.scale, net.shift_too = None, net.shift
    Pinning(CPU, move=torch.clone).seat(net)
    # The tied one goes when its second place is reached.
    assert len(twice) == count and max(twice) == 1
    assert net.tied.weight is net.last.weight and net.shift_too is net.shift
    net.scale = torch.full((4,), 2.0)
    assert torch.equal(net(torch.ones(1, 4)), right)


def test_a_move_that_fails_leaves_all_at_home():
    net, left = Net(), [3]

    def move(tensor):
        left[0] -= 1
        if left[0] == 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return tensor.clone()

    seats = Seats(CPU, move=move)
    seats.seat(net)
    with pytest.raises(torch.OutOfMemoryError):
        net(torch.ones(1, 4))
    assert seats.seated_bytes() == 0
    assert net(torch.ones(1, 4)).shape == (1, 4)


def test_threads_that_need_more_than_there_is_wait_for_each_other():
    inside, most = threading.Lock(), []

    class Slow(Net):
        def forward(self, x):
            assert inside.acquire(blocking=False)
            most.append(moves.there)
            answer = super().forward(x)
            inside.release()
            return answer

    nets = [Slow(), Slow()]
    moves = Moves(*nets)
    seats = Seats(CPU, move=moves)
    for net in nets:
        seats.seat(net)
    threads = [threading.Thread(target=lambda n=net: [n(torch.ones(1, 4)) for _ in range(20)]) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 40 and max(most) == 8


def test_a_network_that_nobody_has_any_more_goes():
    net = Net()
    seats = Seats(CPU, move=Moves())
    seats.seat(net)
    net(torch.ones(1, 4))
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None and seats.seated_bytes() == 0
