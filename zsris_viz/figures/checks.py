"""Detection of unreadable text in a figure: outside the canvas or on top of other text."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

TOLERANCE = 1.5  # pixels


def text_problems(fig: Figure) -> list[str]:
    """Draw a figure and return its texts that are cut off or overlap other texts.

    Args:
        fig: the figure; its layout is computed, nothing else changes.

    Returns:
        One sentence for each problem; none for a figure whose text can be read. Rotated texts are compared with the
        canvas only, since their boxes may overlap although the texts do not.
    """
    boxes = [(text, box) for text, box in _drawn_texts(fig)]
    problems = []
    canvas = fig.bbox
    for text, box in boxes:
        sides = {
            "left": canvas.x0 - box.x0,
            "right": box.x1 - canvas.x1,
            "bottom": canvas.y0 - box.y0,
            "top": box.y1 - canvas.y1,
        }
        cut = [f"{excess:.0f} pixels at the {side}" for side, excess in sides.items() if excess > TOLERANCE]
        if cut:
            problems.append(f"{text.get_text()!r} is cut off: {', '.join(cut)}.")
    straight = [(text, box) for text, box in boxes if text.get_rotation() % 90 == 0]
    for (text, first), (other, second) in combinations(straight, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        if width > TOLERANCE and height > TOLERANCE:
            texts = f"{text.get_text()!r} and {other.get_text()!r}"
            problems.append(f"{texts} overlap by {width:.0f} x {height:.0f} pixels.")
    return problems


def _drawn_texts(fig: Figure) -> list[tuple[Text, Any]]:
    """Return every text that is drawn, with its box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(fig)
    canvas.draw()  # computes the layout
    renderer = canvas.get_renderer()
    drawn: dict[int, Text] = {}
    draw_text = renderer.draw_text

    def record(*args: Any, **options: Any) -> Any:
        text = options.get("mtext")
        if text is not None and text.get_text().strip():
            drawn[id(text)] = text
        return draw_text(*args, **options)

    renderer.draw_text = record
    fig.draw(renderer)
    return [(text, text.get_window_extent(renderer)) for text in drawn.values()]


def alt_text(fig: Figure) -> str:
    """Describe a figure in a sentence or two for readers who cannot see it.

    Args:
        fig: the figure.

    Returns:
        The figure's title, the titles of its panels, and the labels of their axes and legends; "A figure." without any.
    """
    from matplotlib.axes import Axes

    parts, titles, labels, legends, texts = [], [], [], [], []
    if fig.get_suptitle():
        parts.append(" ".join(fig.get_suptitle().split()))
    for axes in fig.findobj(Axes):
        assert isinstance(axes, Axes)
        titles += [axes.get_title(loc="left"), axes.get_title(loc="center")]
        if axes.axison and axes.get_xlabel() and axes.get_ylabel():
            labels.append(f"{axes.get_ylabel()} against {axes.get_xlabel()}")
        if not axes.axison:
            texts += [text.get_text() for text in axes.texts]
        if (legend := axes.get_legend()) is not None:
            legends += [text.get_text() for text in legend.get_texts()]
    letters = [text for text in texts if len(text) == 1]  # a text that is drawn letter by letter
    texts = ["".join(letters), *(text for text in texts if len(text) > 1)]
    for name, found in (("Panels", titles), ("Axes", labels), ("Legend", legends), ("Text", texts)):
        kept = [" ".join(text.split()) for text in dict.fromkeys(found) if text.strip()]
        if kept:
            parts.append(f"{name}: {'; '.join(kept)}")
    return ". ".join(part.strip().rstrip(".") for part in parts) + "." if parts else "A figure."
