"""The drawn benchmark: images, masks and expressions made on demand from (split, index)."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from zsris_viz.datasets.types import Expression, Reference, Sample, check_limit
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.masks import Masks
from zsris_viz.miniature.world.captions import caption
from zsris_viz.miniature.world.distinguishing import STYLES
from zsris_viz.miniature.world.grammar import SceneExpression
from zsris_viz.miniature.world.layout import SceneLayout
from zsris_viz.miniature.world.render import MIN_SIDE, render
from zsris_viz.miniature.world.sampling import SPLITS, VERSION, generate_expressions, plan_scene, scene_seed
from zsris_viz.miniature.world.semantics import same_noun

_CACHED = 8


class Scenes:
    """Drawn scenes with unambiguous referring expressions; the same (split, index) is the same scene everywhere.

    Args:
        split: "train" (20000 scenes), "val", "test", "testA" (of people), "testB" (of other things; 500 each).
        limit: Use only the first `limit` scenes.
        size: Height and width of the images in pixels, at least 16. Expressions do not depend on it.
        style: "mixed", or "refcoco", "refcoco+" or "refcocog" for expressions in the manner of one benchmark.

    Raises:
        InvalidInputError: An unknown split or style, a limit below 1, or a size below 16.
        InvalidTypeError: An index that is not a whole number.
    """

    name = "scenes"
    split_by = "mini"

    def __init__(self, split: str = "val", *, limit: int | None = None, size: int = 224, style: str = "mixed") -> None:
        if split not in SPLITS:
            raise InvalidInputError(f"split {split!r} is unknown; scenes has {', '.join(SPLITS)}: Scenes('val')")
        if style != "mixed" and style not in STYLES:
            raise InvalidInputError(f"style {style!r} is unknown; styles are mixed, {', '.join(STYLES)}")
        if isinstance(size, bool) or not isinstance(size, int) or size < MIN_SIDE:
            raise InvalidInputError(
                f"size {size!r} was given; a whole number of pixels from {MIN_SIDE} is accepted: Scenes(size=224)"
            )
        check_limit(limit)
        self.split = split
        self.size = size
        self.style = style
        # A public attribute, so that a run on one version of the world is not continued on another.
        self.version = VERSION
        self._length = min(limit or SPLITS[split], SPLITS[split])
        self._kept: OrderedDict[int, Sample] = OrderedDict()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        index = self._checked(index)
        if index not in self._kept:
            self._kept[index] = self._make(index)
            while len(self._kept) > _CACHED:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": OrderedDict()}

    def __repr__(self) -> str:
        return f"Scenes({self.split!r}, style={self.style!r}, size={self.size}): {len(self)} scenes"

    def _checked(self, index: int) -> int:
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise InvalidTypeError(
                f"index {index!r} is a {type(index).__name__}; a whole number is accepted: dataset[0]"
            )
        index = int(index)
        if not -len(self) <= index < len(self):
            raise SceneIndexError(f"scene {index} does not exist; {self.split} has scenes 0 to {len(self) - 1}")
        return index % len(self)

    def layout(self, index: int) -> SceneLayout:
        """Return the layout of a scene, without drawing it."""
        return plan_scene(self.split, self._checked(index)).layout

    def expressions_of(self, index: int) -> list[tuple[int, tuple[SceneExpression, ...]]]:
        """Return the described objects of a scene with their expressions and gold trees, without drawing it.

        Returns:
            1 to 3 pairs of an object's index in the layout and its 1 to 3 expressions.
        """
        return generate_expressions(plan_scene(self.split, self._checked(index)), self.style)

    def _make(self, index: int) -> Sample:
        plan = plan_scene(self.split, index)
        layout = plan.layout
        picture, masks = render(layout, self.size)
        image_id = f"scenes-{self.split}-{index:06d}"
        references = []
        for target, generated in generate_expressions(plan, self.style):
            ref_id = f"{image_id}-{target}"
            references.append(
                Reference(
                    ref_id=ref_id,
                    expressions=tuple(
                        as_expression(expression, f"{ref_id}-{number}") for number, expression in enumerate(generated)
                    ),
                    mask=masks[target],
                    category=layout.objects[target].noun,
                    distractors=len(same_noun(layout, target)),
                )
            )
        rng = np.random.default_rng(scene_seed(self.split, index, "captions"))
        captions = [caption(layout, rng, grouped=grouped).text for grouped in (False, True)]
        return Sample(
            image_id,
            references,
            picture,
            instances=lambda: Masks.from_arrays(masks),
            instance_categories=[item.noun for item in layout.objects],
            size=(self.size, self.size),
            captions=captions,
        )


class SceneIndexError(InvalidInputError, IndexError):
    """An index beyond the last scene; also an IndexError, so that a loop over a dataset ends."""


def as_expression(described: SceneExpression, sentence_id: str) -> Expression:
    """Return the dataset's plain record of an expression of the grammar."""
    return Expression(
        text=described.text,
        sentence_id=sentence_id,
        kind=described.kind,
        noun_phrase=described.noun_phrase,
        head=described.head,
        context_tokens=described.context_tokens,
        direction=described.direction,
        relation=described.relation,
        relation_object=described.relation_object,
    )
