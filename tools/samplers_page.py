"""Measure the samplers and write what comes out into docs/samplers.md: `python -m tools.samplers_page`.

With `--numbers` the pictures, which take minutes, are left as they are. The packages
that samplers need (scipy, torchsde) must be there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tools.samplers_measure import STEPS, Measured, measure, plot
from tools.samplers_pictures import PROMPT, SEED, Studio, sheet
from webui.core.paths import PROGRAM_DIR
from webui.plugins.installed import not_installed
from webui.plugins.loader import build_registry, load_plugins

PAGE = PROGRAM_DIR / "docs" / "samplers.md"
FOLDER = PROGRAM_DIR / "docs" / "samplers"
BEGIN, END = "<!-- measured: from here on by tools/samplers_page.py -->\n", "<!-- measured: up to here -->\n"


def section(measured: Sequence[Measured]) -> str:
    """The measured part of the page."""
    shown = STEPS.index(40)
    rows = "".join(
        f"| {one.name} | {one.order:.1f} | {one.errors[shown]:.1e} | {one.calls[shown]} |\n" for one in measured
    )
    return f"""
## Measured

Made by `python -m tools.samplers_page`. Data of a mixture of three normal distributions has a known denoiser, so the
exact noise-free path is known too. From level 10 to 0.05, evenly in log sigma, the mean error at the end falls with the
number of steps n as 1 / n^order; errors near 1e-6 are those of single precision. Samplers that add noise have no
path; their mean and covariance are tested (`tests/engine/samplers/test_mixture.py`).

![Mean error over model calls](samplers/convergence.svg)

| Sampler | Order | Error at 40 steps | Calls |
|---|---|---|---|
{rows}
The starter model's picture of "{PROMPT}", seed {SEED}, with each sampler under its own schedule. Methods that carry
slopes on (LMS, PLMS, IPNDM, DEIS) overshoot in few even steps; with 50 all of them draw the same circle:

![Built-in samplers](samplers/built-in.webp) ![Samplers of diffusers](samplers/diffusers.webp)

"""


def main(arguments: Sequence[str]) -> None:
    """Write the plot, the sheets and the page."""
    registry = build_registry(load_plugins((), "worker"))
    rows = list(registry.samplers)
    if missing := {reason for row in rows if (reason := not_installed(row))}:
        raise SystemExit(f"The page would not be whole: {', '.join(sorted(missing))}.")
    FOLDER.mkdir(exist_ok=True)
    measured = measure(rows)
    (FOLDER / "convergence.svg").write_text(plot(measured), "utf-8")
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + section(measured) + END + rest.split(END)[1], "utf-8")
    if "--numbers" in arguments:
        return
    studio = Studio(registry)
    for group, name in (("Built in", "built-in"), ("diffusers", "diffusers")):
        made = sheet(studio, [row for row in rows if row.group == group])
        made.save(FOLDER / f"{name}.webp", quality=80)


if __name__ == "__main__":
    main(sys.argv[1:])
