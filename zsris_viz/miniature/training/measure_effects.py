"""Measurement of the effects that the papers report, with the built-in models on held-out scenes.

Every row has a 95 % interval from a bootstrap over scenes; a difference between two methods is paired, so that what the
scenes have in common cancels out.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from zsris_viz.errors import InvalidInputError
from zsris_viz.io.json_files import write_json
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.effects import Effect, difference_effect, metric_effect, ratio_interval

if TYPE_CHECKING:
    from zsris_viz.models.layered import LayeredModel

ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
ALPHA = 0.5
#: Number of training scenes on which the layer and the sign of a map are chosen.
CHOOSE_ON = 60
MEGABYTE = 1_000_000


def measure_choices(clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure choices among ground-truth masks: Cropping, the global feature, their mixture, and the score map."""
    from zsris_viz.evaluation import evaluate
    from zsris_viz.methods import Cropping, GlobalLocal, ScoreMap

    mixtures = {f"alpha {alpha}": GlobalLocal(alpha=alpha) for alpha in ALPHAS}
    methods = {"crop": Cropping(), "global": GlobalLocal(visual="global", textual="global"), "map": ScoreMap()}
    found = evaluate(
        "scenes", {**methods, **mixtures}, split=split, clip=clip, limit=scenes, parts="gold", progress=False
    )
    of = dict(iter(found.rows.groupby("method")))
    mixed = f"alpha {ALPHA}"
    crop_nouns = of["crop"][of["crop"].kind == "noun"]
    effects = [metric_effect(of[mixed], "Global-Local, all types", "accuracy", split, scenes, 75)]
    effects += [
        metric_effect(rows, f"Global-Local, {kind}", "accuracy", split, scenes)
        for kind, rows in of[mixed].groupby("kind")
    ]
    effects += [
        difference_effect(found, mixed, "crop", "Global-Local over crop", "accuracy", scenes),
        difference_effect(found, mixed, "global", "Global-Local over global alone", "accuracy", scenes),
        metric_effect(crop_nouns, "crop, nouns", "accuracy", split, scenes, 88),
        metric_effect(of["global"], "global alone, all types", "accuracy", split, scenes, 64),
        metric_effect(of["map"], "score map, all types", "accuracy", split, scenes, 66),
    ]
    accuracy = {alpha: metric_effect(of[f"alpha {alpha}"], "", "accuracy", split, scenes).value for alpha in ALPHAS}
    best = max(accuracy, key=lambda alpha: accuracy[alpha])
    ends = max(("crop", "global"), key=lambda name: metric_effect(of[name], "", "accuracy", split, scenes).value)
    effects.append(
        difference_effect(found, f"alpha {best}", ends, f"best mixture, alpha {best}, over {ends}", "accuracy", scenes)
    )
    return effects


def layer_areas(clip: LayeredModel, split: str, scenes: int) -> dict[tuple[int, bool], np.ndarray]:
    """Return the area under the curve of the patch-text map of every layer, summed over the expressions of a scene.

    Args:
        clip: LayeredModel with a vision transformer.
        split: str, of `scenes`.
        scenes: int, number of scenes.

    Returns:
        (layer, whether the patches are negated) -> (scenes, 2) float64, sums and numbers of expressions.
    """
    from zsris_viz.datasets import load_dataset
    from zsris_viz.methods import SceneFeatures
    from zsris_viz.probes.localising import area_under_curve

    data = load_dataset("scenes", split, limit=scenes)
    kinds = [(layer, negate) for layer in range(1, clip.num_layers + 1) for negate in (False, True)]
    sums = {kind: np.zeros((len(data), 2)) for kind in kinds}
    for index in range(len(data)):
        sample = data[index]
        assert sample.instances is not None  # scenes have them
        scene = SceneFeatures(sample.image, sample.instances, clip)
        pairs = list(sample.pairs())
        masks = torch.stack([torch.as_tensor(reference.mask) for reference, _ in pairs]).float()
        truth = F.adaptive_avg_pool2d(masks[:, None], clip.grid).flatten(1)
        texts = F.normalize(scene.text_features([expression.text for _, expression in pairs]), dim=-1)
        for layer, negate in kinds:
            patches = F.normalize(clip.project(scene.trace().patches(layer), negate=negate)[0], dim=-1)
            areas = area_under_curve((texts @ patches.T).cpu()[None], truth)[0]
            areas = areas[~areas.isnan()]
            sums[layer, negate][index] = float(areas.sum()), len(areas)
    return sums


