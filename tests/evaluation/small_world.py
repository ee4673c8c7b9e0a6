"""A tiny dataset, a model without weights and methods without sense, for tests of everything around them.

Imports all that a run needs, so that a fork server that has loaded it starts runs at once.
"""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
from PIL import Image

from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import UnavailableError
from zsris_viz.evaluation import Evaluation, evaluate
from zsris_viz.evaluation import store as store
from zsris_viz.masks import Masks
from zsris_viz.methods.base import MethodInfo, RankingMethod
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.preprocessing import get_preprocess

SIDE = 24
KINDS = ("noun", "colour", "position")


class NoClip(ImageTextModel):
    """A model that nothing may ask."""

    kind = "vit"

    def __init__(self, name: str = "none", seed: int = 0) -> None:
        self.name, self.device, self.dtype = name, torch.device("cpu"), torch.float32
        self.image_size, self.embed_dim = 32, 4
        self.preprocess = get_preprocess("clip", 32)
        self.text: Any = None
        self.layer = torch.nn.Linear(2, 2)
        torch.nn.init.constant_(self.layer.weight, seed)
        torch.nn.init.zeros_(self.layer.bias)

    def _refuse(self, *args: Any, **options: Any) -> Any:
        raise AssertionError("the model was asked")

    _encode_images = embed_texts = _refuse


@dataclass(frozen=True)
class HashConfig:
    """`salt` changes the choice; `fails_on`: expressions that raise; `delay`: seconds for each image."""

    salt: int = 0
    fails_on: str | None = None
    delay: float = 0.0


class ByHash(RankingMethod):
    """Chooses by a hash of expression and area: no sense, but the same in every process."""

    info = MethodInfo("by-hash", "By hash", "none", ("vit",), "Chooses by a hash.", needs=frozenset())
    Config = HashConfig

    def predict_many(self, scene: Any, expressions: Any, *, parts: str = "parser") -> list[Any]:
        time.sleep(self.config.delay)
        return super().predict_many(scene, expressions, parts=parts)

    def texts_of(self, scene: Any, text: Any) -> list[str]:
        return []

    def score(self, scene: Any, text: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        if text.text == self.config.fails_on:
            raise ValueError("this expression is bad")
        keys = [f"{text.text}/{area}/{self.config.salt}" for area in scene.masks.areas.tolist()]
        return torch.tensor([zlib.crc32(key.encode()) % 997 for key in keys], dtype=torch.float32), {}


class LoggedClip(NoClip):
    """Writes the number of every process that unpickles it into a file."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")


class NeedsMore(ByHash):
    """Cannot work without something that is not there."""

    def score(self, scene: Any, text: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        raise UnavailableError("no captioner; get one")


class SmallWorld:
    """`images` images with 3 objects, 2 of which are referred to by 1 to 3 expressions.

    Pictures of the images `bad` cannot be opened; the images `bare` have no proposals. The numbers of the images that
    are taken go into the file `seen`.
    """

    name, split, split_by = "small", "val", "own"

    def __init__(
        self,
        images: int = 6,
        *,
        seed: int = 0,
        bad: tuple[int, ...] = (),
        bare: tuple[int, ...] = (),
        seen: Path | None = None,
    ) -> None:
        self._images = images
        self.seed = seed
        self._bad, self._bare, self._seen = bad, bare, seen

    def __len__(self) -> int:
        return self._images

    def __getitem__(self, index: int) -> Sample:
        if index >= len(self):
            raise IndexError(index)
        if self._seen is not None:
            with self._seen.open("a") as file:
                file.write(f"{index}\n")
        rng = np.random.default_rng([self.seed, index])
        masks = np.zeros((3, SIDE, SIDE), bool)
        for mask in masks:
            x, y, w, h = rng.integers([0, 0, 4, 4], [14, 14, 11, 11])
            mask[y : y + h, x : x + w] = True
        references = []
        for place in range(2):
            texts = [f"object {place} of {index}" + " word" * (3 * count) for count in range(1 + int(rng.integers(3)))]
            expressions = tuple(
                Expression(text, f"{index}-{place}-{count}", kind=KINDS[count]) for count, text in enumerate(texts)
            )
            references.append(Reference(f"{index}-{place}", expressions, masks[place], "thing", distractors=place))
        instances = masks[:0] if index in self._bare else masks
        return Sample(f"image-{index}", references, lambda: self._picture(index), instances=lambda: Masks(instances))

    def _picture(self, index: int) -> Image.Image:
        if index in self._bad:
            raise OSError("no such picture")
        return Image.new("RGB", (SIDE, SIDE), (index % 256, 0, 0))


def run(output: Any = None, *, images: int = 6, delay: float = 0.0, dataset: Any = None, **options: Any) -> Evaluation:
    """Evaluate two settings of the method on the small world."""
    methods = {"a": ByHash(salt=1, delay=delay), "b": ByHash(salt=2)}
    settings = {"clip": NoClip(), "parts": "gold", "progress": False, "output": output}
    return evaluate(SmallWorld(images) if dataset is None else dataset, methods, **{**settings, **options})


def run_slowly(output: str, images: int, delay: float, parts_per_block: int) -> None:
    """What a process that is going to be killed runs."""
    store.PARTS_PER_BLOCK = parts_per_block
    run(output, images=images, delay=delay)
