"""Settings of CoPatch: everything that its steps take, and the two presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.methods.crops import CropVariant

TEXTS = ("ensemble", "context", "fusion")
AVERAGE = "avg"
ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "text": TEXTS,
    "mixing": ("unit", "raw"),
    "normalise": ("features", "patches"),
    "edge": ("half", "any"),
    "geometry": ("masks", "official"),
    "sharing": ("softmax", "share"),
}


@dataclass(frozen=True)
class CoPatchConfig:
    """Settings of :class:`~zsris_viz.methods.copatch.CoPatch`, in the order of its steps.

    Attributes:
        text: the hybrid text: "ensemble" (sentence and noun phrase), "context" (sentence, and noun phrase with its
            context tokens) or "fusion" (sentence and noun phrase mixed inside the text tower).
        beta: weight of the sentence in it, 0-1.
        fusion_block: the text block, counted from 0, in which "fusion" mixes; None is three quarters of the way (9 of
            12, 3 of 4).
        causal: keep the causal mask in that block (the authors' code drops it there).
        alpha, masked_blocks, mixing, keep_one, fill, square, box, pipeline, spaced, preprocess: of the Global-Local
            scores, as in :class:`~zsris_viz.methods.global_local.GlobalLocalConfig`.
        antialias: resize masks to the token grid with antialiasing (the authors' code).
        layer: where the patch path leaves the image tower: a layer (8 blocks counted from 0 are layer 9), "avg" for
            the mean of the upper half (7 to 12 of 12), None for three quarters of the way: layer 9 of 12, 18 of 24, 4
            of 6.
        negate: flip the sign of the patch tokens before the final LayerNorm.
        normalise: "features" makes similarities cosines; "patches" divides each channel by its norm over the patches
            (the authors' code).
        delta: similarity above which patches join clusters; it falls by `step` until one does. falls_first: it falls
            before the first try too (the authors' code). lowest: where it stops falling; below it there is no cluster
            and the Global-Local choice stands alone. None for no end.
        skip_last: leave the least similar patch out (the authors' code, which reads patches in pairs).
        edge: where a cluster ends on the image: "half" (bilinear, above 0.5) or "any" (the authors' code: corners
            aligned, any positive value; and a cluster that no proposal overlaps stands for the first proposal).
        top_k: how many clusters propose a candidate.
        max_candidates: how many candidates are kept, the Global-Local choice first; None for all. The authors' code
            keeps `top_k` in all, so that the last cluster is never looked at.
        unique: list each proposal once (the authors' code repeats it).
        use_base, use_relation, use_coherence: the three terms of the selection.
        temperature: of the softmax over Global-Local scores; None for the model's logit scale.
        others: how many of the proposals that fit the other noun phrases best the relation is checked against.
        geometry: "masks" compares centres and areas of masks, "official" what the authors' code computes from corners
            read as if they were width and height.
        sharing: how the guided scores of the candidates become shares of 1: "share" divides by their sum, "softmax"
            takes the softmax of what is a probability already (the authors' code): it makes all nearly equal.
        weight: of the spatial coherence, 0-1.
        vertical_ramp: "top" and "bottom" shade the heat map too (the authors' code knows left, right and middle).
        relation_ramp: left and right of *another thing* shade it too (the authors' code looks at the word alone).
        gem_size: side of GEM's input in pixels; None for twice the model's. gem_depth: see `gem_features`.
    """

    text: str = "fusion"
    beta: float = 0.5
    fusion_block: int | None = None
    causal: bool = True
    alpha: float = 0.95
    masked_blocks: int | None = None
    mixing: str = "unit"
    keep_one: bool = True
    antialias: bool = False
    fill: str = "black"
    square: str = "squash"
    box: str = "tight"
    pipeline: str = "pixels"
    spaced: bool = False
    preprocess: str | None = None
    layer: int | str | None = None
    negate: bool = True
    normalise: str = "features"
    delta: float = 0.3
    step: float = 0.05
    falls_first: bool = False
    lowest: float | None = None
    skip_last: bool = False
    edge: str = "half"
    top_k: int = 3
    max_candidates: int | None = None
    unique: bool = True
    use_base: bool = True
    use_relation: bool = True
    use_coherence: bool = True
    temperature: float | None = None
    others: int = 6
    geometry: str = "masks"
    sharing: str = "share"
    weight: float = 0.7
    vertical_ramp: bool = True
    relation_ramp: bool = False
    gem_size: int | None = None
    gem_depth: int | None = None

    def __post_init__(self) -> None:
        for name, accepted in ACCEPTED.items():
            if getattr(self, name) not in accepted:
                raise InvalidInputError(f"{name}={getattr(self, name)!r} is unknown; use one of {', '.join(accepted)}.")
        for name in ("alpha", "beta", "weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"{name}={getattr(self, name)!r} was given; it is a weight from 0 to 1.")
        if not math.isfinite(self.delta):
            raise InvalidInputError(f"delta={self.delta!r} was given; it is a similarity, e.g. delta=0.3.")
        if not (math.isfinite(self.step) and self.step > 0):
            raise InvalidInputError(f"step={self.step!r} was given; delta has to fall, e.g. step=0.05.")
        for name in ("top_k", "others", "max_candidates"):
            value = getattr(self, name)
            least = 0 if name == "top_k" else 1
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise InvalidInputError(f"{name}={value!r} was given; it is a whole number from {least} up.")
        layer = self.layer
        if layer is not None and layer != AVERAGE and (isinstance(layer, (bool, str)) or not isinstance(layer, int)):
            raise InvalidTypeError(
                f'layer={layer!r} was given; it is a layer\'s number, "{AVERAGE}", or None for three quarters of the '
                "way."
            )
        self.crop  # noqa: B018 - a wrong crop setting is an error here, not at the first image

    @property
    def crop(self) -> CropVariant:
        """The crop's own settings."""
        return CropVariant(fill=self.fill, square=self.square, box=self.box, pipeline=self.pipeline)


#: What the authors' public code (its version of 2026, ViT-B/16) does where the default differs.
OFFICIAL: Mapping[str, Any] = {
    "text": "ensemble",
    "causal": False,
    "mixing": "raw",
    "keep_one": False,
    "antialias": True,
    "fill": "imagenet-mean",
    "box": "sam",
    "pipeline": "normalised",
    "spaced": True,
    "preprocess": "copatch",
    "normalise": "patches",
    "falls_first": True,
    "skip_last": True,
    "edge": "any",
    "max_candidates": 3,
    "unique": False,
    "geometry": "official",
    "sharing": "softmax",
    "vertical_ramp": False,
    "relation_ramp": True,
}
