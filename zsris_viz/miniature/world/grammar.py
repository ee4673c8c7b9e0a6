"""Referring expressions for drawn scenes, in the style of RefCOCO, RefCOCO+ and RefCOCOg, with gold trees.

An expression has a noun, the main fact that distinguishes the object from others of its noun
(:mod:`.distinguishing`), and sometimes further true facts. It fits its target and no other object of the scene, by
:func:`.facts.denotes`.

- "refcoco": short, with directions: "left guy red shirt", "2nd dog from left".
- "refcoco+": short, without directions: "man in red", "bigger cup".
- "refcocog": long, with clauses: "a small red cup that is next to the big blue chair".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.world.distinguishing import KINDS, STYLES, distinguishing_facts, extras
from zsris_viz.miniature.world.layout import SceneLayout, sample_layout
from zsris_viz.miniature.world.phrases import chance, pick
from zsris_viz.miniature.world.predicates import (
    Closest,
    Colour,
    Corner,
    Extent,
    Fact,
    Form,
    Half,
    Ordinal,
    Outermost,
    Relation,
    Size,
)
from zsris_viz.miniature.world.realizer import ExpressionBuilder
from zsris_viz.miniature.world.semantics import SceneSemantics
from zsris_viz.miniature.world.trees import GoldTree, flatten
from zsris_viz.miniature.world.words import AMBIGUOUS, names_of

#: How often an expression says more than is needed.
_EXTRA_CHANCE = {"refcoco": 0.3, "refcoco+": 0.35, "refcocog": 0.9}


@dataclass(frozen=True)
class SceneExpression:
    """A referring expression with its annotations.

    Attributes:
        text: Words joined by blanks.
        kind: Kind of the main fact that distinguishes the target; "noun" if no other object has its noun.
        style: "refcoco", "refcoco+" or "refcocog".
        tree: The dependency tree.
        noun_phrase: The base noun phrase that holds the root, determiner included.
        head: The root of the tree, a noun.
        context_tokens: In the order of the text every preposition ("than" and the "next" of "next to" included),
            comparative and direction, and the nouns to which prepositions lead.
        direction: "left", "right", "top", "bottom", "middle", or a vertical and a horizontal one ("top left"), if the
            target is named by its place in the picture; None in "2nd dog from left" and "cat left of the bus".
        relation: "left", "right", "above", "below", "near", "bigger" or "smaller", if another object is named.
        relation_object: The noun phrase of that object, determiner included.
        form: The meaning.
        target: Index of the object in the layout.
    """

    text: str
    kind: str
    style: str
    tree: GoldTree
    noun_phrase: str
    head: str
    context_tokens: tuple[str, ...]
    direction: str | None
    relation: str | None
    relation_object: str | None
    form: Form
    target: int


def expressions(
    layout: SceneLayout,
    target: int,
    *,
    style: str,
    rng: np.random.Generator,
    visible: Sequence[float] | None = None,
    kinds: Sequence[str] | None = None,
    semantics: SceneSemantics | None = None,
) -> list[SceneExpression]:
    """Return unambiguous expressions for one object, one for each kind that is possible.

    Args:
        layout: The scene.
        target: Index of the object in `layout.objects`.
        style: "refcoco", "refcoco+" or "refcocog".
        rng: Source of randomness.
        visible: For every object the visible share, 0-1; None if all are fully visible. Objects that are hidden by more
            than 60 % are not described, and others of their noun are not counted.
        kinds: Kinds to try; None for all.
        semantics: Truth of facts in this layout, if it has been computed already.

    Returns:
        Expressions in the order of `kinds`; empty if no fact distinguishes the object, or if it is hardly visible.

    Raises:
        InvalidInputError: An unknown style or kind, or no such object.
    """
    if style not in STYLES:
        raise InvalidInputError(f"style {style!r} is unknown; styles are {', '.join(STYLES)}")
    unknown = sorted(set(kinds or ()) - set(KINDS))
    if unknown:
        raise InvalidInputError(f"kind {unknown[0]!r} is unknown; kinds are {', '.join(KINDS)}")
    if not 0 <= target < len(layout.objects):
        raise InvalidInputError(f"target {target} was given; the scene has objects 0 to {len(layout.objects) - 1}")
    semantics = semantics or SceneSemantics(layout)
    made = []
    for kind in kinds or KINDS:
        possible = distinguishing_facts(semantics, target, kind, style, visible=visible)
        if possible:
            made.append(_express(semantics, target, kind, pick(rng, possible), style, rng))
    return made


def _name(layout: SceneLayout, target: int, style: str, rng: np.random.Generator) -> str:
    """Return the noun or a synonym that does not fit another noun of the scene."""
    item = layout.objects[target]
    present = {other.noun for other in layout.objects}
    names = [name for name in names_of(item.noun) if not present & set(AMBIGUOUS.get(name, ()))]
    return pick(rng, names[1:]) if len(names) > 1 and chance(rng, 0.3 if style != "refcocog" else 0.15) else names[0]


def _express(
    semantics: SceneSemantics, target: int, kind: str, main_fact: Fact | None, style: str, rng: np.random.Generator
) -> SceneExpression:
    chosen: list[Fact] = [] if main_fact is None else [main_fact]
    if chance(rng, _EXTRA_CHANCE[style]):
        more = extras(semantics, target, main_fact, style)
        wanted = 1 + int(rng.integers(3)) if style == "refcocog" else 1
        for index in rng.permutation(len(more)):
            fact = more[int(index)]
            if len(chosen) < wanted + (main_fact is not None) and not any(
                _same_object(fact, other) for other in chosen
            ):
                chosen.append(fact)
    name = _name(semantics.layout, target, style, rng)
    builder = ExpressionBuilder(semantics, target, name, style, rng)
    used = tuple(fact for fact in sorted(chosen, key=_order) if builder.add_fact(fact))
    if main_fact is not None and main_fact not in used:
        builder = ExpressionBuilder(semantics, target, name, style, rng)
        used = (main_fact,) if builder.add_fact(main_fact) else ()
    tree, cues = flatten(builder.build())
    left = tree.left_edges()[tree.root]
    relation = next((fact for fact in used if isinstance(fact, Relation | Closest)), None)
    return SceneExpression(
        text=tree.text,
        kind=kind,
        style=style,
        tree=tree,
        noun_phrase=tree.phrase((left, tree.root + 1)),
        head=tree.words[tree.root],
        context_tokens=tuple(word for word, cue in zip(tree.words, cues, strict=True) if cue),
        direction=next((place for place in map(_direction, used) if place), None),
        relation=None if relation is None else relation.name if isinstance(relation, Relation) else "near",
        relation_object=builder.relation_object,
        form=Form(name, used),
        target=target,
    )


#: Facts in the order in which they are put into words: what belongs to the noun does not follow another object.
_ORDER = (Ordinal, Outermost, Extent, Colour, Size, Half, Corner, Closest, Relation)


def _order(fact: Fact) -> int:
    return _ORDER.index(type(fact))


def _same_object(first: Fact, second: Fact) -> bool:
    """Return whether both facts refer to the same other object, which would be named twice."""
    if isinstance(first, Relation | Closest) and isinstance(second, Relation | Closest):
        return first.other == second.other
    return False


def _direction(fact: Fact) -> str | None:
    if isinstance(fact, Corner):
        return f"{fact.vertical} {fact.horizontal}"
    return fact.value if isinstance(fact, Half | Outermost) else None


GoldExample = tuple[GoldTree, str, str, tuple[str, ...], str | None, str | None]


def gold_examples(seed: int, count: int, style: str | None = None) -> Iterator[GoldExample]:
    """Yield expressions of random scenes without drawing them, to train a parser.

    Args:
        seed: The same seed gives the same expressions.
        count: Number of expressions.
        style: One style, or None for all three in turn.

    Yields:
        (tree, noun phrase, head, context tokens, direction, relation).

    Raises:
        InvalidInputError: An unknown style.
    """
    if style is not None and style not in STYLES:
        raise InvalidInputError(f"style {style!r} is unknown; styles are {', '.join(STYLES)}, or None for all")
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        layout = sample_layout(int(rng.integers(1 << 62)), same_noun=0.75)
        semantics = SceneSemantics(layout)
        for target in range(len(layout.objects)):
            for expression in expressions(
                layout, target, style=style or STYLES[made % 3], rng=rng, semantics=semantics
            ):
                yield (
                    expression.tree,
                    expression.noun_phrase,
                    expression.head,
                    expression.context_tokens,
                    expression.direction,
                    expression.relation,
                )
                made += 1
                if made == count:
                    return
