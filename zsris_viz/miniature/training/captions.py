"""Captions for training pictures, with the facts that they state, and captions with one error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zsris_viz.miniature.training.caption_truth import (
    ANY,
    CLOTHING,
    COLOUR,
    EXTENT,
    NOUN,
    RELATIONS,
    SIZE,
    UNKNOWN,
    Claim,
    Mention,
    X,
    Y,
    possible,
)
from zsris_viz.miniature.world.words import CLOTHES, COLOURS, DIRECTIONS, NOUNS, ORDINALS, PEOPLE, SIZES, names_of
from zsris_viz.miniature.world.words import RELATIONS as RELATION_WORDS

COLOUR_NAMES = tuple(COLOURS)
ACROSS = ("left", "middle", "right")
DOWN = ("top", "bottom")
PREFIXES = ("", "", "", "", "a photo of ", "a picture of ", "there is ")


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    # The first option is the usual one, so that rarer words do not water it down.
    return options[0] if rng.random() < 0.5 else options[int(rng.integers(len(options)))]


def _noun(rng: np.random.Generator, noun: int) -> str:
    return _pick(rng, names_of(NOUNS[noun]))


def describe(mention: Mention, rng: np.random.Generator, *, article: str | None = None) -> str:
    """Return a mention in words: "the small red cup on the left", "left guy red shirt"."""
    noun = _noun(rng, mention.noun)
    before: list[str] = []
    after: list[str] = []
    if mention.size != ANY:
        before.append(_pick(rng, tuple(SIZES.values())[mention.size]))
    if mention.colour != ANY:
        colour = COLOUR_NAMES[mention.colour]
        if NOUNS[mention.noun] in PEOPLE:
            garment = CLOTHES[mention.clothing] if mention.clothing != ANY else ""
            if not garment:
                after.append(_pick(rng, (f"in {colour}", f"wearing {colour}", f"dressed in {colour}")))
            else:
                dressed = (
                    f"in {colour} {garment}",
                    f"in a {colour} {garment}",
                    f"{colour} {garment}",
                    f"with a {colour} {garment}",
                    f"wearing a {colour} {garment}",
                )
                after.append(_pick(rng, dressed))
        else:
            before.append(colour)
    elif mention.clothing != ANY:
        after.append(f"in a {CLOTHES[mention.clothing]}")
    place = [DOWN[mention.down]] if mention.down != ANY else []
    place += [ACROSS[mention.across]] if mention.across != ANY else []
    if place:
        style = int(rng.integers(4))
        if style == 0:
            before = [*(place if len(place) > 1 else [_pick(rng, DIRECTIONS[place[0]])]), *before]
        elif style == 1:
            after.append("on the " + " ".join(place) + ("" if rng.random() < 0.6 else " side"))
        elif style == 2:
            after.append(_pick(rng, ("at the", "on", "in the", "to the")) + " " + " ".join(place))
        else:
            before = ["the", *place, *before] if rng.random() < 0.5 else [*place, *before]
            article = ""
    if article is None:
        article = ("a", "the", "")[int(rng.integers(3))]
    if article == "a" and (before or [noun])[0][0] in "aeiou":
        article = "an"
    return " ".join([*([article] if article else []), *before, noun, *after])


def _mention(rng: np.random.Generator, row: np.ndarray, *, colour: float, size: float, place: float) -> Mention:
    """Return a true mention of one object, with each attribute at the given probability."""
    person = row[CLOTHING] >= 0
    with_colour = rng.random() < colour
    mention = Mention(
        noun=int(row[NOUN]),
        colour=int(row[COLOUR]) if with_colour else ANY,
        clothing=int(row[CLOTHING]) if person and rng.random() < (0.5 if with_colour else 0.1) else ANY,
        size=int(row[SIZE]) if row[SIZE] != UNKNOWN and rng.random() < size else ANY,
    )
    if np.isnan(row[X]) or rng.random() >= place:
        return mention
    x, y = row[X], row[Y]
    across = 0 if x < 0.4 else 2 if x > 0.6 else 1 if abs(x - 0.5) < 0.07 and abs(y - 0.5) < 0.2 else ANY
    down = 0 if y < 0.4 else 1 if y > 0.6 else ANY
    if across in (0, 2) and down != ANY:
        choice = rng.random()
        across, down = (across, ANY) if choice < 0.4 else (ANY, down) if choice < 0.75 else (across, down)
    elif across == 1:
        down = ANY
    return replace(mention, across=across, down=down)


def _relations(a: np.ndarray, b: np.ndarray) -> list[str]:
    """Return the relations in which object a certainly stands to object b."""
    dx, dy = a[X] - b[X], a[Y] - b[Y]
    ratio = a[EXTENT] / b[EXTENT]
    holds = {
        "left": dx < -0.18 and abs(dx) > abs(dy), "right": dx > 0.18 and abs(dx) > abs(dy),
        "above": dy < -0.18 and abs(dy) > abs(dx), "below": dy > 0.18 and abs(dy) > abs(dx),
        "bigger": ratio > 1.35, "smaller": ratio < 0.74, "near": np.hypot(dx, dy) < 0.35,
    }  # fmt: skip
    return [name for name, true in holds.items() if true]


def caption(rng: np.random.Generator, facts: np.ndarray) -> tuple[str, Claim]:
    """Return a true caption of a picture.

    Args:
        rng: source of randomness.
        facts: (M, 7) of one picture with at least one object.

    Returns:
        The text in words of the world's vocabulary, and what it claims.
    """
    rows = [row for row in facts if row[NOUN] >= 0]
    first = rows[int(rng.integers(len(rows)))]
    if len(rows) > 1 and rng.random() < 0.4 and not np.isnan(first[X]):
        second = rows[int(rng.integers(len(rows)))]
        while second is first:
            second = rows[int(rng.integers(len(rows)))]
        a = _mention(rng, first, colour=0.55, size=0.2, place=0.0)
        b = _mention(rng, second, colour=0.55, size=0.2, place=0.0)
        relations = _relations(first, second)
        named = relations[int(rng.integers(len(relations)))] if relations and rng.random() < 0.75 else "and"
        claim = Claim(a, b, RELATIONS.index(named))
        return _sentence(claim, rng), claim
    mention = _mention(rng, first, colour=0.6, size=0.3, place=0.4)
    if rng.random() < 0.04 and len(rows) > 1 and mention.across == ANY and mention.down == ANY:
        # Ordinals and superlatives: their words are heard, but only noun and colour are claimed.
        plain = replace(mention, size=ANY)
        word = _pick(rng, (*ORDINALS, "biggest", "largest", "smallest"))
        text = f"{word} {describe(plain, rng, article='')}"
        return text + (f" from the {ACROSS[2 * int(rng.integers(2))]}" if word in ORDINALS else ""), Claim(plain)
    claim = Claim(mention)
    return _sentence(claim, rng), claim


def _other(rng: np.random.Generator, count: int, not_this: int) -> int:
    return int((not_this + 1 + rng.integers(count - 1)) % count)


def corrupted(rng: np.random.Generator, claim: Claim, facts: np.ndarray) -> tuple[str, Claim, str]:
    """Return the claim with one error in what the caption states.

    Args:
        rng: source of randomness.
        claim: a true claim of the picture.
        facts: (M, 7) of the picture.

    Returns:
        The text, what it claims, and the kind of error: noun, colour, size, position or relation. A claim that stays
        possible after five tries is replaced by one of a noun that is not in the picture.
    """
    first = claim.first
    kinds = ["noun"]
    kinds += ["colour"] * 2 if first.colour != ANY else []
    kinds += ["size"] * 2 if first.size != ANY else []
    kinds += ["position"] * 3 if first.across in (0, 2) or first.down != ANY else []
    kinds += ["relation"] * 4 if claim.relation > 1 and RELATIONS[claim.relation] != "near" else []
    for _ in range(5):
        kind = kinds[int(rng.integers(len(kinds)))]
        wrong = claim
        if kind == "noun":
            wrong = replace(claim, first=replace(first, noun=_other(rng, len(NOUNS), first.noun), clothing=ANY))
        elif kind == "colour":
            wrong = replace(claim, first=replace(first, colour=_other(rng, len(COLOUR_NAMES), first.colour)))
        elif kind == "size":
            wrong = replace(claim, first=replace(first, size=1 - first.size))
        elif kind == "position":
            across = 2 - first.across if first.across in (0, 2) else first.across
            wrong = replace(
                claim, first=replace(first, across=across, down=1 - first.down if first.down != ANY else ANY)
            )
        else:
            opposite = {2: 3, 3: 2, 4: 5, 5: 4, 6: 7, 7: 6}[claim.relation]
            wrong = (
                replace(claim, relation=opposite) if rng.random() < 0.5 else Claim(claim.second, first, claim.relation)
            )
        if not possible([wrong], facts[None])[0, 0]:
            return _sentence(wrong, rng), wrong, kind
    present = set(facts[:, NOUN].astype(int).tolist())
    absent = [index for index in range(len(NOUNS)) if index not in present]
    wrong = Claim(Mention(noun=absent[int(rng.integers(len(absent)))]))
    return _sentence(wrong, rng), wrong, "noun"


def _sentence(claim: Claim, rng: np.random.Generator) -> str:
    """Return a claim in words, in the style of true captions, so that the style does not give the error away."""
    prefix = _pick(rng, PREFIXES)
    if claim.relation == 0:
        return prefix + describe(claim.first, rng)
    name = RELATIONS[claim.relation]
    if name == "and":
        return prefix + f"{describe(claim.first, rng)} and {describe(claim.second, rng)}"
    link = RELATION_WORDS[name][int(rng.integers(len(RELATION_WORDS[name])))]
    link = ("that is " if rng.random() < 0.2 else "") + link
    first = describe(claim.first, rng)
    return f"{prefix}{first} {link} {describe(claim.second, rng, article='the' if rng.random() < 0.7 else 'a')}"
