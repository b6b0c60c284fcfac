"""Which operators of torch computed the attention of each layer, by torch's profiler."""

from collections import defaultdict

from torch.profiler import ProfilerActivity, profile, record_function

PREFIX = "attention layer "
FUSED = (
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    "aten::_scaled_dot_product_attention_math",
    "aten::_scaled_dot_product_flash_attention",
    "aten::_scaled_dot_product_efficient_attention",
    "aten::_scaled_dot_product_cudnn_attention",
)
PLAIN = "aten::bmm"
OTHERS = ("xformers", "flash_attn", "flash::", "sage", "flex_attention")


def attention_layers(network):
    """The modules of a diffusers model that compute attention, by name."""
    return {name: module for name, module in network.named_modules() if hasattr(module, "processor")}


def calls_of_layers(network, forward):
    """For each attention layer what it was given last while `forward()` ran: (arguments, options)."""
    given = {}
    handles = [
        layer.register_forward_pre_hook(
            lambda _, arguments, options, name=name: given.update({name: (arguments, options)}), with_kwargs=True
        )
        for name, layer in attention_layers(network).items()
    ]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return given


def operators(network, forward):
    """For each attention layer the names of what computed its attention while `forward()` ran.

    Plain products are named only where no fused operator ran, since those are made of products themselves.
    """
    handles, open_layers = [], []

    def enter(name):
        def hook(*_):
            open_layers.append(record_function(PREFIX + name))
            open_layers[-1].__enter__()

        return hook

    def leave(*_):
        open_layers.pop().__exit__(None, None, None)

    for name, layer in attention_layers(network).items():
        handles += [layer.register_forward_pre_hook(enter(name)), layer.register_forward_hook(leave)]
    try:
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            forward()
    finally:
        for handle in handles:
            handle.remove()
    found = defaultdict(list)
    for event in profiled.events():
        layer = _layer_of(event)
        if layer and (event.name in (*FUSED, PLAIN) or event.name.startswith(OTHERS)):
            found[layer].append(event.name)
    return {name: _attention(found[name]) for name in attention_layers(network)}


def _layer_of(event):
    while event is not None:
        if event.name.startswith(PREFIX):
            return event.name.removeprefix(PREFIX)
        event = event.cpu_parent
    return None


def _attention(names):
    fused = {name for name in names if name != PLAIN}
    return fused or set(names)
