"""Spatial sensitivity by layer: how much a feature moves when the content of an image moves."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts, ImageView, ProbeInputs, as_view

PROBE = "spatial sensitivity"
READOUTS = ("CLS", "mean patch", "patch by patch")
SAME = 1e-6  # smaller values of 1 - cos are rounding errors: at layer 0, CLS does not depend on the image


class SpatialSensitivity(Probe):
    """Probe of the cosine between the features of an image and of its changed copy in the joint space, by layer.

    Variants: "CLS", the pooled feature; "mean patch", the mean of the projected patch tokens; "patch by patch", the
    mean cosine between tokens at the same place; "equivariance", the mean cosine between a token and the token at the
    place to which its content moved; "same place", the same for the token at the old place, for the tokens that moved;
    "content minus place", the difference of the two, paired by image, with the p-value of a sign-flip test: above 0
    where a token follows its content rather than its place; "content minus random place", the same difference from
    the shuffled control, which shows how well a token can be distinguished from others of the image. Kinds: the four
    changes of place, and each with ", content" (the same pixels with the content of another image) and ", recoloured"
    (the same pixels with exchanged colour channels, which keeps the layout). Variants with ", relative" and ", relative
    to recolouring": (1 - cos of the change of place) over (1 - cos of the change of content), or of colours: 1 if
    moving the content changes the feature as much as replacing or recolouring it, 0 if it does not change the feature.

    Shuffled control: the image against the changed copy of the previous image, as a measure of the similarity of any
    two images; for "equivariance", against tokens at random places of the same copy.
    """

    name = PROBE
    uses_changes = True

    def prepare(
        self, inputs: ProbeInputs, *, control: str = "model", controls: tuple[str, ...] = ("shuffled",)
    ) -> None:
        """Start a measurement."""
        super().prepare(inputs, control=control, controls=controls)
        self._before: dict[str, dict[str, Tensor]] = {}
        self._generator = torch.Generator().manual_seed(self.seed)

    def update(self, image: ImageTexts) -> None:
        """Add one image."""
        view = as_view(image)
        own = readouts(view, view.tokens)
        changed: dict[str, dict[str, Tensor]] = {}
        for change, copy in view.copies.items():
            changed[change] = readouts(view, copy)
            replaced = readouts(view, view.contents[change])
            recoloured = readouts(view, view.recoloured[change])
            for readout in READOUTS:
                moved = likeness(own[readout], changed[change][readout])
                content = likeness(own[readout], replaced[readout])
                self._add(view, change, readout, moved, self.control)
                self._add(view, f"{change}, content", readout, content, self.control)
                recolour = likeness(own[readout], recoloured[readout])
                self._add(view, f"{change}, recoloured", readout, recolour, self.control)
                self._add_ratio(view, change, f"{readout}, relative", 1 - moved, 1 - content)
                self._add_ratio(view, change, f"{readout}, relative to recolouring", 1 - moved, 1 - recolour)
                if self.has_control("shuffled") and change in self._before:
                    self._add(view, change, readout, likeness(own[readout], self._before[change][readout]), "shuffled")
            self._equivariance(view, change, own["patch by patch"], changed[change]["patch by patch"])
        self._before = changed

    def _add(
        self, view: ImageView, kind: str, variant: str, values: Tensor, control: str, *, paired: bool = False
    ) -> None:
        key = {"probe": PROBE, "kind": kind, "variant": variant, "control": control, "paired": paired}
        self.tally.add_layers(view.number, values.tolist(), view.layers, **key)

    def _add_ratio(self, view: ImageView, kind: str, variant: str, tops: Tensor, bottoms: Tensor) -> None:
        key: dict[str, Any] = {"probe": PROBE, "kind": kind, "variant": variant, "control": self.control}
        for layer, top, bottom in zip(view.layers, tops.tolist(), bottoms.tolist(), strict=True):
            self.tally.add(view.number, top, bottom, layer=layer, **key)

    def _equivariance(self, view: ImageView, change: str, own: Tensor, moved: Tensor) -> None:
        """Compare tokens (layers, P, D) with those at the places to which their content moved."""
        if change not in view.places:
            return
        old, new = (places.to(own.device) for places in view.places[change])
        at_content, at_place = likeness(own[:, old], moved[:, new]), likeness(own[:, old], moved[:, old])
        self._add(view, change, "equivariance", at_content, self.control)
        self._add(view, change, "same place", at_place, self.control)
        self._add(view, change, "content minus place", at_content - at_place, self.control, paired=True)
        if self.has_control("shuffled"):
            drawn = torch.randperm(own.shape[1], generator=self._generator)[: len(old)].to(own.device)
            elsewhere = likeness(own[:, old], moved[:, drawn])
            self._add(view, change, "equivariance", elsewhere, "shuffled")
            self._add(view, change, "content minus random place", at_content - elsewhere, self.control, paired=True)


def readouts(view: ImageView, tokens: Tensor) -> dict[str, Tensor]:
    """Return the normalised features to compare by name, (layers, D) or (layers, P, D).

    Args:
        view: The image.
        tokens: (layers, 1 + P, C), the hidden states.
    """
    projected = view.clip.project(tokens)
    return {
        "CLS": F.normalize(projected[:, 0], dim=-1),
        "mean patch": F.normalize(projected[:, 1:].mean(dim=1), dim=-1),
        "patch by patch": F.normalize(projected[:, 1:], dim=-1),
    }


def likeness(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine by layer of normalised features, (layers,) float32; the mean over patches if there are any."""
    cosines = (first * second).sum(dim=-1)
    cosines = (cosines if cosines.ndim == 1 else cosines.mean(dim=1)).cpu()
    return torch.where(cosines > 1 - SAME, torch.ones_like(cosines), cosines)
