"""A tiny data set with masks, for trainings of a few steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from zsris_viz.datasets.types import Expression, Reference, Sample

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 200, 30)}


class Squares:
    """Images with two squares of two colours, one left and one right; index n is the same image everywhere."""

    name, split, split_by = "squares", "train", ""

    def __init__(self, count: int = 6, side: int = 56, masks: Any = True) -> None:
        self.count, self.side, self.masks = count, side, masks

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        picture = np.full((self.side, self.side, 3), 128, dtype=np.uint8)
        references = []
        first, second = rng.permutation(list(COLOURS))[:2]
        for place, colour in enumerate((first, second)):
            top, left = int(rng.integers(4, 30)), int(rng.integers(2, 8)) + place * self.side // 2
            mask = np.zeros((self.side, self.side), dtype=bool)
            mask[top : top + 16, left : left + 16] = True
            picture[mask] = COLOURS[str(colour)]
            texts = (f"the {colour} square", f"the square on the {('left', 'right')[place]}")
            expressions = tuple(Expression(text, f"{index}-{place}-{number}") for number, text in enumerate(texts))
            given: Any = mask if self.masks is True else self.masks
            references.append(Reference(f"{index}-{place}", expressions, given, f"{colour} square"))
        return Sample(f"squares-{index}", references, Image.fromarray(picture))
