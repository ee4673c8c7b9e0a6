"""Spatial sensitivity by layer: how much a feature moves when the content of an image moves."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts, ImageView, ProbeInputs, as_view

PROBE = "spatial sensitivity"
READOUTS = ("CLS", "mean patch", "patch by patch")
SAME = 1e-6  # below this, 1 - cos is rounding: CLS of layer 0 has seen no image


class SpatialSensitivity(Probe):
    """Measure the cosine between the features of an image and of its changed copy in the joint space, at every layer.

    Variants: "CLS", the pooled feature; "mean patch", the mean of the projected patch tokens; "patch by patch", the
    mean cosine between tokens at the same place; "equivariance", the mean cosine between a token and the token at the
    place to which its content moved. Kinds: the four changes of place, and each with ", content" (the same pixels with
    the content of another image) and ", recoloured" (the same pixels with exchanged colour channels, which keeps the
    layout). Variants with ", relative": (1 - cos of the change of place) over (1 - cos of the change of content): 1
    where moving content is as visible as replacing it, 0 where it leaves no trace.

    Shuffled control: the image against the changed copy of the image before it, which is how alike any two images are;
    for "equivariance", against tokens at random places of the same copy.
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
                for layer, top, bottom in zip(view.layers, (1 - moved).tolist(), (1 - content).tolist(), strict=True):
                    self.tally.add(
                        view.number,
                        top,
                        bottom,
                        probe=PROBE,
                        kind=change,
                        variant=f"{readout}, relative",
                        layer=layer,
                        control=self.control,
                    )
                if self.wants("shuffled") and change in self._before:
                    self._add(view, change, readout, likeness(own[readout], self._before[change][readout]), "shuffled")
            self._equivariance(view, change, own["patch by patch"], changed[change]["patch by patch"])
        self._before = changed

    def _add(self, view: ImageView, kind: str, variant: str, values: Tensor, control: str) -> None:
        key = {"probe": PROBE, "kind": kind, "variant": variant, "control": control}
        self.tally.add_layers(view.number, values.tolist(), view.layers, **key)

    def _equivariance(self, view: ImageView, change: str, own: Tensor, moved: Tensor) -> None:
        """Compare tokens (layers, P, D) with those at the places to which their content moved."""
        if change not in view.places:
            return
        old, new = (places.to(own.device) for places in view.places[change])
        self._add(view, change, "equivariance", likeness(own[:, old], moved[:, new]), self.control)
        if self.wants("shuffled"):
            drawn = torch.randperm(own.shape[1], generator=self._generator)[: len(old)].to(own.device)
            self._add(view, change, "equivariance", likeness(own[:, old], moved[:, drawn]), "shuffled")


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


def likeness(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine by layer of normalised features, (layers,) float32; the mean over patches if there are any."""
    cosines = (one * other).sum(dim=-1)
    cosines = (cosines if cosines.ndim == 1 else cosines.mean(dim=1)).cpu()
    return torch.where(cosines > 1 - SAME, torch.ones_like(cosines), cosines)
