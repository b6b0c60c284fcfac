"""How brown: what a person sets. Loaded by the page and by the worker, so it imports no torch."""

from webui.extend import Field, PostProcessing, hookimpl


@hookimpl
def fields() -> list[Field]:
    """One number. 0 is off, so there is no switch."""
    return [
        Field(
            "strength",
            "float",
            "Strength",
            "0 leaves the colours, 1 is all brown.",
            0.0,
            minimum=0,
            maximum=1,
            step=0.05,
        )
    ]


@hookimpl
def post_processing() -> list[PostProcessing]:
    """The function sepia() of worker.py, in requests whose strength is not 0."""
    return [PostProcessing("sepia", "Sepia", "worker:sepia", when="strength")]
