"""Measurement of the miniature RISCLIP on held-out scenes, and of zero-shot methods that choose among SAM's masks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from zsris_viz.methods.risclip.model import RisClipModel
    from zsris_viz.models.base import ImageTextModel

#: mIoU over all expressions of `scenes` val, and points above the best zero-shot method, that are required.
LEAST, ABOVE = 75.0, 10.0
ZERO_SHOT = ("score-map", "clip-surgery", "region-token", "cropping", "global-local")


def by_kind(rows: Any) -> dict[str, float]:
    """Return the mIoU in per cent over all rows, and for each kind of expression."""
    found = {"all": rows.iou.mean(), **rows.groupby("kind").iou.mean().to_dict()}
    return {kind: round(100 * float(value), 1) for kind, value in found.items()}


def measure_masks(clip: ImageTextModel, checkpoint: str | None, split: str, limit: int) -> dict[str, Any]:
    """Measure RISCLIP on held-out scenes: mIoU by kind, oIoU, and the share of masks with IoU above 0.5."""
    from zsris_viz.evaluation import evaluate
    from zsris_viz.methods import get_method

    method = get_method("risclip", checkpoint=checkpoint)
    found = evaluate("scenes", {"risclip": method}, split=split, clip=clip, proposals="none", limit=limit)
    row = found.table(metrics=("miou", "oiou", "accuracy_50"), chance=False).iloc[0]
    kept = {name: round(float(row[name]), 1) for name in ("miou", "miou_low", "miou_high", "oiou", "accuracy_50")}
    return {**kept, "expressions": int(row.n), "by_kind": by_kind(found.rows), "seconds": round(float(row.seconds), 4)}


def measure_zero_shot(
    clip: ImageTextModel, proposals: str, limit: int, methods: Sequence[str] = ZERO_SHOT
) -> dict[str, Any]:
    """Zero-shot methods on the first images of `scenes` val with proposals from the picture: mIoU by kind."""
    from zsris_viz.evaluation import evaluate
    from zsris_viz.proposals import load_proposals

    found = evaluate("scenes", list(methods), clip=clip, proposals=load_proposals(proposals), limit=limit)
    rows = found.rows
    best = rows[rows.method == methods[0]].upper_bound_iou.mean()
    return {
        "proposals": proposals,
        "images": limit,
        "upper_bound": round(100 * float(best), 1),
        "methods": {name: by_kind(rows[rows.method == name]) for name in methods},
    }


def measure_maps(model: RisClipModel, limit: int, split: str = "val") -> dict[str, dict[str, float]]:
    """Measure how well each step of the model grounds expressions, over the first images of a split.

    Returns:
        "clip", "cfe", "ske" (maps) and "mask" -> pointing (per cent of expressions whose highest cell lies in the
        referent, by the centre of the cell) and ranked (mean over expressions of the chance that a patch of the
        referent scores higher than one outside, per cent; 50 is chance).
    """
    from zsris_viz.methods.risclip.batches import make_batch
    from zsris_viz.methods.risclip.config import Data
    from zsris_viz.methods.risclip.optim import shares_on_grid
    from zsris_viz.methods.risclip.train import pictures_of

    pictures = pictures_of(Data(split=split, limit=limit), model)
    hits: dict[str, list[float]] = {}
    ranks: dict[str, list[float]] = {}
    for index in range(len(pictures)):
        batch = make_batch([pictures[index]], pictures.preprocess, model.clip.tokenizer).to(model.clip.device)
        with torch.no_grad():
            encoded = model.encode_image(batch.pixels)
            found = model(encoded, batch.owner, batch.ids, batch.end)
            patches, words = model.extract(encoded.of(batch.owner), batch.ids, batch.end, adapters=False)
        rows = torch.arange(len(batch.end))
        plain = torch.einsum("epd,ed->ep", patches, words[rows, batch.end])
        shares = shares_on_grid(batch.masks, model.grid)
        mask = F.adaptive_avg_pool2d(found.logits[:, None], model.grid).flatten(1)
        for name, scores in (("clip", plain), ("cfe", found.cfe_map), ("ske", found.map), ("mask", mask)):
            for row in range(len(scores)):
                inside = shares[row] > 0.5
                if inside.any() and not inside.all():
                    hits.setdefault(name, []).append(float(inside[scores[row].argmax()]))
                    above = scores[row][inside][:, None] - scores[row][~inside][None]
                    ranks.setdefault(name, []).append(
                        float((above > 0).float().mean() + (above == 0).float().mean() / 2)
                    )
    return {
        name: {"pointing": round(100 * sum(hits[name]) / len(hits[name]), 1), "ranked": round(100 * sum(r) / len(r), 1)}
        for name, r in ranks.items()
    }


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature measure risclip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature measure risclip", description=__doc__)
    parser.add_argument("--checkpoint", default=None, help="model.safetensors of a run; default: the shipped one")
    parser.add_argument("--scenes", type=int, default=500, help="of each split")
    parser.add_argument("--splits", nargs="+", default=["val", "test"])
    parser.add_argument("--zero-shot-scenes", type=int, default=100, help="scenes for zero-shot methods; 0: none")
    parser.add_argument("--proposals", default="sam", help="masks that the zero-shot methods choose among")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the figures")
    arguments = parser.parse_args(argv)
    from zsris_viz.methods.risclip.checkpoint import load_model
    from zsris_viz.methods.risclip.method import SHIPPED
    from zsris_viz.miniature.training.patch_noun_probe import noun_readout
    from zsris_viz.models import load_clip

    clip = load_clip("miniature")
    figures: dict[str, Any] = {
        "scenes": arguments.scenes,
        "risclip": {
            split: measure_masks(clip, arguments.checkpoint, split, arguments.scenes) for split in arguments.splits
        },
    }
    print(json.dumps(figures, indent=2), flush=True)
    model = load_model(arguments.checkpoint or SHIPPED["miniature"], clip)
    figures["steps"] = measure_maps(model, min(arguments.scenes, 200))
    figures["readout"] = noun_readout(model)
    if arguments.zero_shot_scenes:
        figures["zero_shot"] = measure_zero_shot(clip, arguments.proposals, arguments.zero_shot_scenes)
        figures["risclip_same_scenes"] = measure_masks(clip, arguments.checkpoint, "val", arguments.zero_shot_scenes)
    text = json.dumps(figures, indent=2)
    if arguments.output:
        arguments.output.write_text(text)
    print(text)