def measure_maps(clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure the best patch-text map of a middle layer, chosen on training scenes, against that of the last layer."""
    chosen_on = layer_areas(clip, "train", CHOOSE_ON)
    middle = [kind for kind in chosen_on if kind[0] < clip.num_layers]
    best, last = (
        max(kinds, key=lambda kind: chosen_on[kind][:, 0].sum() / chosen_on[kind][:, 1].sum())
        for kinds in (middle, [kind for kind in chosen_on if kind[0] == clip.num_layers])
    )
    found = layer_areas(clip, split, scenes)
    names = [f"layer {layer}{', negated' if negate else ''}" for layer, negate in (best, last)]
    effects = []
    for name, kind, least in zip(names, (best, last), (0.7, None), strict=True):
        value, low, high = ratio_interval(found[kind][:, 0], found[kind][:, 1])
        effects.append(Effect(f"map of {name}", split, value, low, high, scenes, "AUC", least))
    # Both maps have the same expressions, so the difference of the ratios is the ratio of the difference.
    value, low, high = ratio_interval(found[best][:, 0] - found[last][:, 0], found[best][:, 1], 100)
    return [*effects, Effect(f"map of {names[0]} over {names[1]}", split, value, low, high, scenes, "points", 0.0)]


def measure_copatch(clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure CoPatch against Global-Local on ground-truth masks."""
    from zsris_viz.evaluation import evaluate

    found = evaluate("scenes", ["copatch", "global-local"], split=split, clip=clip, limit=scenes, progress=False)
    return [difference_effect(found, "copatch", "global-local", "CoPatch over Global-Local", "miou", scenes)]


def measure_tas(clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure TAS, Global-Local and Cropping on the masks of the built-in SAM."""
    from zsris_viz.evaluation import evaluate

    found = evaluate(
        "scenes", ["tas", "global-local", "cropping"], split=split, clip=clip, limit=scenes, proposals="sam",
        progress=False,
    )  # fmt: skip
    pairs = [("tas", "global-local", "TAS over Global-Local"), ("global-local", "cropping", "Global-Local over crop")]
    effects = [
        difference_effect(found, a, b, f"{name}, side named, SAM", "miou", scenes, kind="position")
        for a, b, name in pairs
    ]
    return [*effects, difference_effect(found, "tas", "global-local", f"{pairs[0][2]}, all types, SAM", "miou", scenes)]


def measure_captions(_clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure the nouns of the captions of whole scenes."""
    from zsris_viz.captioning import load_captioner
    from zsris_viz.miniature.training.measure_git import nouns_of
    from zsris_viz.miniature.world.dataset import Scenes

    captioner, data = load_captioner("miniature", cache=False), Scenes(split, limit=scenes)
    counts = []
    for index in range(len(data)):
        named = set(nouns_of(captioner.caption_images(data[index].image)[0]))
        present = {item.noun for item in data.layout(index).objects}
        counts.append((len(named & present), len(named), len(present)))
    right, named_count, present_count = zip(*counts, strict=True)
    effects = []
    for name, total, least in (("precision", named_count, 80.0), ("recall", present_count, 70.0)):
        value, low, high = ratio_interval(right, total, 100)
        effects.append(
            Effect(f"captions of whole scenes, {name} of nouns", split, value, low, high, scenes, "%", least)
        )
    return effects


def measure_risclip(clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure RISCLIP, whose shipped weights fit the shipped CLIP alone."""
    from zsris_viz.evaluation import evaluate

    found = evaluate("scenes", "risclip", split=split, clip=clip, proposals="none", limit=scenes, progress=False)
    return [metric_effect(found.rows, "RISCLIP, mIoU", "miou", split, scenes, 66)]


def measure_sam(_clip: LayeredModel, split: str, scenes: int) -> list[Effect]:
    """Measure the proposals of the built-in SAM."""
    from zsris_viz.miniature.training.measure_sam import measure

    row = measure(scenes=scenes, splits=(split,))[split]
    return [Effect("SAM, mean best IoU", split, row["mean_best_iou"], row["low"], row["high"], scenes, "IoU", 0.83)]


def measure_pairs(clip: LayeredModel, _split: str, scenes: int) -> list[Effect]:
    """Measure minimal pairs: a true caption against the same made wrong in one thing, on four pictures a scene."""
    from zsris_viz.miniature.training.measure_clip import pair_choices

    kinds, right = pair_choices(clip, 4 * scenes)
    effects = []
    for kind, least in (("size", 85.0), ("position", None), ("relation", None)):
        chosen = right[kinds == kind].astype(float)
        value, low, high = ratio_interval(chosen, np.ones_like(chosen), 100)
        effects.append(Effect(f"minimal pairs, {kind}", "", value, low, high, len(chosen), "%", least))
    return effects


def measure_size(_clip: LayeredModel, _split: str, _scenes: int) -> list[Effect]:
    """Measure the size of all shipped weights together."""
    size = sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) / MEGABYTE
    return [Effect("all weights together", "", size, None, None, 0, "MB", most=40)]


#: Group of rows -> function, number of scenes by default, and number for a quick look.
GROUPS: dict[str, tuple[Callable[[LayeredModel, str, int], list[Effect]], int, int]] = {
    "choices": (measure_choices, 500, 25),
    "maps": (measure_maps, 500, 25),
    "copatch": (measure_copatch, 500, 25),
    "tas": (measure_tas, 150, 0),
    "captions": (measure_captions, 100, 10),
    "risclip": (measure_risclip, 500, 25),
    "sam": (measure_sam, 125, 5),
    "pairs": (measure_pairs, 500, 60),
    "size": (measure_size, 0, 1),
}


def measure(
    groups: Sequence[str] = tuple(GROUPS),
    *,
    splits: Sequence[str] = ("val", "test"),
    scenes: int | None = None,
    quick: bool = False,
    weights: str = "miniature",
    report: Callable[[Effect], None] | None = None,
) -> list[Effect]:
    """Measure groups of rows.

    Args:
        groups: names in `GROUPS`.
        splits: splits of `scenes`; minimal pairs and the size have none and are measured once.
        scenes: int or None, number of scenes of each split; None takes each group's own.
        quick: bool, whether the groups' small numbers are taken; groups that have none are left out.
        weights: str, the built-in CLIP or a folder of other weights for it.
        report: called with every row as soon as it is measured; None for nothing.

    Returns:
        The rows.
    """
    from zsris_viz.models import load_clip
    from zsris_viz.models.layered import LayeredModel

    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise InvalidInputError(f"unknown rows: {', '.join(unknown)}. Known are {', '.join(GROUPS)}.")
    clip = load_clip(weights)
    if not isinstance(clip, LayeredModel):
        raise InvalidInputError(f"{weights} gives no access to its layers, which the rows need; give a CLIP.")
    effects: list[Effect] = []
    for name in groups:
        function, usual, few = GROUPS[name]
        count = scenes or (few if quick else usual)
        if quick and not few:
            continue
        for split in splits if name not in ("pairs", "size") else splits[:1]:
            options = "" if weights == "miniature" else f" --weights {weights}"
            command = f"python -m zsris_viz.miniature measure effects --rows {name} --splits {split} --scenes {count}"
            for effect in function(clip, split, count):
                effects.append(dataclasses.replace(effect, command=command + options))
                if report is not None:
                    report(effects[-1])
    return effects


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature measure effects`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature measure effects", description=__doc__)
    parser.add_argument("--rows", nargs="+", default=list(GROUPS), choices=list(GROUPS), help="groups of rows")
    parser.add_argument("--splits", nargs="+", default=["val", "test"])
    parser.add_argument("--scenes", type=int, default=None, help="scenes of each split (each group's own number)")
    parser.add_argument("--quick", action="store_true", help="few scenes, and no rows that take minutes")
    parser.add_argument("--weights", default="miniature", help="a folder of CLIP weights; default: the shipped ones")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the rows")
    arguments = parser.parse_args(argv)

    def report(effect: Effect) -> None:
        print(f"{effect.text()}\n    {effect.command}", flush=True)

    effects = measure(
        arguments.rows,
        splits=arguments.splits,
        scenes=arguments.scenes,
        quick=arguments.quick,
        weights=arguments.weights,
        report=report,
    )
    if arguments.output:
        write_json(arguments.output, [dataclasses.asdict(effect) for effect in effects])
