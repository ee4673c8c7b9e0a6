"""The model card of a miniature CLIP, all figures of which come from training and measuring."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.effects import effects_table

KINDS = ("noun", "colour", "size", "position", "relation", "ordinal", "all")

#: What the ViT miniature must reach, per cent: (row, kind or "all", least).
GOALS = (
    ("crop, short", "noun", 99.0),
    ("crop, short", "colour", 99.0),
    ("global-local", "all", 70.0),
    ("score map", "all", 48.0),
)

ABOUT = {
    "clip": """# Miniature CLIP

CLIP's architecture at a small size (transformers' `CLIPModel`: vision 128 wide, 6 blocks, patches of 8 pixels on
112 x 112, a 14 x 14 grid; text 128 wide, 4 blocks; joint space of 128 dimensions; QuickGELU), with CLIP's own
byte-level BPE whose merges come from the words of the drawn world. It was trained on that world only and is of no use
on photographs.

**Data.** Pictures of `scenes`, drawn for training with seeds that no split of the benchmark uses, with captions; single
objects; objects cut out on a plain background. No mask of a scene was used, so choosing masks remains zero-shot.

**Recipe.** InfoNCE on pairs of near-duplicate pictures, with three true captions and one corrupted caption for each; a
caption that may be true of another picture is not a negative. The same loss, with weight 0.25, on the patch that fits
the caption best by the value path of the last block. AdamW with a warm-up, a constant learning rate and a decay that
follows one minus a square root. While the rate is constant, most patches are dropped; in the first two fifths of the
decay half of them, then none. The curve is in `training.csv`.
""",
    "clip-rn": """# Miniature CLIP with a ResNet tower

CLIP's ModifiedResNet at a small size (open_clip's class: stages of 1, 1, 2, 1 blocks, 16 wide, attention pooling over a
5 x 5 grid, input 160 x 160; joint space of 128 dimensions). The text tower is that of the ViT miniature and
is frozen, so that the image tower learns to match texts whose features are already meaningful.

