"""Position decodability by layer: how well a ridge regression predicts positions from hidden states."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts, ProbeInputs, as_view

PROBE = "position decodability"
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1e4)
FOLDS = 5


class PositionDecodability(Probe):
    """Probe of the R^2 of a ridge regression of positions on held-out images, by layer.

    Kinds: "place of a patch" from its own hidden state, and "place of the largest object" from the CLS token and from
    the mean patch. Places are centres as fractions of the image's width and height; R^2 is over both together.

    Images are divided into five parts. Each part is predicted by a regression that is fitted on three other parts, with
    its regularisation strength chosen on the fourth. Shuffled control: the patches' places in a random order, the
    objects' places of other images. Positive control, for the object only and equal at every layer: the profiles of the
    object's own mask, from which the place can be computed by construction.

    Args:
        seed: Seed of the draw of patches and of the shuffles.
        tokens: Number of patches taken from each image, at random.
    """

    name = PROBE
    controls = ("untrained", "shuffled", "positive")

    def __init__(self, *, seed: int = 0, tokens: int = 24) -> None:
        super().__init__(seed=seed)
        self.count = tokens

    def prepare(
        self, inputs: ProbeInputs, *, control: str = "model", controls: tuple[str, ...] = ("shuffled",)
    ) -> None:
        """Start a measurement."""
        super().prepare(inputs, control=control, controls=controls)
        self._layers: list[int] = []
        self._features: dict[str, list[np.ndarray]] = {}
        self._places: dict[str, list[np.ndarray]] = {}
        self._positive: list[np.ndarray] = []

    def update(self, image: ImageTexts) -> None:
        """Add one image."""
        view = as_view(image)
        self._layers = view.layers
        rows, columns = view.grid
        count = rows * columns
        taken = np.sort(self.rng.permutation(count)[: self.count])
        centres = np.stack([(taken % columns + 0.5) / columns, (taken // columns + 0.5) / rows], axis=1)
        patches = view.tokens[:, 1:]
        self._keep("place of a patch", "patch", patches[:, torch.from_numpy(taken)], centres)
        masks = view.scene.masks
        largest = int(masks.areas.argmax())
        height, width = masks.size
        centre = ((masks.centroids[largest].double() + 0.5) / torch.tensor([width, height])).numpy()[None]
        self._keep("place of the largest object", "CLS", view.tokens[:, :1], centre)
        self._keep("place of the largest object", "mean patch", patches.mean(dim=1, keepdim=True), centre)
        if self.has_control("positive"):
            self._positive.append(profiles(masks.data[largest]).numpy()[None])

    def _keep(self, kind: str, variant: str, features: Tensor, places: np.ndarray) -> None:
        name = f"{kind}/{variant}"
        self._features.setdefault(name, []).append(features.float().cpu().numpy())
        self._places.setdefault(name, []).append(places)

    def finish(self) -> None:
        """Fit the regressions and predict the held-out images."""
        for name, features in self._features.items():
            kind, variant = name.split("/")
            places, counts = self._places[name], [len(part) for part in self._places[name]]
            target = np.concatenate(places)
            images = np.repeat(np.arange(len(places)), counts)
            targets = {self.control: target}
            if self.has_control("shuffled"):
                targets["shuffled"] = self._shuffle(places)
            for number, layer in enumerate(self._layers):
                inputs = np.concatenate([part[number] for part in features])
                for control, wanted in targets.items():
                    key = {"kind": kind, "variant": variant, "control": control}
                    self._add(ridge_errors(inputs, wanted, images), images, [layer], **key)
            if self._positive and variant == "CLS":
                found = ridge_errors(np.concatenate(self._positive), target, images)
                self._add(found, images, self._layers, kind=kind, variant="object's mask", control="positive")

    def _add(self, found: tuple[np.ndarray, np.ndarray], images: np.ndarray, layers: list[int], **key: Any) -> None:
        """Add squared errors and squared distances from the mean, summed by image, at some layers."""
        errors, spreads = found
        for image in range(int(images.max()) + 1):
            own = images == image
            spread = float(spreads[own].sum())
            for layer in layers:
                self.tally.add(image, spread - float(errors[own].sum()), spread, probe=PROBE, layer=layer, **key)

    def _shuffle(self, places: list[np.ndarray]) -> np.ndarray:
        if len(places[0]) > 1:
            return np.concatenate([part[self.rng.permutation(len(part))] for part in places])
        return np.concatenate([places[place] for place in self.rng.permutation(len(places))])


def profiles(mask: Tensor, cells: int = 16) -> Tensor:
    """Return the share of an object in each of `cells` columns and rows of the image: (2 * cells,) float64.

    The centre of the object is a linear function of these shares. They are the positive control: a ridge regression
    that cannot predict the place from them could not predict it from any feature.

    Args:
        mask: (H, W) bool.
        cells: Number of columns and of rows.
    """
    small = torch.nn.functional.adaptive_avg_pool2d(mask[None].double(), cells)[0]
    small = small / small.sum().clamp(min=1e-12)
    return torch.cat([small.sum(dim=0), small.sum(dim=1)])


def ridge_errors(inputs: np.ndarray, target: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return squared errors of held-out ridge predictions, and squared distances from the mean of the fitted targets.

    Both are NaN for fewer than three images, of which none can be held out.

    Args:
        inputs: (n, C), the features.
        target: (n, 2), the places.
        images: (n,) int, the image of each row; the rows of an image are all held out, or all fitted.

    Returns:
        Two arrays (n,).
    """
    folds = min(FOLDS, int(images.max()) + 1)
    errors, spreads = np.full(len(target), np.nan), np.full(len(target), np.nan)
    if folds < 3:
        return errors, spreads
    part = images % folds
    for fold in range(folds):
        test, choice = part == fold, part == (fold + 1) % folds
        fit = ~(test | choice)
        predictions = _ridge(inputs[fit], target[fit], inputs[test | choice])
        chosen = choice[test | choice]
        wrong = ((predictions - target[test | choice]) ** 2).sum(axis=2)
        best = wrong[:, chosen].sum(axis=1).argmin()
        errors[test] = wrong[best][~chosen]
        spreads[test] = ((target[test] - target[fit].mean(axis=0)) ** 2).sum(axis=1)
    return errors, spreads


def _ridge(inputs: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return predictions (strengths, m, 2) on standardised inputs; strengths are relative to the mean variance."""
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-8
    x, x_test = (inputs - mean) / scale, (held_out - mean) / scale
    centre = target.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T.astype(np.float64) @ x)
    turned = vectors.T @ (x.T @ (target - centre))
    base = values.clip(0).mean()
    weights = [vectors @ (turned / (values.clip(0) + strength * base + 1e-9)[:, None]) for strength in STRENGTHS]
    return np.stack([x_test @ weight + centre for weight in weights])
