"""A text with marked parts: noun phrase, head, context words, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import colours, new_figure
from zsris_viz.figures.roles import ROLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.methods.expression_parts import ExpressionParts

Span = tuple[int, int, str]
LETTER = 0.115  # inches, the width of a letter


def show_spans(text: str, spans: Sequence[Span], *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """Draw a text with a bar under each span, and its name below; overlapping spans are drawn on separate lines.

    Args:
        text: one line.
        spans: (first letter, letter after the last, name) each; equal names share a colour, that of the role of this
            name where there is one.
        title: above the text.
        ax: where to draw; None for a new figure.

    Returns:
        The figure (of `ax`).

    Raises:
        InvalidInputError: The text is empty, or a span lies outside it.
    """
    if not text.strip():
        raise InvalidInputError("the text to mark is empty; give at least one word.")
    for start, end, name in spans:
        if not 0 <= start < end <= len(text):
            raise InvalidInputError(f"span {name!r} from {start} to {end} is outside the text of {len(text)} letters.")
    lines = _lines(text, spans)
    depth = 1 + max(lines, default=-1)
    if ax is None:
        width = LETTER * (len(text) + 4)
        _, axes = new_figure(size=(max(2.0, width), 0.5 + 0.34 * depth + (0.25 if title else 0)))
        ax = axes[0, 0]
    names = list(dict.fromkeys(name for _, _, name in spans))
    shades = {
        name: ROLES[name].colour if name in ROLES else spare
        for name, spare in zip(names, colours(max(1, len(names))), strict=False)
    }
    for place, character in enumerate(text):
        ax.text(
            place + 0.5,
            0,
            character,
            family="monospace",
            fontsize=LETTER * 110,
            ha="center",
            va="center",
            parse_math=False,
        )
    for (start, end, name), line in zip(spans, lines, strict=True):
        height = -0.75 - 1.15 * line
        ax.plot([start + 0.1, end - 0.1], [height, height], color=shades[name], linewidth=4, solid_capstyle="butt")
        ax.text((start + end) / 2, height - 0.18, name, ha="center", va="top", fontsize=7)
    ax.set_xlim(-1, len(text) + 1)
    ax.set_ylim(-0.9 - 1.15 * depth, 0.8)
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title, loc="left")
    return ax.figure  # type: ignore[return-value]


def show_message(text: str) -> Figure:
    """Draw a line of text in place of a figure for which a run has nothing to show.

    Args:
        text: one sentence.

    Returns:
        The figure.
    """
    fig, axes = new_figure(size=(max(3.0, 0.075 * len(text)), 0.7))
    axes[0, 0].text(0, 0.5, text, va="center", parse_math=False)
    axes[0, 0].set_axis_off()
    return fig


def expression_spans(parts: ExpressionParts) -> list[Span]:
    """Return the noun phrase, the head noun and the context words of an expression as spans for :func:`show_spans`.

    Args:
        parts: the expression with its parts; a part that does not occur in the text is left out.
    """
    text, found = parts.text, []
    start = text.find(parts.noun_phrase)
    if start >= 0:
        found.append((start, start + len(parts.noun_phrase), "noun phrase"))
    head = text.find(parts.head, max(start, 0)) if parts.head else -1
    if head >= 0:
        found.append((head, head + len(parts.head), "head"))
    end = 0
    for word in parts.context_tokens:
        place = text.find(word, end)
        if place >= 0:
            end = place + len(word)
            found.append((place, end, "context"))
    return found


def _lines(text: str, spans: Sequence[Span]) -> list[int]:
    """Return for each span the first line where neither its bar nor its name touches an earlier one's."""
    taken: list[list[tuple[float, float]]] = []
    lines = []
    for start, end, name in spans:
        middle, half = (start + end) / 2, max(end - start, 0.75 * len(name) + 1) / 2
        left, right = middle - half, middle + half
        line = 0
        while line < len(taken) and any(
            left < other_right and other_left < right for other_left, other_right in taken[line]
        ):
            line += 1
        if line == len(taken):
            taken.append([])
        taken[line].append((left, right))
        lines.append(line)
    return lines
