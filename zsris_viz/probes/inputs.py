"""One pass over the images of a dataset, with all inputs of the probes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.datasets.types import Dataset, Expression, Reference, Sample
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.masks import Masks
from zsris_viz.methods.expression_parts import ExpressionParts, PartSource
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.texts import TextCache
from zsris_viz.models.layered import LayeredModel, check_layer
from zsris_viz.probes.perturbations import changed_copies, content_copy, moved_patches, recoloured_copy

Pair = tuple[Reference, Expression]


@dataclass
class ImageTexts:
    """An image with its expressions.

    Attributes:
        number: Index of the image in the run.
        sample: The image with its references.
        pairs: Every expression with its reference.
        parts: The parts of each expression.
        clip: The model.
    """

    number: int
    sample: Sample
    pairs: list[Pair]
    parts: list[ExpressionParts]
    clip: LayeredModel


@dataclass
class ImageView(ImageTexts):
    """An image with its hidden states at the measured layers, and those of its changed copies.

    Attributes:
        scene: Proposals and features of the image.
        layers: The layers that are measured.
        tokens: (layers, 1 + P, C) hidden states, CLS first.
        grid: Rows and columns of the patches.
        copies: Change of place -> (layers, 1 + P, C) of the changed image.
        contents: Change -> the same for a copy in which the changed pixels have the content of another image.
        recoloured: Change -> the same for a copy in which the changed pixels have exchanged colour channels.
        places: Change -> (old, new), the indices of the patches that a change moves, before and after it.
        others: Texts of other images, one for each of `pairs`.
    """

    scene: SceneFeatures
    layers: list[int]
    tokens: Tensor
    grid: tuple[int, int]
    copies: dict[str, Tensor] = field(default_factory=dict)
    contents: dict[str, Tensor] = field(default_factory=dict)
    recoloured: dict[str, Tensor] = field(default_factory=dict)
    places: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def projected(self, tokens: Tensor, *, negate: bool = False) -> Tensor:
        """Project tokens of any layers to the joint space and normalise them: (..., C) to (..., D)."""
        return F.normalize(self.clip.project(tokens, negate=negate), dim=-1)

    def truth_on_grid(self) -> Tensor:
        """Return the references' masks on the token grid as fractions, (E, P) float32, one for each of `pairs`."""
        masks = Masks.from_arrays([reference.mask for reference, _ in self.pairs], size=self.sample.size)
        return masks.to_grid(*self.grid).flatten(1)


def as_view(image: ImageTexts) -> ImageView:
    """Return the image as an `ImageView`.

    Raises:
        InvalidTypeError: If the hidden states of the image are missing.
    """
    if not isinstance(image, ImageView):
        raise InvalidTypeError("This probe reads the layers of the image tower; update(...) needs a ImageView.")
    return image


@dataclass
class ProbeInputs:
    """The images and expressions of a run, prepared once for all towers.

    Attributes:
        samples: The samples with their expressions and the parts of these.
        pixels: (n, 3, S, S), the input of the image tower.
        other_texts: For every expression a text of another image.
    """

    samples: list[Sample]
    pairs: list[list[Pair]]
    parts: list[list[ExpressionParts]]
    pixels: Tensor
    other_texts: list[list[str]]


def prepare(
    dataset: Dataset | Sequence[Sample], clip: LayeredModel, *, parts: PartSource, limit: int | None, seed: int
) -> ProbeInputs:
    """Read the first `limit` images that have expressions, with the parts of these.

    Raises:
        InvalidInputError: If no image has an expression, or `parts` is "gold" and the dataset has no gold parts.
    """
    from zsris_viz.language import load_parser

    samples, pairs, read = [], [], []
    for index in range(len(dataset) if limit is None else min(limit, len(dataset))):
        sample = dataset[index]
        if list(sample.pairs()):
            samples.append(sample)
            pairs.append(list(sample.pairs()))
    if not samples:
        raise InvalidInputError("no image with an expression was given; the probes need at least one.")
    if parts == "parser":  # one batch is faster than many single texts; the parser caches its results
        load_parser().parse_all([expression.text for group in pairs for _, expression in group])
    for group in pairs:
        read.append([ExpressionParts(expression, source=parts, parser=load_parser) for _, expression in group])
    pixels = torch.stack([clip.preprocess.image(sample.image) for sample in samples])
    return ProbeInputs(samples, pairs, read, pixels, _other_texts(pairs, seed))


def _other_texts(pairs: list[list[Pair]], seed: int) -> list[list[str]]:
    """Return for every expression the text of another image, drawn at random; its own if there is no other image."""
    generator = torch.Generator().manual_seed(seed)
    flat = [(number, expression.text) for number, group in enumerate(pairs) for _, expression in group]
    chosen: list[list[str]] = []
    for number, group in enumerate(pairs):
        elsewhere = [text for image, text in flat if image != number] or [group[0][1].text]
        draws = torch.randint(len(elsewhere), (len(group),), generator=generator).tolist()
        chosen.append([elsewhere[draw] for draw in draws])
    return chosen


