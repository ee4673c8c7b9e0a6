"""The table of results of the probes: sums for each image, and the bootstrap over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.resampling import RESAMPLES, holm, ratio, ratio_intervals, sign_flip_test

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a probe's table. probe: its name. kind: the change, measure or group of words. variant: how it was read
#: (which feature, sign, unit). layer: of the tower's hidden states; head: attention head, missing for none or their
#: mean. value, low, high: the number and its 95 % interval by bootstrap over images, missing below 20 images.
#: n: expressions (or images) behind it, images: images. control: "model" for the measurement itself, "untrained" for a
#: tower of random weights, "shuffled" for texts (or, where a probe has none, images, places or words) that belong to
#: something else.
#: p: of a paired difference, the p-value of a sign-flip test over images; p_holm: after Holm's correction over the
#: layers of the same probe, kind, variant and control; both are missing for other numbers.
COLUMNS = (
    "probe", "kind", "variant", "layer", "head", "value", "low", "high", "n", "images", "control", "p", "p_holm",
)  # fmt: skip
_Key = tuple[str, str, str, int, int | None, str]


class Tally:
    """Numerators and denominators for each image; every number of the table is a ratio of their sums.

    Args:
        images: Number of images.
    """

    def __init__(self, images: int) -> None:
        if images < 1:
            raise InvalidInputError(f"images={images} was given; a probe needs at least one image.")
        self.images = images
        self._sums: dict[_Key, np.ndarray] = {}
        self._paired: set[_Key] = set()

    def add(
        self,
        image: int,
        top: float,
        bottom: float = 1.0,
        *,
        probe: str,
        kind: str,
        variant: str,
        layer: int,
        head: int | None = None,
        control: str = "model",
        paired: bool = False,
    ) -> None:
        """Add to an image's numerator and denominator of one number; values that are not finite are left out.

        Args:
            image: Number of the image.
            top: Added to the numerator.
            bottom: Added to the denominator.
            probe: Column "probe".
            kind: Column "kind".
            variant: Column "variant".
            layer: Column "layer".
            head: Column "head".
            control: Column "control".
            paired: Whether the number is a difference of two measurements of the same expressions, to be tested against
                0.
        """
        if not (np.isfinite(top) and np.isfinite(bottom)):
            return
        key = (probe, kind, variant, layer, head, control)
        if key not in self._sums:
            self._sums[key] = np.zeros((3, self.images))
        self._sums[key][:, image] += (top, bottom, 1)
        if paired:
            self._paired.add(key)

    def add_layers(self, image: int, tops: Sequence[float], layers: Sequence[int], **key: Any) -> None:
        """Call `add` for several layers."""
        for layer, top in zip(layers, tops, strict=True):
            self.add(image, float(top), layer=int(layer), **key)

    def table(self, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
        """Return the numbers with percentile intervals by bootstrap over images.

        Images are drawn with replacement, and the draws are the same for all numbers.

        Args:
            resamples: Number of draws.
            seed: Seed of the draws.
            level: Confidence level, between 0 and 1.

        Returns:
            A frame with the columns :data:`COLUMNS`, in the order in which the numbers were first added.
        """
        import pandas as pd

        if not self._sums:
            return pd.DataFrame(columns=list(COLUMNS))
        tops, bottoms, counts = np.stack(list(self._sums.values()), axis=1)
        low, high = ratio_intervals(tops.T, bottoms.T, resamples=resamples, seed=seed, level=level)
        frame = pd.DataFrame(list(self._sums), columns=["probe", "kind", "variant", "layer", "head", "control"])
        frame["head"] = pd.array(frame["head"].tolist(), dtype="Int64")
        frame["value"] = ratio(tops.sum(axis=1), bottoms.sum(axis=1))
        frame["low"], frame["high"] = low, high
        frame["n"], frame["images"] = counts.sum(axis=1).astype(int), (counts > 0).sum(axis=1)
        tests = [
            sign_flip_test(top, bottom, 0 * top, bottom, seed=seed) if key in self._paired else np.nan
            for key, top, bottom in zip(self._sums, tops, bottoms, strict=True)
        ]
        frame["p"], frame["p_holm"] = tests, np.nan
        for _, family in frame[frame["p"].notna()].groupby(["probe", "kind", "variant", "control"]):
            frame.loc[family.index, "p_holm"] = holm(family["p"])
        return frame[list(COLUMNS)]
