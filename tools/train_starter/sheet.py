"""The documentation's pictures: a contact sheet of unpicked seeds, and the learning curve."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tools.train_starter import sample

SEEDS = tuple(range(8))
PROMPTS = (
    "a red circle on a blue background",
    "red circle",
    "three yellow stars on a black background",
    "a large orange triangle on a purple background",
    "a small cyan square in the top left on a black background",
    "a white moon on a blue to pink gradient",
    "a black cross on a yellow and white striped background",
    "a red diamond on a green and white checkered background",
    "a red circle left of a blue square",
    "a yellow star above a purple moon",
    "a pink circle on a grey background",
    "a blue triangle on a yellow background",
)
LABEL = 16
INKS = ("#2f6fde", "#d6453d", "#2d9a55", "#b07a12", "#8a45c4")


def contact_sheet(model: Path, target: Path, cfg: float, schedule: str, device: str = "cpu") -> None:
    """One row a prompt, one column a seed, 0 to 7, nothing picked."""
    texts = [prompt for prompt in PROMPTS for _ in SEEDS]
    made = sample.pictures(
        sample.Model.load(model, device), texts, list(SEEDS) * len(PROMPTS), cfg=cfg, schedule=schedule
    )
    side = made.shape[1]
    sheet = Image.new("RGB", (len(SEEDS) * side, len(PROMPTS) * (side + LABEL)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, prompt in enumerate(PROMPTS):
        top = row * (side + LABEL)
        pen.text((4, top + 2), f"{prompt}   (seeds {SEEDS[0]} to {SEEDS[-1]})", fill="black")
        for column in SEEDS:
            picture = Image.fromarray(made[row * len(SEEDS) + column])
            sheet.paste(picture, (column * side, top + LABEL))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, optimize=True)


def _line(points: list[tuple[float, float]], ink: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"/>'


def learning_curve(folder: Path, target: Path) -> None:
    """Per cent right by kind over the UNet's steps, from the evaluations noted in `folder`/progress.csv, as SVG."""
    with (folder / "progress.csv").open(encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    last = max(row["step"] for row in rows)
    left, top, wide, high = 44, 16, 560, 280
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {high + 60}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for percent in range(0, 101, 25):
        y = top + high * (1 - percent / 100)
        parts.append(f'<line x1="{left}" x2="{left + wide}" y1="{y}" y2="{y}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{percent}</text>')
    for part in np.linspace(0, 1, 5):
        x = left + wide * part
        parts.append(f'<text x="{x:.0f}" y="{top + high + 20}" text-anchor="middle">{last * part:.0f}</text>')
    parts.append(f'<text x="{left + wide / 2}" y="{top + high + 40}" text-anchor="middle">steps of the UNet</text>')
    kinds = [key for key in rows[0] if key != "step"]
    for number, (kind, ink) in enumerate(zip(kinds, INKS, strict=True)):
        points = [(left + wide * row["step"] / last, top + high * (1 - row[kind] / 100)) for row in rows]
        parts.append(_line(points, ink))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{ink}"/>' for x, y in points]
        y = top + 20 + 22 * number
        parts.append(_line([(left + wide + 16, y - 4), (left + wide + 40, y - 4)], ink))
        parts.append(f'<text x="{left + wide + 46}" y="{y}">{kind} {rows[-1][kind]:.0f} %</text>')
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
