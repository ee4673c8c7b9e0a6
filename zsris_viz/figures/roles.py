"""The colour and line style of every role, shared by all figures and explorers.

The colours are those of Okabe and Ito (2008), which people with any kind of colour blindness can tell apart; their
yellow is darkened, because it cannot be seen on white paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zsris_viz.errors import InvalidInputError

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, YELLOW, GREY = "#56B4E9", "#E69F00", "#B8A600", "#666666"
PALETTE = (ORANGE, SKY, GREEN, PURPLE, YELLOW, BLUE, VERMILION, GREY)


@dataclass(frozen=True)
class Role:
    """The style of all elements with the same role.

    Attributes:
        colour: "#rrggbb".
        dashed: whether its outlines are dashed.
        fill: opacity of its area on an image, 0-1; outlines are preferred, since a tint hides the colours of objects.
        width: width of its outlines in points; that of the ground truth is wider, so that it is visible below a choice.
        title: its name in a legend.
    """

    colour: str
    dashed: bool = False
    fill: float = 0.0
    width: float = 1.4
    title: str = ""


ROLES: Mapping[str, Role] = {
    "truth": Role(BLUE, dashed=True, width=3.2, title="ground truth"),
    "choice": Role(VERMILION, fill=0.25, title="choice"),
    "previous choice": Role(GREY, title="choice with all tokens"),
    "proposal": Role("#4D4D4D", title="proposal"),
    "selected": Role(ORANGE, fill=0.25, title="selected proposal"),
    "first cluster": Role(ORANGE, fill=0.25, title="first cluster"),
    "second cluster": Role(SKY, fill=0.25, title="second cluster"),
    "third cluster": Role(GREEN, fill=0.25, title="third cluster"),
    "noun phrase": Role(GREEN, title="noun phrase"),
    "head": Role(SKY, title="head noun"),
    "context": Role(PURPLE, title="context words"),
    "direction": Role(YELLOW, title="direction"),
    "relation": Role(ORANGE, title="relation"),
    "other": Role("#8A8A8A", title="other words"),
    "sam": Role(ORANGE, title="SAM"),
    "felzenszwalb": Role(PURPLE, title="Felzenszwalb"),
    "ground truth": Role(BLUE, title="ground-truth masks"),
    "measured": Role(VERMILION, title="measured"),
    "published": Role(GREY, title="published"),
    "chance": Role(GREY, dashed=True, title="chance"),
    "shuffled": Role(ORANGE, title="shuffled control"),
    "untrained": Role(GREY, title="untrained tower"),
    "positive": Role(GREEN, title="positive control"),
    "recoloured": Role(PURPLE, title="colours exchanged"),
    "other image": Role(SKY, title="content of another image"),
    "flip": Role(GREEN, title="flip"),
    "quadrant swap": Role(YELLOW, title="quadrant swap"),
    "patch shuffle": Role(PURPLE, title="patch shuffle"),
    "object moved": Role(VERMILION, title="object moved"),
    "negated": Role(VERMILION, title="negated patches"),
    "not negated": Role(SKY, title="patches as they are"),
    "global": Role(PURPLE, title="global"),
    "local": Role(GREEN, title="local"),
    "global-local": Role(ORANGE, title="global-local"),
    "V-score": Role(SKY, title="V-score"),
    "P-score": Role(GREEN, title="P-score"),
    "N-score": Role(PURPLE, title="N-score"),
    "rectifier": Role(YELLOW, title="rectifier"),
    "right": Role(GREEN, title="right"),
    "failed": Role("#222222", title="failed"),
    "no target": Role(YELLOW, title="no target"),
    "no proposal fits": Role("#BBBBBB", title="no proposal fits"),
    "no mask": Role("#DDDDDD", title="no mask"),
    "right class, wrong instance": Role(VERMILION, title="right class, wrong instance"),
    "wrong class": Role(ORANGE, title="wrong class"),
    "part of object": Role(SKY, title="part of object"),
    "more than the object": Role(BLUE, title="more than the object"),
    "wrong object": Role(PURPLE, title="wrong object"),
    "upper bound": Role("#222222", dashed=True, title="upper bound"),
    "map": Role(GREEN, title="map above the middle of its range"),
}


def role(name: str) -> Role:
    """Return the role `name` of the table.

    Args:
        name: a key of `ROLES`.

    Raises:
        InvalidInputError: The table has no such role.
    """
    try:
        return ROLES[name]
    except KeyError:
        raise InvalidInputError(f"the role {name!r} is unknown; use one of {', '.join(ROLES)}.") from None
