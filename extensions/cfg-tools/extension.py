"""CFG-Zero*, APG and CFG rescale: what a person sets, and where it acts."""

from __future__ import annotations

from webui.extend import Field, Guidance, hookimpl

METHODS = ("CFG", "CFG-Zero*", "APG")


@hookimpl
def fields() -> list[Field]:
    """Off until it is enabled; then plain CFG, with a rescale of 0.7, as its paper has it."""
    return [
        Field("enabled", "bool", "Enable", "Guide as said below. Dynamic thresholding sets it aside.", False),
        Field(
            "method",
            "choice",
            "Method",
            "CFG: plain guidance. CFG-Zero*: scales the negative prediction to fit first, made for flow models (Fan et "
            "al. 2025). APG: leaves out what only makes colours stronger, for high scales (Sadat et al. 2024).",
            "CFG",
            choices=METHODS,
        ),
        Field(
            "rescale",
            "float",
            "Rescale",
            "How much of guidance's gain in contrast is taken back; 0 is nothing, 0.7 what its authors use (Lin et al. "
            "2023).",
            0.7,
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            infotext="CFG rescale",
        ),
        Field(
            "zero_init_steps",
            "int",
            "Zero-init steps",
            "CFG-Zero*: so many first steps stand still. 1 helps flow models that are not fully trained.",
            0,
            minimum=0,
            maximum=20,
            step=1,
        ),
        Field(
            "apg_norm",
            "float",
            "APG norm threshold",
            "APG: the longest that a guiding difference may be; 0 sets no limit.",
            15.0,
            minimum=0.0,
            maximum=100.0,
            step=0.5,
        ),
        Field(
            "apg_parallel",
            "float",
            "APG parallel part",
            "APG: how much is kept of what lies along the prediction itself; 1 is plain CFG.",
            0.0,
            minimum=0.0,
            maximum=1.0,
            step=0.05,
        ),
    ]


@hookimpl
def guidance() -> list[Guidance]:
    """The function guide() of worker.py."""
    return [Guidance("cfg-tools", "worker:guide", when="enabled")]
