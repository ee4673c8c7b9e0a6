"""A dataset of drawn pictures with two coloured squares each: the least that a dataset consists of."""

from __future__ import annotations

import numpy as np
from PIL import Image

from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks

COLOURS = {"red": (210, 40, 40), "green": (40, 160, 60), "blue": (40, 70, 210)}
SPLITS = {"val": 6, "test": 6}
SIZE = 64


class ColouredSquares:
    """Pictures with a square on the left and one on the right, each with two expressions.

    Args:
        split: "val" or "test".
        limit: Only the first `limit` images; None for all.

    Raises:
        InvalidInputError: An unknown split, or a limit below 1.
    """

    name = "coloured-squares"
    split_by = ""  # there is one scheme of splits

    def __init__(self, split: str, *, limit: int | None = None) -> None:
        if split not in SPLITS:
            raise InvalidInputError(f"split={split!r} is unknown for {self.name}; use one of {', '.join(SPLITS)}.")
        if limit is not None and limit < 1:
            raise InvalidInputError(f"limit={limit} was given; a number from 1 up, or None, is accepted.")
        self.split = split
        self._count = min(SPLITS[split], limit or SPLITS[split])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        number = range(self._count)[index]
        pairs = [(left, right) for left in COLOURS for right in COLOURS if left != right]
        colours = pairs[(number + (self.split == "test")) % len(pairs)]
        pixels = np.full((SIZE, SIZE, 3), 230, np.uint8)
        masks = np.zeros((2, SIZE, SIZE), bool)
        masks[0, 20:44, 4:28] = True
        masks[1, 20:44, 36:60] = True
        image_id = f"{self.split}-{number}"
        references = []
        for mask, colour, side in zip(masks, colours, ("left", "right"), strict=True):
            pixels[mask] = COLOURS[colour]
            texts = (f"the {colour} square", f"the square on the {side}")
            expressions = tuple(Expression(text, f"{image_id}-{side}-{n}") for n, text in enumerate(texts))
            references.append(Reference(f"{image_id}-{side}", expressions, mask, "square"))
        return Sample(image_id, references, Image.fromarray(pixels), instances=Masks.from_arrays(masks))
