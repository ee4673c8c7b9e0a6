"""The model card of the miniature captioner, all figures of which come from training and measuring."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS

#: What the captioner must reach on crops with a blurred background, per cent.
GOALS = {"blur noun": 95.0, "blur colour": 90.0}

ABOUT = """# Miniature GIT

GIT's architecture at a small size (transformers' `GitForCausalLM`: an image encoder 128 wide with 6 blocks over
14 x 14 patches of 8 pixels, as the built-in CLIP has, and 3 blocks, 96 wide, over patches and words together), with a
BERT tokenizer whose vocabulary is the words of the drawn world. Files are in the form of `microsoft/git-base`, so the
same code reads both. It was trained on drawn scenes only and is of no use on photographs.

**Data.** Scenes drawn for this training, with seeds that no split of the benchmark uses. From every scene all regions
are cut out by their masks in the form in which a captioner gets them: on a blurred and on a black background, at three
sizes of the image, some padded to a square, some with a margin, some with a rough mask, some of background only. Their
captions name noun and colour ("a red cat", "a man in a blue shirt"), but no size and no place, which a crop does not
show. Whole scenes, and square windows of them that enlarge small objects, have captions that name all objects from left
to right ("a red cat, a blue mug and two green trees").

Unlike the miniature CLIP, the captioner is trained with masks: those of the scenes of its training, not of the
benchmark. They define the regions, and the noun and the colour of each patch of a whole scene. No referring expression
was used.

**Recipe.** The image encoder begins with the weights of the built-in CLIP's vision tower, as GIT's begins with those of
a contrastive model. Whole scenes come first, regions later. Cross-entropy of the next word, and, weighted, the
cross-entropy of noun and colour of every patch of whole scenes, read from the image encoder by two linear layers that
are discarded after training. AdamW with a warm-up, a constant rate and a decay. The curve is in `training.csv`.
"""


def card(training: dict[str, Any], figures: dict[str, Any], digest: str) -> str:
    """Return the text of the card.

    Args:
        training: what the training wrote to training.json.
        figures: what `measure` returned.
        digest: SHA-256 of model.safetensors.
    """
    splits = figures["splits"]
    lines = [
        ABOUT,
        f"**Training run.** {training['pictures']:,} pictures in {training['steps']:,} steps of {training['batch']}, "
        f"{training['regions']:,} of them regions and the others whole scenes or windows of them, the last "
        f"{training['decay_pictures']:,} with a decaying learning rate; weight of the loss on patches "
        f"{training['patch_weight']}; {training['seconds'] / 60:.0f} minutes on {training['threads']} CPU thread(s), "
        f"seed {training['seed']}, peak learning rate {training['peak_learning_rate']}; the image encoder began with "
        f"the CLIP weights of SHA-256 `{training['encoder_sha256']}`. The command that trains it is "
        "`python -m zsris_viz.miniature train git`.",
        f"\n**Weights.** `model.safetensors`, fp16, SHA-256 `{digest}`.\n",
        f"**Measured** with `python -m zsris_viz.miniature measure git` on {figures['scenes']} held-out scenes of each "
        "split with ground-truth masks, greedy decoding, per cent of objects for which the noun (the colour) is "
        "right and the only one that the caption names; of whole scenes, precision and recall of the nouns.\n",
        "| | requirement | " + " | ".join(splits) + " |",
        "|---|---:|" + "---:|" * len(splits),
    ]
    for name in ("blur noun", "blur colour", "black noun", "black colour"):
        style, what = name.split()
        goal = f"{GOALS[name]:.0f}" if name in GOALS else ""
        cells = " | ".join(f"{row[name]:.1f}" for row in splits.values())
        lines.append(f"| {what}, {style}{'red' if style == 'blur' else ''} background | {goal} | {cells} |")
    for what in ("precision", "recall"):
        cells = " | ".join(f"{row['whole'][what]:.1f}" for row in splits.values())
        lines.append(f"| whole scene, {what} of nouns | | {cells} |")
    lines.append("| objects | | " + " | ".join(str(row["objects"]) for row in splits.values()) + " |")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature card git`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature card git", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run")
    parser.add_argument("--figures", type=Path, required=True, help="the JSON file that measure wrote")
    parser.add_argument("--folder", type=Path, default=None, help="where weights and card go (the package's own)")
    arguments = parser.parse_args(argv)
    folder = arguments.folder or WEIGHTS / "git"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((arguments.run / "weights").iterdir()):
        shutil.copyfile(file, folder / file.name)
    shutil.copyfile(arguments.run / "log.csv", folder / "training.csv")
    for file in folder.iterdir():
        file.chmod(0o644)
    training = json.loads((arguments.run / "training.json").read_text())
    figures = json.loads(arguments.figures.read_text())
    (folder / "README.md").write_text(card(training, figures, file_hash(folder / "model.safetensors")))
    print(folder / "README.md")
