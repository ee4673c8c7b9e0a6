"""Minimal pairs by layer: whether "the left cat" is more similar than "the right cat" to the left cat in an image."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.copatch.text_spans import find_words
from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts, ImageView, ProbeInputs, as_view

PROBE = "minimal pairs"
SWAPS = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}


class MinimalPairs(Probe):
    """Probe of how often an expression is more similar to its object than a copy with one word exchanged (chance 0.5).

    Kinds: "left/right", the first such word exchanged; "noun", the head noun exchanged for one of an earlier image,
    for comparison with a difference that CLIP distinguishes well. Variants: "image layer, object" and "image layer,
    object, negated", the mean of the object's projected patches at each image layer against the texts; "image layer,
    CLS", the whole image; "text layer, object" (the last image layer's patches) and "text layer, CLS", against the end
    token's state at each text layer. "text distance", 1 - cos between the two end tokens' states at each text layer,
    needs no image; its kind "noun over left/right" is the ratio of both sums over the expressions that have both pairs.

    Shuffled control: the object of the previous image.
    """

    name = PROBE

    def prepare(
        self, inputs: ProbeInputs, *, control: str = "model", controls: tuple[str, ...] = ("shuffled",)
    ) -> None:
        """Start a measurement."""
        super().prepare(inputs, control=control, controls=controls)
        self._random = random.Random(self.seed)
        self._nouns: list[set[str]] = []
        self._before: dict[str, Tensor] | None = None

    def update(self, image: ImageTexts) -> None:
        """Add one image."""
        view = as_view(image)
        nouns = set().union(*self._nouns[:-1])  # not of the previous image, which is the shuffled control
        self._nouns.append({part.head for part in view.parts if part.head})
        features = self._features(view)
        pairs = [
            (number, kind, parts.text, swapped)
            for number, parts in enumerate(view.parts)
            for kind, swapped in (
                ("left/right", swap_side(parts.text)),
                ("noun", self._swap_noun(parts.text, parts.head, nouns)),
            )
            if swapped
        ]
        if pairs:
            trace = view.clip.trace_texts([text for _, _, *both in pairs for text in both], attentions=False)
            assert trace.tokens is not None  # a trace of texts has tokens
            ends = torch.stack([layer[torch.arange(len(layer)), trace.tokens.end] for layer in trace.layers])
            texts = F.normalize(view.clip.project_text(ends), dim=-1).cpu().unflatten(1, (-1, 2))  # (L, pairs, 2, D)
            first, second = ends.float().cpu().unflatten(1, (-1, 2)).unbind(dim=2)
            distances = 1 - F.cosine_similarity(first, second, dim=-1)
            by_kind = {(number, kind): distances[:, place] for place, (number, kind, *_) in enumerate(pairs)}
            self._add_ratio(view, by_kind)
            for place, (number, kind, *_) in enumerate(pairs):
                self._add(view, kind, "text distance", distances[:, place], range(len(distances)), self.control)
                self._compare(view, kind, texts[:, place], {name: values[number] for name, values in features.items()})
                if self.has_control("shuffled") and self._before is not None:
                    before = {name: values[0] for name, values in self._before.items()}
                    self._compare(view, kind, texts[:, place], before, "shuffled")
        self._before = features

    def _features(self, view: ImageView) -> dict[str, Tensor]:
        """Return image features for each expression: name -> (E, layers, D), normalised."""
        weights = view.truth_on_grid()
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
        found = {"image layer, CLS": view.projected(view.tokens[:, 0]).cpu().expand(len(view.pairs), -1, -1)}
        for name, negate in (("image layer, object", False), ("image layer, object, negated", True)):
            patches = view.projected(view.tokens[:, 1:], negate=negate).cpu()
            found[name] = F.normalize(torch.einsum("ep,lpd->eld", weights, patches), dim=-1)
        return found

    def _compare(
        self, view: ImageView, kind: str, texts: Tensor, features: dict[str, Tensor], control: str | None = None
    ) -> None:
        """Compare one pair: texts (text layers, 2, D), the true one first; features name -> (layers, D)."""
        control = control or self.control
        for name, values in features.items():
            gap = values @ (texts[-1, 0] - texts[-1, 1])
            self._add(view, kind, name, _share(gap), view.layers, control)
        for name in ("CLS", "object"):
            gap = (texts[:, 0] - texts[:, 1]) @ features[f"image layer, {name}"][-1]
            self._add(view, kind, f"text layer, {name}", _share(gap), range(len(texts)), control)

    def _add(
        self, view: ImageView, kind: str, variant: str, values: Tensor, layers: range | list[int], control: str
    ) -> None:
        key = {"probe": PROBE, "kind": kind, "variant": variant, "control": control}
        self.tally.add_layers(view.number, values.tolist(), list(layers), **key)

    def _add_ratio(self, view: ImageView, distances: dict[tuple[int, str], Tensor]) -> None:
        """Add the distance of an exchanged noun over that of an exchanged side, for expressions that have both."""
        for (number, kind), side in distances.items():
            noun = distances.get((number, "noun"))
            if kind == "left/right" and noun is not None:
                key: dict[str, Any] = {"probe": PROBE, "kind": "noun over left/right", "variant": "text distance"}
                for layer in range(1, len(side)):  # the end token's embedding is the same in every text
                    top, bottom = float(noun[layer]), float(side[layer])
                    self.tally.add(view.number, top, bottom, layer=layer, control=self.control, **key)

    def _swap_noun(self, text: str, head: str | None, nouns: set[str]) -> str | None:
        others = sorted(noun for noun in nouns if head and noun.lower() != head.lower())
        return swap_word(text, head, self._random.choice(others)) if head and others else None


def swap_side(text: str) -> str | None:
    """Return the text with its first left or right exchanged, or None.

    >>> swap_side("the left cat"), swap_side("the cat")
    ('the right cat', None)
    """
    places = [(place, word) for word in SWAPS for place in find_words(text, [word]) if place]
    if not places:
        return None
    (start, end), word = min(places)
    return text[:start] + SWAPS[word] + text[end:]


def swap_word(text: str, word: str, other: str) -> str | None:
    """Return the text with the first `word` exchanged, or None if the text does not contain it."""
    (place,) = find_words(text, [word])
    return None if place is None else text[: place[0]] + other + text[place[1] :]


def _share(gap: Tensor) -> Tensor:
    """Return 1 if the true text is nearer, 0 if the false one is, and 0.5 for a tie."""
    return (gap > 0).float() + 0.5 * (gap == 0).float()
