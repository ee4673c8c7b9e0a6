"""Measurement of a miniature captioner on held-out scenes with ground-truth masks: the figures of its model card."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from zsris_viz.miniature.world.words import COLOURS, NOUNS, names_of, plural

if TYPE_CHECKING:
    from zsris_viz.captioning.base import Captioner

#: Every name of a noun, singular and plural -> the noun.
_NAMES = {form: noun for noun in NOUNS for name in names_of(noun) for form in (name, plural(name))}
SPLITS = ("val", "test")
STYLES = ("blur", "black")


def nouns_of(caption: str) -> list[str]:
    """Return the nouns of the world in a caption, in order, in the singular and by their plain name.

    >>> nouns_of("a red kitten and two men in blue shirts")
    ['cat', 'man']
    """
    return [_NAMES[word] for word in _words(caption) if word in _NAMES]


def colours_of(caption: str) -> list[str]:
    """Return the colours in a caption, in order."""
    return [word for word in _words(caption) if word in COLOURS]


def _words(caption: str) -> list[str]:
    return caption.lower().replace(",", " ").replace(".", " ").split()


def precision_recall(nouns: Iterable[tuple[set[str], set[str]]]) -> dict[str, float]:
    """Return precision and recall of the nouns of captions in per cent, over all pictures together.

    Args:
        nouns: for each picture the set of nouns in its caption and the set of nouns that are in the picture.
    """
    pairs = list(nouns)
    right = sum(len(named & present) for named, present in pairs)
    return {
        "precision": round(100 * right / max(1, sum(len(named) for named, _ in pairs)), 1),
        "recall": round(100 * right / max(1, sum(len(present) for _, present in pairs)), 1),
    }


def measure(captioner: Captioner, *, count: int = 100, splits: tuple[str, ...] = SPLITS) -> dict[str, Any]:
    """Return all figures of the card.

    Args:
        captioner: the model.
        count: scenes of each split.

    Returns:
        for each split: for each style of region the per cent of objects whose noun, and whose colour, is the only one
        that the caption names; "whole": precision and recall of the nouns of the whole picture's caption; "objects".
    """
    from zsris_viz.miniature.world.dataset import Scenes

    figures: dict[str, Any] = {"scenes": count, "splits": {}}
    for split in splits:
        data = Scenes(split, limit=count)
        hits: dict[str, list[bool]] = {f"{style} {what}": [] for style in STYLES for what in ("noun", "colour")}
        whole: list[tuple[set[str], set[str]]] = []
        for index in tqdm(range(len(data)), desc=f"scenes {split}", leave=False):
            sample, layout = data[index], data.layout(index)
            masks = sample.instances
            assert masks is not None
            for style in STYLES:
                for caption, item in zip(
                    captioner.caption_regions(sample.image, masks, style), layout.objects, strict=True
                ):
                    hits[f"{style} noun"].append(set(nouns_of(caption)) == {item.noun})
                    hits[f"{style} colour"].append(set(colours_of(caption)) == {item.colour})
            caption = captioner.caption_images(sample.image)[0]
            whole.append((set(nouns_of(caption)), {item.noun for item in layout.objects}))
        figures["splits"][split] = {
            **{name: round(100 * sum(values) / len(values), 1) for name, values in hits.items()},
            "whole": precision_recall(whole),
            "objects": len(hits["blur noun"]),
        }
    return figures


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature measure git`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature measure git", description=__doc__)
    parser.add_argument("--weights", default="miniature", help="a folder of weights; default: the shipped ones")
    parser.add_argument("--scenes", type=int, default=100, help="of each split")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the figures")
    arguments = parser.parse_args(argv)
    from zsris_viz.captioning import load_captioner

    figures = measure(load_captioner(arguments.weights, cache=False), count=arguments.scenes)
    text = json.dumps(figures, indent=2)
    if arguments.output:
        arguments.output.write_text(text)
    print(text)
