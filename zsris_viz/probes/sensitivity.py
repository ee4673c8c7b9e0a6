"""Spatial sensitivity by layer: how much a feature moves when the content of an image moves."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.probes.inputs import View
from zsris_viz.probes.table import Tally

PROBE = "spatial sensitivity"
READOUTS = ("CLS", "mean patch", "patch by patch")
SAME = 1e-6  # below this, 1 - cos is rounding: CLS of layer 0 has seen no image


class SpatialSensitivity:
    """cos between an image's feature and that of its changed copy, in the joint space, at every layer.

    Variants: "CLS", the pooled feature; "mean patch", the mean of the projected patch tokens; "patch by patch", the
        mean
    cosine between tokens at the same place. Kinds: the four changes of place, and each with ", content": the same
    pixels with another image's content. Variants with ", relative": (1 - cos of the change of place) over (1 - cos of
    the change of content): 1 where moving content is as visible as replacing it, 0 where it leaves no trace.

    Shuffled control: the image against the changed copy of the image before it, which is how alike any two images are.
    """

    name = PROBE

    def __init__(self, tally: Tally, control: str = "model", *, shuffled: bool = True) -> None:
        self.tally, self.control, self.shuffled = tally, control, shuffled
        self._before: dict[str, dict[str, Tensor]] = {}

    def add(self, view: View) -> None:
        """Take in one image."""
        own = readouts(view, view.tokens)
        seen: dict[str, dict[str, Tensor]] = {}
        for change, copy in view.copies.items():
            seen[change] = readouts(view, copy)
            replaced = readouts(view, view.contents[change])
            for readout in READOUTS:
                moved = likeness(own[readout], seen[change][readout])
                content = likeness(own[readout], replaced[readout])
                self._add(view, change, readout, moved, self.control)
                self._add(view, f"{change}, content", readout, content, self.control)
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
                if self.shuffled and change in self._before:
                    self._add(view, change, readout, likeness(own[readout], self._before[change][readout]), "shuffled")
        self._before = seen

    def _add(self, view: View, kind: str, variant: str, values: Tensor, control: str) -> None:
        key = {"probe": PROBE, "kind": kind, "variant": variant, "control": control}
        self.tally.add_layers(view.number, values.tolist(), view.layers, **key)

    def finish(self) -> None:
        """Nothing is left to do."""


def readouts(view: View, tokens: Tensor) -> dict[str, Tensor]:
    """(layers, 1 + P, C) hidden states as the features that are compared, normalised: (layers, D) or (layers, P, D)."""
    projected = view.clip.project(tokens)
    return {
        "CLS": F.normalize(projected[:, 0], dim=-1),
        "mean patch": F.normalize(projected[:, 1:].mean(dim=1), dim=-1),
        "patch by patch": F.normalize(projected[:, 1:], dim=-1),
    }


def likeness(one: Tensor, other: Tensor) -> Tensor:
    """Cosine by layer of normalised features, the mean over patches where there are any: (layers,) float32."""
    cosines = (one * other).sum(dim=-1)
    cosines = (cosines if cosines.ndim == 1 else cosines.mean(dim=1)).cpu()
    return torch.where(cosines > 1 - SAME, torch.ones_like(cosines), cosines)