def texts_of_images(inputs: ProbeInputs, clip: LayeredModel, *, limit: int | None = None) -> Iterator[ImageTexts]:
    """Yield the first `limit` images with their expressions, without running the image tower."""
    for number, sample in enumerate(inputs.samples[:limit]):
        yield ImageTexts(number, sample, inputs.pairs[number], inputs.parts[number], clip)


def views(
    inputs: ProbeInputs,
    clip: LayeredModel,
    *,
    layers: Sequence[int] | None = None,
    changes: bool = True,
    limit: int | None = None,
    seed: int = 0,
) -> Iterator[ImageView]:
    """Yield the images one by one; each is encoded once, and its copies are encoded in one batch.

    Args:
        inputs: All images and expressions.
        clip: The model.
        layers: The layers to measure; by default all.
        changes: Whether the changed copies are processed too.
        limit: Only the first `limit` images; None for all.
        seed: Seed of the patch shuffles.

    Raises:
        UnavailableError: If the tower is not a ViT.
        InvalidInputError: If a layer is out of range.
    """
    if clip.kind != "vit":
        raise UnavailableError(
            f"probes of layers need the patch tokens of a ViT; {clip.name!r} is an RN, whose stages have grids and "
            "widths of their own. Load a ViT, e.g. load_clip('miniature'); the probes of the text tower work with both."
        )
    chosen = list(range(clip.num_layers + 1)) if layers is None else list(layers)
    for layer in chosen:
        check_layer(layer, clip.num_layers)
    texts = TextCache(clip)
    before: Tensor | None = None
    for number, sample in enumerate(inputs.samples[:limit]):
        masks = sample.instances
        if masks is None:
            masks = Masks.from_arrays([reference.mask for reference in sample.references], size=sample.size)
        scene = SceneFeatures(sample.image, masks, clip, texts=texts)
        own = scene.trace()  # kept by the scene, so that proposals need no second run
        view = ImageView(
            number=number,
            sample=sample,
            pairs=inputs.pairs[number],
            parts=inputs.parts[number],
            clip=clip,
            scene=scene,
            layers=chosen,
            tokens=torch.stack([own.layers[layer][0] for layer in chosen]),
            grid=own.grids[-1],
            others=inputs.other_texts[number],
        )
        if changes:
            other = inputs.pixels[number - 1 if number else min(1, len(inputs.samples) - 1)]
            _change(view, inputs.pixels[number], other, before, seed + number)
            before = view.tokens
        yield view


def _change(view: ImageView, image: Tensor, other: Tensor, before: Tensor | None, seed: int) -> None:
    """Run all copies of an image in one batch; `before` are the tokens of `other`, if they are known."""
    mask, avoid = _at_input(view.sample.references[0].mask, view.scene.masks, view.clip.image_size)
    copies = changed_copies(image, patch=view.clip.patch_size, mask=mask, avoid=avoid, seed=seed)
    contents = {name: content_copy(image, copy, other) for name, copy in copies.items()}
    colours = {name: recoloured_copy(image, copy) for name, copy in copies.items()}
    whole = [name for name, copy in contents.items() if torch.equal(copy, other)]
    batch: list[tuple[dict[str, Tensor], str, Tensor]] = [(view.copies, name, copy) for name, copy in copies.items()]
    batch += [(view.contents, name, copy) for name, copy in contents.items() if name not in whole]
    if whole and before is None:
        batch.append((view.contents, whole[0], other))
    same = {name: next(first for first in colours if torch.equal(colours[first], colours[name])) for name in colours}
    batch += [(view.recoloured, name, colours[name]) for name in dict.fromkeys(same.values())]
    trace = view.clip.trace_image(torch.stack([copy for _, _, copy in batch]), attentions=False)
    stacked = torch.stack([trace.layers[layer] for layer in view.layers], dim=1)
    for (group, name, _), tokens in zip(batch, stacked, strict=True):
        group[name] = tokens
    for name in whole:
        view.contents[name] = view.contents[whole[0]] if before is None else before
    for name, first in same.items():
        view.recoloured[name] = view.recoloured[first]
    view.places = moved_patches(image.shape[-2:], patch=view.clip.patch_size, mask=mask, avoid=avoid, seed=seed)


def _at_input(mask: Any, others: Masks, side: int) -> tuple[Tensor, Tensor]:
    """Return an object's mask and the union of all proposals at the tower's input size, (S, S) bool each."""
    both = torch.stack([torch.as_tensor(mask), others.data.any(dim=0).cpu()])[:, None].float()
    small = F.interpolate(both, size=(side, side), mode="nearest")[:, 0] > 0.5
    return small[0], small[1]
