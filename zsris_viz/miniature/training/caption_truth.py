"""The facts of a training picture as arrays, so that the truth of every caption for every picture of a batch is
one expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zsris_viz.miniature.world.layout import SceneLayout
from zsris_viz.miniature.world.words import CLOTHES, COLOURS, NOUNS

MOST_OBJECTS = 4
ANY, UNKNOWN = -1, -2

NOUN_INDEX = {noun: index for index, noun in enumerate(NOUNS)}
COLOUR_INDEX = {colour: index for index, colour in enumerate(COLOURS)}
SIZE_INDEX = {"small": 0, "big": 1}
CLOTHES_INDEX = {clothes: index for index, clothes in enumerate(CLOTHES)}

#: Columns of a picture's facts. Places and extents are fractions of the side; NaN where a crop hides them.
NOUN, COLOUR, SIZE, CLOTHING, X, Y, EXTENT = range(7)

RELATIONS = ("none", "and", "left", "right", "above", "below", "bigger", "smaller", "near")


def facts_of(layout: SceneLayout, *, cropped: bool = False) -> np.ndarray:
    """Return the facts of a picture.

    Args:
        layout: what stands where; at most four objects.
        cropped: the picture shows the object cut out and enlarged, so its size and place cannot be seen.

    Returns:
        (4, 7) float32; rows beyond the objects have noun -3, which no caption matches.
    """
    facts = np.full((MOST_OBJECTS, 7), -3, dtype=np.float32)
    for row, item in zip(facts, layout.objects, strict=False):
        row[NOUN] = NOUN_INDEX[item.noun]
        row[COLOUR] = COLOUR_INDEX[item.colour]
        row[SIZE] = UNKNOWN if cropped else SIZE_INDEX[item.size]
        row[CLOTHING] = CLOTHES_INDEX[item.clothes] if item.clothes else ANY
        row[X], row[Y] = (np.nan, np.nan) if cropped else item.centre
        row[EXTENT] = np.nan if cropped else item.extent
    return facts


@dataclass(frozen=True)
class Mention:
    """One object as a caption describes it; ANY (-1) where it says nothing."""

    noun: int = ANY
    colour: int = ANY
    size: int = ANY
    clothing: int = ANY
    #: 0 left, 1 middle, 2 right; and 0 top, 1 bottom.
    across: int = ANY
    down: int = ANY


@dataclass(frozen=True)
class Claim:
    """What a caption says: one object, or two and how they stand."""

    first: Mention
    second: Mention = Mention()
    relation: int = 0


def _columns(mentions: list[Mention]) -> np.ndarray:
    return np.array([(m.noun, m.colour, m.size, m.clothing, m.across, m.down) for m in mentions], dtype=np.float32)


def _matches(mentions: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Return which objects a mention may mean: mentions (T, 6), facts (B, M, 7) -> bool (T, B, M)."""
    wanted = mentions[:, None, None, :]
    objects = facts[None]
    matched = objects[..., NOUN] >= 0
    for column, fact in ((0, NOUN), (1, COLOUR), (2, SIZE), (3, CLOTHING)):
        matched = matched & (
            (wanted[..., column] == ANY) | (wanted[..., column] == objects[..., fact]) | (objects[..., fact] == UNKNOWN)
        )
    across, down = wanted[..., 4], wanted[..., 5]
    x, y = objects[..., X], objects[..., Y]
    hidden = np.isnan(x)
    # The halves reach 5 % over the middle: what a person might still call "left" is never taught as wrong.
    matched &= (
        (across == ANY)
        | hidden
        | ((across == 0) & (x < 0.55))
        | ((across == 2) & (x > 0.45))
        | ((across == 1) & (abs(x - 0.5) < 0.2))
    )
    matched &= (down == ANY) | hidden | ((down == 0) & (y < 0.55)) | ((down == 1) & (y > 0.45))
    return matched


def _may_be_related(relation: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Return whether the ordered pairs of a picture's objects may stand in a relation.

    Args:
        relation: (T,), a relation of each caption.
        facts: (B, M, 7), the facts of the M objects of each picture.

    Returns:
        (T, B, M, M) bool.
    """
    x, y, extent = facts[..., X], facts[..., Y], facts[..., EXTENT]
    dx, dy = x[:, :, None] - x[:, None, :], y[:, :, None] - y[:, None, :]
    ratio = extent[:, :, None] / extent[:, None, :]
    lenient = {
        "left": dx < 0.05, "right": dx > -0.05, "above": dy < 0.05, "below": dy > -0.05,
        "bigger": ratio > 0.95, "smaller": ratio < 1.05, "near": np.hypot(dx, dy) < 0.6,
    }  # fmt: skip
    count = facts.shape[1]
    table = np.ones((len(RELATIONS), len(facts), count, count), dtype=bool)
    for name, holds in lenient.items():
        table[RELATIONS.index(name)] = holds | np.isnan(dx)
    table[:, :, np.arange(count), np.arange(count)] = False
    return table[relation]


def possible(claims: list[Claim], facts: np.ndarray) -> np.ndarray:
    """Return which captions may be true of which pictures.

    Args:
        claims: T claims.
        facts: (B, M, 7) float32.

    Returns:
        (T, B) bool; False only where the caption is surely wrong, so that it may serve as a negative.
    """
    with np.errstate(invalid="ignore"):
        first = _matches(_columns([claim.first for claim in claims]), facts)
        result = np.asarray(first.any(-1))
        relation = np.array([claim.relation for claim in claims])
        pairs = np.flatnonzero(relation)
        if len(pairs):
            second = _matches(_columns([claims[index].second for index in pairs]), facts)
            both = first[pairs][..., :, None] & second[..., None, :] & _may_be_related(relation[pairs], facts)
            result[pairs] = both.any((-1, -2))
    return result
