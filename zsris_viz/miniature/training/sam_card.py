"""The weights and the model card of a miniature SAM; all figures of the card come from training and measuring."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.measure_sam import LEAST

ABOUT = """# Miniature SAM

segment-anything's own `Sam` class at a small size: image encoder of 4 blocks, 96 wide, on a 128 x 128 picture in
patches of 8 pixels (a 16 x 16 grid), attention in windows of 8 x 8 except in the second and the last block, which
attend to the whole grid; mask decoder 64 wide; {parameters:,} parameters. The real `SamAutomaticMaskGenerator` and
`SamPredictor` run on it. It was trained on drawn scenes only: its masks of photographs are meaningless.

**Data.** Scenes drawn for training, with seeds that no split of the benchmark uses, at four sizes. Unlike the miniature
CLIP it is trained on masks, as SAM is. A point lies on an object or, one time in four, on the background. The segment
of the background is all of it or, if there is a horizon, the part on the point's side.

**Recipe.** As SAM's: focal (weight 20) and dice loss on the best of three masks, half as much on the fourth, and the
squared error of the predicted IoU. AdamW. Only single points were trained: boxes, several points
and mask prompts were not. The curve is in `training.csv`.
"""


def card(training: dict[str, Any], figures: dict[str, Any], digest: str) -> str:
    """Return the text of the card.

    Args:
        training: what the training wrote to training.json.
        figures: what `measure sam` wrote.
        digest: SHA-256 of model.safetensors.
    """
    splits, settings = figures["splits"], figures["settings"]
    lines = [
        ABOUT.format(parameters=training["parameters"]),
        f"**Training run.** {training['scenes'] * training['prompts_a_scene']:,} points "
        f"on {training['scenes']:,} scenes in {training['steps']:,} "
        f"steps of {training['batch']} scenes, {training['seconds'] / 60:.0f} minutes on "
        f"{training['threads']} CPU thread(s), seed {training['seed']}, peak learning rate "
        f"{training['peak_learning_rate']}. Again: `python -m zsris_viz.miniature train sam`."
        + (f" {training['note']}" if "note" in training else ""),
        f"\n**Weights.** `model.safetensors`, fp16, SHA-256 `{digest}`.\n",
        f"**Measured** with `python -m zsris_viz.miniature measure sam`: automatic mask generation, "
        f"{settings['points_per_side']} points per side, predicted IoU at least {settings['pred_iou_thresh']}, "
        f"stability at least {settings['stability_score_thresh']} (found by trial on the training split), on "
        f"{figures['scenes']} held-out scenes of each split at {figures['size']} x {figures['size']} pixels. For every "
        "object the best IoU of any proposal counts; the interval is a 95 % bootstrap over scenes; small objects cover "
        "less than 2 % of the picture; computing seconds on one CPU thread.\n",
        "| split | objects | mean best IoU | interval | small | large | recall at 0.5 | at 0.75 | masks a scene "
        "| seconds |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['objects']} | {row['mean_best_iou']:.3f} | {row['low']:.3f} to {row['high']:.3f} | "
        f"{row['small_iou']:.3f} | {row['large_iou']:.3f} | {row['recall_50']:.3f} | {row['recall_75']:.3f} | "
        f"{row['masks']:.1f} | {row['seconds']:.2f} |"
        for name, row in splits.items()
    ]
    reached = {name: min(row[name] for row in splits.values()) for name in LEAST}
    lines.append(
        f"\nRequired on every split: mean best IoU {LEAST['mean_best_iou']} (lowest measured: "
        f"{reached['mean_best_iou']:.3f}) and recall at 0.5 of {LEAST['recall_50']} (lowest measured: "
        f"{reached['recall_50']:.3f}).\n"
    )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature card sam`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature card sam", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run")
    parser.add_argument("--figures", type=Path, required=True, help="the JSON file that measure wrote")
    parser.add_argument("--folder", type=Path, default=WEIGHTS / "sam", help="where weights and card go")
    arguments = parser.parse_args(argv)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for source, name in (
        (arguments.run / "weights" / "model.safetensors", "model.safetensors"),
        (arguments.run / "log.csv", "training.csv"),
    ):
        shutil.copyfile(source, arguments.folder / name)
    training = json.loads((arguments.run / "training.json").read_text())
    figures = json.loads(arguments.figures.read_text())
    text = card(training, figures, file_hash(arguments.folder / "model.safetensors"))
    (arguments.folder / "README.md").write_text(text)
    for path in arguments.folder.iterdir():
        path.chmod(0o644)
    print(arguments.folder / "README.md")
