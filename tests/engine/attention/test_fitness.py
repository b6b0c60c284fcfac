"""What a backend's row and the packages here tell of whether it can serve."""

from webui.core.registry import AttentionBackend
from webui.engine.attention.fitness import unfit

CUDA = AttentionBackend("fast", "Fast", "m:f", devices=("cuda",), package="surely_not_installed")


def test_a_device_that_suits_is_enough_and_the_package_must_be_there():
    assert unfit(CUDA, ["cpu"]) == "it needs a CUDA or ROCm card, and this is the CPU"
    assert unfit(CUDA, ["cpu", "cuda"]) == unfit(CUDA, []) == "the package surely_not_installed is not installed"
    assert unfit(AttentionBackend("plain", "Plain", "m:f", package="json"), ["cpu"]) == ""
    assert unfit(AttentionBackend("both", "Both", "m:f", devices=("cuda", "mps")), ["cpu"]).startswith(
        "it needs a CUDA or ROCm card or an Apple GPU"
    )
