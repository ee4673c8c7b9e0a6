"""The choice of scene and expressions for a split and an index, without drawing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from zsris_viz.errors import UnavailableError
from zsris_viz.miniature.world.distinguishing import KINDS, distinguishing_facts
from zsris_viz.miniature.world.grammar import SceneExpression, expressions
from zsris_viz.miniature.world.layout import SceneLayout, sample_layout
from zsris_viz.miniature.world.semantics import SceneSemantics
from zsris_viz.miniature.world.visibility import visible_shares
from zsris_viz.miniature.world.words import NOUNS, PEOPLE

#: Part of every seed: a change of the world or its grammar raises it, so that results of two worlds cannot be mixed up.
VERSION = 1

SPLITS: dict[str, int] = {"train": 20000, "val": 500, "testA": 500, "testB": 500, "test": 500}

#: How often each style is drawn in "mixed", and each kind where it is possible. Found by trial on "train", so that the
#: shares of kinds come out near 25 % noun, 25 colour, 15 size, 17 position, 10 relation and 8 ordinal: what few objects
#: allow is drawn more often than it shall come up.
_STYLE_SHARES = {"refcoco": 0.39, "refcoco+": 0.32, "refcocog": 0.29}
_KIND_WEIGHTS: dict[str, dict[str, float]] = {
    "refcoco": {"noun": 0.24, "colour": 0.25, "size": 0.23, "position": 0.16, "relation": 0.04, "ordinal": 0.08},
    "refcoco+": {"noun": 0.27, "colour": 0.20, "size": 0.36, "relation": 0.17},
    "refcocog": {"noun": 0.18, "colour": 0.20, "size": 0.25, "position": 0.12, "relation": 0.17, "ordinal": 0.08},
}
#: For which kind a scene is made; for some kinds the least number of objects and the chance that two share a noun.
_SCENE_WEIGHTS = {"noun": 0.22, "colour": 0.20, "size": 0.22, "position": 0.12, "relation": 0.08, "ordinal": 0.16}
_ROOM: dict[str, tuple[int, float]] = {"noun": (2, 0.3), "ordinal": (3, 0.9)}
_OTHER_THINGS = tuple(noun for noun in NOUNS if noun not in PEOPLE)
#: How many layouts are tried for one in which something can be singled out by the kind that is drawn.
_TRIES = 12


def scene_seed(split: str, index: int, purpose: str = "layout") -> int:
    """Return a seed that depends only on its arguments and the version of the world; the same in every process.

    Returns:
        A whole number from 0 to 2**63 - 1.
    """
    digest = hashlib.sha256(f"scenes/{VERSION}/{split}/{index}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class Plan:
    """The plan of a scene of a split, before the scene is drawn.

    Attributes:
        split: Name of the split.
        index: Number of the scene in the split.
        layout: Objects and their places.
        semantics: Truth of facts in that layout.
        visible: For every object the visible share, 0-1.
        targets: Indices of the objects that the split may describe.
    """

    split: str
    index: int
    layout: SceneLayout
    semantics: SceneSemantics
    visible: list[float]
    targets: list[int]

    def facts_for(self, target: int, kind: str, style: str) -> list:
        """Return the facts of a kind that distinguish an object; see :func:`.distinguishing.distinguishing_facts`."""
        return distinguishing_facts(self.semantics, target, kind, style, visible=self.visible)

    def possible(self, kind: str, style: str) -> bool:
        """Return whether a fact of the kind identifies any object."""
        return any(self.facts_for(target, kind, style) for target in self.targets)


def plan_scene(split: str, index: int) -> Plan:
    """Return the scene of an index, in which a drawn kind of fact and one without directions identify an object.

    It does not depend on the style, so that all styles describe the same images.

    Args:
        split: A key of `SPLITS`.
        index: Number of the scene in the split.

    Raises:
        UnavailableError: No such scene was found, which has never been observed.
    """
    wanted = {"testA": PEOPLE, "testB": _OTHER_THINGS}.get(split)
    kind = _weighted(np.random.default_rng(scene_seed(split, index)), _SCENE_WEIGHTS)
    least, same_noun = _ROOM.get(kind, (2, 0.6))
    best: Plan | None = None
    for attempt in range(_TRIES):
        seed = scene_seed(split, index, f"layout/{attempt}")
        layout = sample_layout(seed, least=least, most=6, same_noun=same_noun, target_nouns=wanted)
        people = {"testA": True, "testB": False}.get(split)
        targets = [place for place, item in enumerate(layout.objects) if people is None or item.is_person == people]
        plan = Plan(split, index, layout, SceneSemantics(layout), visible_shares(layout).tolist(), targets)
        if any(plan.possible(other, "refcoco+") for other in KINDS):
            best = plan
            if plan.possible(kind, "refcoco"):
                break
    if best is None:
        raise UnavailableError(f"no scene with a referent was found for {split} {index}; take another index")
    return best


def generate_expressions(plan: Plan, style: str) -> list[tuple[int, tuple[SceneExpression, ...]]]:
    """Generate the expressions of a planned scene.

    Args:
        plan: The scene.
        style: "mixed", "refcoco", "refcoco+" or "refcocog".

    Returns:
        1 to 3 pairs of an object's index in the layout and its 1 to 3 expressions.
    """
    rng = np.random.default_rng(scene_seed(plan.split, plan.index, f"expressions/{style}"))
    generated: dict[int, tuple[SceneExpression, ...]] = {}
    wanted = min(1 + int(rng.integers(3)), len(plan.targets))
    for _ in range(8):
        drawn_style = _draw_style(style, rng)
        choice = _draw_target(plan, [target for target in plan.targets if target not in generated], drawn_style, rng)
        if choice:
            generated[choice[0]] = _expressions_for(plan, *choice, style, drawn_style, rng)
        if len(generated) >= wanted:
            break
    return list(generated.items())


def _expressions_for(
    plan: Plan, target: int, kind: str, style: str, first_style: str, rng: np.random.Generator
) -> tuple[SceneExpression, ...]:
    """Return 1 to 3 expressions for one object, the first of the given kind."""
    chosen = [(first_style, kind)]
    for _ in range(int(rng.integers(3))):
        drawn_style = _draw_style(style, rng)
        weights = {
            other: weight
            for other, weight in _KIND_WEIGHTS[drawn_style].items()
            if plan.facts_for(target, other, drawn_style)
        }
        if weights:
            chosen.append((drawn_style, _weighted(rng, weights)))
    found: dict[str, SceneExpression] = {}
    for drawn_style, other in chosen:
        for expression in expressions(
            plan.layout,
            target,
            style=drawn_style,
            rng=rng,
            visible=plan.visible,
            kinds=(other,),
            semantics=plan.semantics,
        ):
            found.setdefault(expression.text, expression)
    return tuple(found.values())


def _draw_style(style: str, rng: np.random.Generator) -> str:
    return _weighted(rng, _STYLE_SHARES) if style == "mixed" else style


def _draw_target(plan: Plan, targets: list[int], style: str, rng: np.random.Generator) -> tuple[int, str] | None:
    """Return an object and a kind that singles it out; the kind is drawn among those that are possible."""
    weights = dict(_KIND_WEIGHTS[style])
    while weights:
        kind = _weighted(rng, weights)
        fitting = [target for target in targets if plan.facts_for(target, kind, style)]
        if fitting:
            return fitting[int(rng.integers(len(fitting)))], kind
        del weights[kind]
    return None


def _weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """Return a key, drawn by its weight."""
    left = float(rng.random()) * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left < 0:
            return key
    return key
