"""Localisation by layer: whether the map of patch-text similarity finds what the text names."""

from __future__ import annotations

import torch
from torch import Tensor

from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts, ImageView, as_view

PROBE = "localisation"
SIGNS = {"as it is": False, "negated": True}


class Localisation(Probe):
    """Probe of the patch-text map at every layer, with original and with negated tokens.

    Kinds: "pointing game", whether the centre of the most similar patch lies in the object; "IoU" of the object with
    the patches above a threshold; "AUC", the chance that a patch of the object is more similar than one outside (0.5
    is chance level). Partly covered patches count by their covered share. Shuffled control: the text of another image.
    The variants ", minus another text" are the differences from this control, paired by expression, with the p-value of
    a sign-flip test over images.

    Args:
        seed: Not used; the probe draws nothing.
        threshold: Threshold of "IoU" on a scale from the map's smallest (0) to its largest value (1).
    """

    name = PROBE

    def __init__(self, *, seed: int = 0, threshold: float = 0.5) -> None:
        super().__init__(seed=seed)
        self.threshold = threshold

    def update(self, image: ImageTexts) -> None:
        """Add one image."""
        view = as_view(image)
        truth = view.truth_on_grid()
        centre = centres_inside(view)
        texts = {self.control: [expression.text for _, expression in view.pairs]}
        if self.has_control("shuffled"):
            texts["shuffled"] = view.others
        for variant, negate in SIGNS.items():
            patches = view.projected(view.tokens[:, 1:], negate=negate)
            measured = {}
            for control, words in texts.items():
                features = torch.nn.functional.normalize(view.scene.text_features(words), dim=-1)
                maps = torch.einsum("lpd,ed->lep", patches, features).cpu()
                measured[control] = {
                    "pointing game": pointing(maps, centre),
                    "IoU": overlap(maps, truth, self.threshold),
                    "AUC": area_under_curve(maps, truth),
                }
                self._add(view, measured[control], variant, control)
            if "shuffled" in measured:
                own, other = measured[self.control], measured["shuffled"]
                differences = {measure: own[measure] - other[measure] for measure in own}
                self._add(view, differences, f"{variant}, minus another text", self.control, paired=True)

    def _add(
        self, view: ImageView, measured: dict[str, Tensor], variant: str, control: str, *, paired: bool = False
    ) -> None:
        """Add (layers, E) values by measure."""
        for measure, values in measured.items():
            key = {"probe": PROBE, "kind": measure, "variant": variant, "control": control, "paired": paired}
            for column in values.T.tolist():
                self.tally.add_layers(view.number, column, view.layers, **key)


def centres_inside(view: ImageView) -> Tensor:
    """Return whether the centre of each patch lies in the reference's mask: (E, P) bool."""
    rows, columns = view.grid
    height, width = view.sample.size
    down = ((torch.arange(rows) + 0.5) * height / rows).long()
    right = ((torch.arange(columns) + 0.5) * width / columns).long()
    return torch.stack([torch.as_tensor(reference.mask)[down][:, right].flatten() for reference, _ in view.pairs])


def pointing(maps: Tensor, inside: Tensor) -> Tensor:
    """Return (L, E), 1 if the highest patch (the first of equals) is inside, else 0.

    Args:
        maps: (L, E, P), the similarities.
        inside: (E, P) bool, whether a patch is inside the object.
    """
    return inside.expand_as(maps).gather(-1, maps.argmax(dim=-1, keepdim=True))[..., 0].float()


def overlap(maps: Tensor, truth: Tensor, threshold: float) -> Tensor:
    """Return the IoU, (L, E), of the patches above `threshold` with the object.

    A constant map has every patch above the threshold.

    Args:
        maps: (L, E, P), the similarities.
        truth: (E, P), the share of each patch that the object covers, 0-1.
        threshold: Share of each map's range, 0-1.
    """
    low, high = maps.amin(dim=-1, keepdim=True), maps.amax(dim=-1, keepdim=True)
    region = (maps >= low + threshold * (high - low)).float()
    shared = (region * truth).sum(dim=-1)
    return shared / (region.sum(dim=-1) + truth.sum(dim=-1) - shared).clamp(min=1e-9)


def area_under_curve(maps: Tensor, truth: Tensor) -> Tensor:
    """Return the probability, (L, E), that a patch of the object is higher than one outside, with ties counted half.

    A partly covered patch counts by its share on both sides. The result is NaN if the object covers no patch, or all.

    Args:
        maps: (L, E, P), the similarities.
        truth: (E, P), the share of each patch that the object covers, 0-1.
    """
    weight = truth.double().expand_as(maps)
    order = maps.argsort(dim=-1)
    values, inside = maps.gather(-1, order).contiguous(), weight.gather(-1, order)
    outside = torch.nn.functional.pad((1 - inside).cumsum(dim=-1), (1, 0))
    below = outside.gather(-1, torch.searchsorted(values, values))
    upto = outside.gather(-1, torch.searchsorted(values, values, right=True))
    won = (inside * (below + upto) / 2).sum(dim=-1)
    return won / (inside.sum(dim=-1) * (1 - inside).sum(dim=-1))
