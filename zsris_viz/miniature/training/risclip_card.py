"""The model card of the miniature RISCLIP, all figures of which come from training and measuring."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.measure_risclip import ABOVE, LEAST

KINDS = ("noun", "colour", "size", "position", "relation", "ordinal", "all")

ABOUT = """# Miniature RISCLIP

RISCLIP (Kim et al., NAACL 2024) on the miniature CLIP, whose own weights are frozen and are not in this file. It was
trained on drawn scenes only and is of no use on photographs. It was trained on masks, so it is not a zero-shot method,
and a comparison with one is not fair.

**Data.** Split `train` of `scenes`: pictures, expressions and masks. No other split was trained on; the first scenes of
`val` selected the best state of the last stage.

**Recipe.** Stage 1: CFE and SKE with a patch-text contrastive loss. Stage 2: the decoder with BCE and dice, the rest
frozen, then all parts. AdamW, a warm-up and a cosine in each stage. Every setting is in `config.yaml`, the curve in
`training.csv`.
"""


def card(training: dict[str, Any], figures: dict[str, Any], size: int, digest: str, count: int) -> str:
    """Return the text of the card.

    Args:
        training: what the checkpoint says of its training.
        figures: what `measure` wrote.
        size: Size of the file in bytes.
        digest: its SHA-256.
        count: Number of trained numbers.
    """
    settings = training["settings"]
    steps = settings["steps"]
    stages = ", ".join(f"{number} {name}" for name, number in steps.items())
    planned = sum(steps.values())
    if training["steps"] < planned:
        stages = f"stopped, of {planned:,} planned: {stages}"
    lines = [ABOUT]
    lines.append(
        f"**Training run.** {training['steps']:,} steps ({stages}) of {settings['batch']} pictures, "
        f"{training['expressions']:,} expressions, {training['seconds'] / 60:.0f} minutes on {settings['threads']} CPU "
        f"thread(s) of a shared machine, seed {settings['seed']}. Again: "
        "`python -m zsris_viz.miniature train risclip`, or `zsris train risclip --config config.yaml`.\n"
    )
    lines.append(
        f"**Weights.** `model.safetensors`, {count:,} numbers, fp16, {size / 1e6:.2f} MB, SHA-256 `{digest}`.\n"
    )
    lines.append(
        "**Measured** with `python -m zsris_viz.miniature measure risclip`: mIoU in per cent, "
        f"{figures['scenes']} scenes of each split; interval: 95 %, bootstrap over scenes.\n"
    )
    lines += [f"| | {' | '.join(KINDS)} | interval | oIoU | IoU above 0.5 |", "|---|" + "---:|" * (len(KINDS) + 3)]
    for split, found in figures["risclip"].items():
        kinds = " | ".join(_figure(found["by_kind"].get(kind)) for kind in KINDS)
        between = f"{found['miou_low']:.1f} to {found['miou_high']:.1f}"
        lines.append(f"| {split} | {kinds} | {between} | {found['oiou']:.1f} | {found['accuracy_50']:.1f} |")
    lines.append(
        "\nEach step of the model, on scenes of val: how often the highest cell lies in the referent (pointing), and "
        "how often a patch of the referent scores above one outside (ranked, chance 50).\n"
    )
    names = {"clip": "CLIP before training", "cfe": "after CFE", "ske": "after SKE", "mask": "after the decoder"}
    lines += ["| | pointing | ranked |", "|---|---:|---:|"]
    lines += [
        f"| {names[name]} | {row['pointing']:.1f} | {row['ranked']:.1f} |" for name, row in figures["steps"].items()
    ]
    if "readout" in figures:
        lines.append(_readout(figures["readout"]))
    if "zero_shot" in figures:
        lines += _zero_shot(figures)
    return "\n".join(lines) + "\n"


def _readout(found: dict[str, float]) -> str:
    """Return the paragraph on what can be read from the frozen tower."""
    layers = ", ".join(f"{found[name]:.0f} after {name}" for name in found if name.isdigit() and name != "0")
    return (
        "\n**Readout of the frozen tower.** A linear readout of the noun from one patch inside an object, fitted on "
        f"scenes of train and read on val, per cent right by blocks: {layers}; {found['values']:.0f} from the value "
        f"path that is used here (the most frequent noun: {found['most']:.0f}). CLIP's own weights do not change, so "
        "the adapters have to add what a patch does not encode."
    )


def _zero_shot(figures: dict[str, Any]) -> list[str]:
    """Return the table of zero-shot methods with a sentence on how RISCLIP compares."""
    zero_shot = figures["zero_shot"]
    lines = [
        "\nFor comparison, zero-shot methods in their default settings, which choose among "
        f"`{zero_shot['proposals']}` masks, on the first {zero_shot['images']} scenes of val (the best proposals would "
        f"have {zero_shot['upper_bound']:.1f}):\n",
        f"| | {' | '.join(KINDS)} |",
        "|---|" + "---:|" * len(KINDS),
    ]
    trained = figures["risclip_same_scenes"]["by_kind"]
    for name, row in {**zero_shot["methods"], "risclip": trained}.items():
        lines.append(f"| {name} | {' | '.join(_figure(row.get(kind)) for kind in KINDS)} |")
    best = max(zero_shot["methods"], key=lambda name: zero_shot["methods"][name]["all"])
    above = trained["all"] - zero_shot["methods"][best]["all"]
    lines += [
        "\n| requirement | at least | measured |",
        "|---|---:|---:|",
        f"| mIoU on val, all kinds | {LEAST:.0f} | {figures['risclip']['val']['by_kind']['all']:.1f} |",
        f"| points above the best zero-shot method ({best}) | {ABOVE:.0f} | {above:+.1f} |",
    ]
    return lines


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def ship(run: Path, figures: dict[str, Any], folder: Path) -> Path:
    """Write weights in fp16, settings, curve and card of a run into a folder, and return the path of the card."""
    import torch
    import yaml
    from safetensors.torch import load_file, save_file

    from zsris_viz.methods.risclip.checkpoint import read_metadata

    folder.mkdir(parents=True, exist_ok=True)
    words = read_metadata(run / "model.safetensors")
    tensors = {name: value.to(torch.float16) for name, value in load_file(run / "model.safetensors").items()}
    training = json.loads(words["training"])
    for group in ("data", "validation"):  # where one machine kept its pictures concerns nobody else
        if training["settings"].get(group):
            training["settings"][group]["cache"] = None
    save_file(tensors, folder / "model.safetensors", metadata={**words, "training": json.dumps(training)})
    (folder / "config.yaml").write_text(yaml.safe_dump(training["settings"], sort_keys=False), encoding="utf-8")
    shutil.copy2(run / "training.csv", folder / "training.csv")
    weights = folder / "model.safetensors"
    count = sum(value.numel() for value in tensors.values())
    text = card(training, figures, weights.stat().st_size, file_hash(weights), count)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return folder / "README.md"


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature card risclip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature card risclip", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run")
    parser.add_argument("--figures", type=Path, required=True, help="the JSON file that measure wrote")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where weights and card go (the package's own folder)"
    )
    arguments = parser.parse_args(argv)
    folder = arguments.folder or WEIGHTS / "risclip"
    print(ship(arguments.run, json.loads(arguments.figures.read_text()), folder))
