"""The words to choose from: what a person sets."""

from webui.extend import Field, hookimpl


@hookimpl
def fields() -> list[Field]:
    """A text; while it is empty nothing happens."""
    return [Field("words", "text", "Words", "With commas between them; one stands for WORD in the prompt.", "")]
