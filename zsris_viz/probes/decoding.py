"""Position decodability by layer: how well a ridge regression reads places out of hidden states."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zsris_viz.probes.inputs import View
from zsris_viz.probes.table import Tally

PROBE = "position decodability"
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1e4)
FOLDS = 5


class PositionDecodability:
    """R^2 of a ridge regression on images that it has not seen, by layer.

    Kinds: "place of a patch" from its own hidden state, and "place of the largest object" from the CLS token and from
        the
    mean patch. Places are centres as fractions of the image's width and height; R^2 is over both together.

    Images are cut into five parts. Each part is predicted by a regression that was fitted on three others, its strength
    chosen on the fourth. Shuffled control: the patches' places in a random order, the objects' places of other images.

    Args:
        tokens: patches taken from each image, at random. seed: of that draw and of the shuffles.
    """

    name = PROBE

    def __init__(
        self, tally: Tally, control: str = "model", *, shuffled: bool = True, tokens: int = 24, seed: int = 0
    ) -> None:
        self.tally, self.control, self.shuffled = tally, control, shuffled
        self.count = tokens
        self._rng = np.random.default_rng(seed)
        self._layers: list[int] = []
        self._features: dict[str, list[np.ndarray]] = {}
        self._places: dict[str, list[np.ndarray]] = {}

    def add(self, view: View) -> None:
        """Take in one image."""
        self._layers = view.layers
        rows, columns = view.grid
        count = rows * columns
        taken = np.sort(self._rng.permutation(count)[: self.count])
        centres = np.stack([(taken % columns + 0.5) / columns, (taken // columns + 0.5) / rows], axis=1)
        patches = view.tokens[:, 1:]
        self._keep("place of a patch", "patch", patches[:, torch.from_numpy(taken)], centres)
        held = view.scene.masks
        largest = int(held.areas.argmax())
        height, width = held.size
        centre = ((held.centroids[largest].double() + 0.5) / torch.tensor([width, height])).numpy()[None]
        self._keep("place of the largest object", "CLS", view.tokens[:, :1], centre)
        self._keep("place of the largest object", "mean patch", patches.mean(dim=1, keepdim=True), centre)

    def _keep(self, kind: str, variant: str, features: Tensor, places: np.ndarray) -> None:
        name = f"{kind}/{variant}"
        self._features.setdefault(name, []).append(features.float().cpu().numpy())
        self._places.setdefault(name, []).append(places)

    def finish(self) -> None:
        """Fit and predict."""
        for name, features in self._features.items():
            kind, variant = name.split("/")
            places, counts = self._places[name], [len(part) for part in self._places[name]]
            target = np.concatenate(places)
            images = np.repeat(np.arange(len(places)), counts)
            targets = {self.control: target}
            if self.shuffled:
                targets["shuffled"] = self._shuffle(places)
            for number, layer in enumerate(self._layers):
                inputs = np.concatenate([part[number] for part in features])
                for control, wanted in targets.items():
                    errors, spreads = ridge_errors(inputs, wanted, images)
                    for image in range(len(places)):
                        own = images == image
                        spread = float(spreads[own].sum())
                        self.tally.add(
                            image,
                            spread - float(errors[own].sum()),
                            spread,
                            probe=PROBE,
                            kind=kind,
                            variant=variant,
                            layer=layer,
                            control=control,
                        )

    def _shuffle(self, places: list[np.ndarray]) -> np.ndarray:
        if len(places[0]) > 1:
            return np.concatenate([part[self._rng.permutation(len(part))] for part in places])
        return np.concatenate([places[place] for place in self._rng.permutation(len(places))])


def ridge_errors(
    inputs: np.ndarray, target: np.ndarray, images: np.ndarray, *, folds: int = FOLDS
) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of held-out ridge predictions, and squared distances from the mean of what was fitted: (n,) each.

    Args:
        inputs: (n, C). target: (n, 2). images: (n,) ints; an image is never on both sides. folds: parts of the images.

    With fewer than three images nothing can be held out; then both are nan.
    """
    folds = min(folds, int(images.max()) + 1)
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
    """Predictions (strengths, m, 2) on standardised inputs; a strength counts as a share of the mean variance."""
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-8
    x, unseen = (inputs - mean) / scale, (held_out - mean) / scale
    centre = target.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T.astype(np.float64) @ x)
    turned = vectors.T @ (x.T @ (target - centre))
    base = values.clip(0).mean()
    weights = [vectors @ (turned / (values.clip(0) + strength * base + 1e-9)[:, None]) for strength in STRENGTHS]
    return np.stack([unseen @ weight + centre for weight in weights])
