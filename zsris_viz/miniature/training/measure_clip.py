"""Measurement of a miniature CLIP on held-out scenes with ground-truth masks: the figures of its model card."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

from zsris_viz.miniature.training.caption_truth import facts_of
from zsris_viz.miniature.training.captions import caption, corrupted

if TYPE_CHECKING:
    from zsris_viz.methods.base import SceneFeatures
    from zsris_viz.models.base import ImageTextModel

#: The three draws of held-out scenes; none is ever trained on.
DRAWS = ("val", "test", "testA+testB")
PAIR_SEED = 1 << 60
#: Expressions of at most so many words are short.
SHORT = 4


def _scenes(draw: str, count: int) -> Iterator:
    from zsris_viz.datasets import load_dataset

    names = draw.split("+")
    for name in names:
        dataset = load_dataset("scenes", name)
        for index in range(count // len(names)):
            yield dataset[index]


def patch_scores(scene: SceneFeatures, sentence: torch.Tensor, layer: int, *, negate: bool) -> torch.Tensor:
    """Return the mean of the patch-text map of a layer inside each mask, (N,).

    The map is resized bilinearly to the size of the image.
    """
    from zsris_viz.methods.copatch.patches import projected_patches

    patches = projected_patches(scene, negate=negate)[layer]
    patches = F.normalize(patches, dim=-1)
    grid = scene.layered.grid
    heat = (patches @ F.normalize(sentence, dim=-1)).view(1, 1, *grid).cpu()
    return scene.masks.mean_of(F.interpolate(heat, scene.size, mode="bilinear", align_corners=False)[0, 0])


def choose_among_masks(clip: ImageTextModel, draw: str, count: int, *, alpha: float) -> dict[str, dict[str, float]]:
    """Return the share of expressions, in per cent, for which the right mask is chosen, by method and kind.

    Args:
        clip: the model.
        draw: "val", "test" or "testA+testB".
        count: scenes.
        alpha: weight of the global feature in Global-Local.
    """
    from zsris_viz.methods import Cropping, GlobalLocal, RankingMethod, SceneFeatures, ScoreMap

    methods: dict[str, RankingMethod] = {
        "crop": Cropping(),
        "global": GlobalLocal(visual="global", textual="global"),
        "global-local": GlobalLocal(alpha=alpha),
        "score map": ScoreMap(),
    }
    right: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rng = np.random.default_rng(0)
    samples = list(_scenes(draw, count))
    texts = [expression.text for sample in samples for _, expression in sample.pairs()]
    for sample in tqdm(samples, desc=f"scenes {draw}", leave=False):
        scene = SceneFeatures(sample.image, sample.instances, clip)
        for reference, expression in sample.pairs():
            target = int(scene.masks.iou(reference.mask).flatten().argmax())
            kind = expression.kind or "noun"

            def note(label: str, correct: float, kind: str = kind) -> None:
                right[label][kind].append(correct)
                right[label]["all"].append(correct)

            note("chance", 1 / len(scene))
            for name, method in methods.items():
                correct = float(method.predict(scene, expression, parts="gold").chosen == target)
                note(name, correct)
                # A crop cannot know the other objects that long expressions name; short ones name the referent alone.
                if name == "crop" and len(expression.text.split()) <= SHORT:
                    note("crop, short", correct)
            if clip.kind == "vit":
                shuffled = scene.text(texts[int(rng.integers(len(texts)))])
                sentence = scene.text(expression.text)
                for layer in range(1, scene.layered.num_layers + 1):
                    for negate in (False, True):
                        name = f"patch map {'negated ' if negate else ''}layer {layer}"
                        note(name, float(patch_scores(scene, sentence, layer, negate=negate).argmax() == target))
                        note(
                            f"{name} shuffled",
                            float(patch_scores(scene, shuffled, layer, negate=negate).argmax() == target),
                        )
    return {
        label: {kind: round(100 * float(np.mean(correct)), 1) for kind, correct in kinds.items()}
        for label, kinds in right.items()
    }


def pair_choices(clip: ImageTextModel, count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Choose for every picture between a true caption and the same caption made wrong in one thing.

    Args:
        clip: ImageTextModel.
        count: int, number of pictures; each gives one pair of captions. Chance is 50 %.
        seed: int, of the pictures and captions.

    Returns:
        In what each wrong caption is wrong, (count,) str, and whether the true one was chosen, (count,) bool.
    """
    from PIL import Image

    from zsris_viz.miniature.world.layout import sample_layout
    from zsris_viz.miniature.world.render import render_arrays

    rng = np.random.default_rng(PAIR_SEED + seed)
    pictures, true, wrong, kinds = [], [], [], []
    for index in range(count):
        layout = sample_layout(PAIR_SEED + seed * count + index, least=2, most=4)
        facts = facts_of(layout)
        text, claim = caption(rng, facts)
        corruption, _, kind = corrupted(rng, claim, facts)
        pictures.append(Image.fromarray(render_arrays(layout, 224)[0]))
        true.append(text)
        wrong.append(corruption)
        kinds.append(kind)
    images = F.normalize(clip.embed_images(pictures), dim=-1)
    margin = (
        ((F.normalize(clip.embed_texts(true), dim=-1) - F.normalize(clip.embed_texts(wrong), dim=-1)) * images)
        .sum(-1)
        .cpu()
        .numpy()
    )
    return np.array(kinds), margin > 0


def minimal_pairs(clip: ImageTextModel, count: int, *, seed: int = 0) -> dict[str, float]:
    """Return the share of right choices of `pair_choices`, in per cent, for every kind of wrong caption."""
    kinds, right = pair_choices(clip, count, seed=seed)
    return {
        kind: round(100 * float(right[kinds == kind].mean()), 1)
        for kind in ("noun", "colour", "size", "position", "relation")
    }


def measure(clip: ImageTextModel, *, count: int = 500, draws: tuple[str, ...] = DRAWS, alpha: float = 0.5) -> dict:
    """Return all figures of the card: choices by draw, and minimal pairs."""
    result: dict = {
        "alpha": alpha,
        "scenes": count,
        "choices": {draw: choose_among_masks(clip, draw, count, alpha=alpha) for draw in draws},
    }
    result["minimal_pairs"] = minimal_pairs(clip, 4 * count)
    return result


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature measure clip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature measure clip", description=__doc__)
    parser.add_argument("--model", choices=("clip", "clip-rn"), default="clip")
    parser.add_argument("--weights", default=None, help="a folder of weights; default: the shipped ones")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--draws", nargs="+", default=list(DRAWS), choices=DRAWS)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the figures")
    arguments = parser.parse_args(argv)
    from zsris_viz.models import load_clip

    clip = load_clip(arguments.weights or {"clip": "miniature", "clip-rn": "miniature-rn"}[arguments.model])
    figures = measure(clip, count=arguments.scenes, draws=tuple(arguments.draws), alpha=arguments.alpha)
    text = json.dumps(figures, indent=2)
    if arguments.output:
        arguments.output.write_text(text)
    print(text)
