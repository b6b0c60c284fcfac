"""`python -m tools.train_starter STAGE`: data, vae, text, unet, decoder, export, evaluate, sheet; or all in turn.

Two stages are not among all. lora teaches the finished model one more word; it needs requirements-train.txt.
embedding finds vectors for a word of its own.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from tools.train_starter import data, embedding, evaluate, export, sample, sheet, text, unet, vae
from tools.train_starter.training import Plan

STAGES = ("data", "vae", "text", "unet", "decoder", "export", "evaluate", "sheet")
# What the committed weights took, in steps; `--steps` or `--minutes` replaces them.
STEPS = {"vae": 6_100, "text": 1_130, "unet": 6_300, "decoder": 2_100, "lora": 150, "embedding": 300}
BATCH = {"vae": 1, "text": 96, "unet": 48, "decoder": 1, "lora": 8, "embedding": 8}
MODEL = Path("models/Stable-diffusion/darkroom-starter")
PICTURES = Path("docs/starter")
LORA = Path("models/Lora/starter-lime.safetensors")
EMBEDDING = Path("models/embeddings/starter-plum.safetensors")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser("python -m tools.train_starter", description=__doc__)
    out.add_argument("stage", choices=(*STAGES, "lora", "embedding", "all"))
    out.add_argument("--folder", type=Path, default=Path("build/starter"), help="where states and pictures lie")
    out.add_argument("--model", type=Path, default=MODEL, help="where the finished model goes")
    out.add_argument("--lora", type=Path, default=LORA, help="where the trained LoRA goes")
    out.add_argument("--embedding", type=Path, default=EMBEDDING, help="where the trained embedding goes")
    out.add_argument("--pages", type=Path, default=PICTURES, help="where contact sheet and learning curve go")
    out.add_argument("--pictures", type=int, default=36_000, help="size of the data set")
    out.add_argument("--steps", type=int, help="train so many steps (repeatable)")
    out.add_argument("--minutes", type=float, help="train so long, earlier runs included")
    out.add_argument("--batch", type=int, help="pictures a step; for the vae a factor on its crops")
    out.add_argument("--each", type=int, default=evaluate.EACH, help="captions of each kind in the evaluation")
    out.add_argument("--questions", type=int, default=evaluate.SEED, help="seed of the evaluation's captions")
    out.add_argument("--cfg", type=float, default=export.SIDECAR["cfg_scale"], help="guidance; default %(default)s")
    out.add_argument("--schedule", choices=sample.SCHEDULES, default="Karras")
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    out.add_argument("--threads", type=int, default=2)
    return out


def run(stage: str, args: argparse.Namespace) -> None:
    """Runs one stage."""
    plan = Plan(args.steps or (None if args.minutes else STEPS.get(stage)), args.minutes)
    batch = args.batch or BATCH.get(stage, 0)
    if stage == "data":
        data.make(args.folder, args.seed, args.pictures)
    elif stage == "vae":
        vae.train(args.folder, plan, args.seed, args.device, batch)
    elif stage == "text":
        text.train(args.folder, plan, args.seed, args.device, args.pictures, batch)
    elif stage == "unet":
        unet.train(args.folder, plan, args.seed, args.device, batch)
    elif stage == "decoder":
        vae.polish(args.folder, plan, args.seed, args.device, batch)
    elif stage == "lora":
        # PEFT is needed for nothing else.
        from tools.train_starter import lora

        lora.train(args.model, args.lora, plan, args.seed, args.device, batch)
    elif stage == "embedding":
        embedding.train(args.model, args.embedding, plan, args.seed, args.device, batch)
    elif stage == "export":
        export.export(args.folder, args.model)
    elif stage == "evaluate":
        evaluate.evaluate(args.folder, args.model, args.cfg, args.schedule, args.each, args.device, args.questions)
    else:
        sheet.contact_sheet(args.model, args.pages / "contact-sheet.png", args.cfg, args.schedule, args.device)
        sheet.learning_curve(args.folder, args.pages / "learning-curve.svg")


def main() -> None:
    """Runs one stage, or all in turn."""
    args = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    args.folder.mkdir(parents=True, exist_ok=True)
    for stage in STAGES if args.stage == "all" else (args.stage,):
        run(stage, args)


if __name__ == "__main__":
    main()
