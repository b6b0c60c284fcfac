"""What an extension replaces in a model is there again afterwards: methods, weights, buffers, submodules."""

import pytest
import torch
from torch import nn

from webui.core.errors import DarkroomError
from webui.engine.patching import replaced


class Slotted:
    """Keeps its attribute outside of a __dict__."""

    __slots__ = ("scale",)


def network():
    """A network with a weight, a buffer and submodules."""
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU())


def others(net):
    """(owner, name, another value) of everything that a module may have."""
    return [
        (net[0], "weight", nn.Parameter(torch.zeros(2, 2))),
        (net[0], "bias", None),
        (net[1], "running_mean", torch.ones(2)),
        (net, "0", nn.Identity()),
        (net, "1", nn.Linear(2, 2)),
        (net[2], "inplace", True),
        (net[2], "forward", lambda x: x),
    ]


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_replaced_is_itself_again(place, fails):
    net = network()
    owner, name, value = others(net)[place]
    before, order, own = getattr(owner, name), list(net.state_dict()), dict(vars(owner))
    try:
        with replaced(owner, **{name: value}):
            assert getattr(owner, name) is value
            if fails:
                raise KeyError("lost")
    except KeyError:
        assert fails
    assert getattr(owner, name) is before or name == "forward"
    assert list(net.state_dict()) == order and vars(owner).keys() == own.keys()


def test_several_are_put_back_when_one_of_them_cannot_be_set():
    layer = nn.Linear(2, 2)
    weight, bias = layer.weight, layer.bias
    with pytest.raises(TypeError), replaced(layer, weight=nn.Parameter(torch.zeros(2, 2)), bias=torch.zeros(2)):
        pass
    assert layer.weight is weight and layer.bias is bias


def test_an_attribute_with_a_setter_is_put_back():
    owner = Slotted()
    owner.scale = 1
    with replaced(owner, scale=2):
        assert owner.scale == 2
    assert owner.scale == 1


def test_a_name_that_is_not_there_is_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(DarkroomError, match=r"Linear has no 'wieght'.* Did you mean 'weight'"):
        replaced(layer, bias=None, wieght=None).__enter__()
    assert layer.bias is not None