**Data and loss.** As the ViT miniature's. The curve is in `training.csv`.
""",
}


def _table(rows: dict[str, dict[str, float]], names: list[str]) -> list[str]:
    lines = ["| | " + " | ".join(KINDS) + " |", "|---|" + "---:|" * len(KINDS)]
    lines += [f"| {name} | " + " | ".join(_figure(rows[name].get(kind)) for kind in KINDS) + " |" for name in names]
    return lines


def _figure(value: float | None) -> str:
    """Format a number with one decimal, and a missing one as a dash."""
    return "–" if value is None else f"{value:.1f}"


def best_map(rows: dict[str, dict[str, float]]) -> tuple[str, float] | None:
    """Return the layer whose patch-text map gains most over shuffled texts.

    Returns:
        The name of its row and the points gained; None if no map was measured.
    """
    gains = {
        name: round(row["all"] - rows[f"{name} shuffled"]["all"], 1)
        for name, row in rows.items()
        if name.startswith("patch map") and not name.endswith("shuffled")
    }
    return max(gains.items(), key=lambda pair: pair[1]) if gains else None


def card(
    model: str,
    training: dict[str, Any],
    figures: dict[str, Any],
    digest: str,
    effects: Sequence[dict[str, Any]] = (),
) -> str:
    """Return the text of the card.

    Args:
        model: "clip" or "clip-rn".
        training: what the training wrote to training.json; a `note` added to it by hand is printed as it is.
        figures: what `measure` returned.
        digest: SHA-256 of model.safetensors.
        effects: what `measure effects` wrote.
    """
    lines = [ABOUT[model]]
    lines.append(
        f"**Training run.** {training['images']:,} pictures in {training['steps']:,} steps of {training['batch']}, the "
        f"last {training['decay_images']:,} of them with a decaying learning rate; before it, "
        f"{training['kept_patches']} of the patches were kept. {_beginning(training)} "
        f"{training['seconds'] / 60:.0f} minutes on {training['threads']} CPU thread(s), seed {training['seed']}, "
        f"peak learning rate {training['peak_learning_rate']}. The command that trains it is "
        f"`python -m zsris_viz.miniature train {model}`"
        + (" `--text-from zsris_viz/miniature/weights/clip`." if model == "clip-rn" else ".")
    )
    if training.get("note"):
        lines.append(f"\n{training['note']}")
    lines.append(f"\n**Weights.** `model.safetensors`, fp16, SHA-256 `{digest}`.\n")
    lines.append(
        f"**Measured** with `python -m zsris_viz.miniature measure {model}`: right choices among ground-truth masks, "
        f"per cent of expressions, {figures['scenes']} held-out scenes a draw, Global-Local with alpha "
        f"{figures['alpha']}; short: expressions of at most 4 words.\n"
    )
    for draw, rows in figures["choices"].items():
        lines.append(f"Scenes {draw}\n")
        lines += _table(
            rows, [name for name in ("chance", "crop", "global", "global-local", "score map") if name in rows]
        )
        best = best_map(rows)
        if best:
            lines.append(
                f"\nBest patch-text map: {best[0].removeprefix('patch map ')}, {rows[best[0]]['all']:.1f} over all "
                f"kinds, {best[1]:+.1f} points over shuffled texts.\n"
            )
        else:
            lines.append("")
    pairs = ", ".join(f"{kind} {value:.1f}" for kind, value in figures["minimal_pairs"].items())
    lines.append(f"Minimal pairs (a true caption against the same with one error; chance 50): {pairs}.\n")
    if model == "clip":
        draws = list(figures["choices"])
        lines += ["| requirement | at least | " + " | ".join(draws) + " |", "|---|---:|" + "---:|" * len(draws)]
        for row, kind, least in GOALS:
            measured = " | ".join(_figure(rows.get(row, {}).get(kind)) for rows in figures["choices"].values())
            lines.append(f"| {row}, {kind} | {least:.0f} | {measured} |")
        gained = " | ".join(f"{best_map(rows)[1]:+.1f}" for rows in figures["choices"].values())  # type: ignore[index]
        lines.append(f"| best map minus shuffled | +8 | {gained} |")
        size = figures["minimal_pairs"]["size"]
        lines.append("| minimal pairs, size | 70 | " + " | ".join([f"{size:.1f}"] * len(figures["choices"])) + " |\n")
        lines.append(
            "Position and relation near chance are no defect: published CLIP is near chance there too, and the "
            "methods of this package exist because of it.\n"
        )
    if effects:
        lines += ["Effects of the papers, with 95 % intervals over scenes:\n", *effects_table(effects), ""]
    return "\n".join(lines)


def _beginning(training: dict[str, Any]) -> str:
    """Return what the run began with, in a sentence."""
    begun = training.get("began_with")
    if begun is None:
        return "It began with random weights."
    earlier = f", which had been trained on {begun['images']:,} pictures" if "images" in begun else ""
    return f"It began with the weights of SHA-256 `{begun['sha256']}`{earlier}; these pictures are not counted here."


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature card clip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature card clip", description=__doc__)
    parser.add_argument("--model", choices=("clip", "clip-rn"), default="clip")
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run")
    parser.add_argument("--figures", type=Path, required=True, help="the JSON file that measure wrote")
    parser.add_argument("--effects", type=Path, default=None, help="the JSON file that measure effects wrote")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where weights and card go (the package's own folder)"
    )
    arguments = parser.parse_args(argv)
    folder = arguments.folder or WEIGHTS / arguments.model
    folder.mkdir(parents=True, exist_ok=True)
    for file in (arguments.run / "weights").iterdir():
        shutil.copy2(file, folder / file.name)
    shutil.copy2(arguments.run / "log.csv", folder / "training.csv")
    training = json.loads((arguments.run / "training.json").read_text())
    figures = json.loads(arguments.figures.read_text())
    effects = json.loads(arguments.effects.read_text()) if arguments.effects else ()
    digest = file_hash(folder / "model.safetensors")
    (folder / "README.md").write_text(card(arguments.model, training, figures, digest, effects))
    print(folder / "README.md")
