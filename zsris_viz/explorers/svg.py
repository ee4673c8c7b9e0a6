"""Charts of the explorers as SVG text: a curve with a cursor, a table of shades, and scores before and after.

Everything that can be clicked has a `data-key` (see `Clickable`) and a title, which the browser shows under the mouse.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from zsris_viz.explorers.raster import colour_table, number
from zsris_viz.figures.layout import CHOSEN, SEQUENTIAL

GREY = "#888888"
Series = Mapping[str, Sequence[float | None]]


def curve(
    places: Sequence[int],
    series: Series,
    *,
    cursor: int,
    colours: Sequence[str],
    label: str = "IoU",
    axis: str = "layer",
    width: int = 620,
    height: int = 190,
) -> str:
    """Lines over whole numbers, with a cursor at one of them; a click anywhere has the key of the nearest.

    Values are from 0 to 1.

    Args:
        places: x. series: name -> a value for each place, None where there is none. cursor: one of the places.
        colours: one for each series. label, axis: of y and x.
    """
    top = next_step(max((v for values in series.values() for v in values if v is not None), default=1.0))
    left, right, low, high = 44, width - 12, height - 34, 24
    step = (right - left) / max(1, len(places))
    x = {place: left + (index + 0.5) * step for index, place in enumerate(places)}

    def y(value: float) -> float:
        return low - (low - high) * min(max(value, 0.0), top) / top

    parts = [_text(x[cursor], low + 27, axis, anchor="middle")]
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        height_of = y(share * top)
        parts.append(_line(left, height_of, right, height_of, GREY, 0.4))
        parts.append(_text(left - 6, height_of + 4, f"{share * top:.2f}", anchor="end"))
    parts += [_text(x[place], low + 14, str(place), anchor="middle", bold=place == cursor) for place in places]
    parts.append(_line(x[cursor], high - 6, x[cursor], low, CHOSEN, 1.5, "zsris-cursor"))
    legend = float(left)
    for (name, values), colour in zip(series.items(), colours, strict=False):
        points = [
            (x[place], y(value))
            for place, value in zip(places, values, strict=True)
            if value is not None and _real(value)
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        parts.append(f'<rect x="{legend:.0f}" y="4" width="12" height="4" fill="{colour}"/>')
        parts.append(_text(legend + 16, 10, name))
        legend += 30 + 6.2 * len(name)
    for index, place in enumerate(places):
        told = [
            f"{name} {number(v)}" for name, values in series.items() if (v := values[index]) is not None and _real(v)
        ]
        title = html.escape(f"{axis} {place}: " + (", ".join(told) or "no value"))
        parts.append(
            f'<rect data-key="{place}" x="{left + index * step:.1f}" y="{high - 6}" width="{step:.1f}" '
            f'height="{low - high + 24}" fill="transparent"><title>{title}</title></rect>'
        )
    parts.append(_text(left - 6, high - 8, label, anchor="end"))
    return _svg(width, height, f"{label} by {axis}", parts)


def shades(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    limits: tuple[float, float],
    struck: Sequence[int] = (),
    marked: int | None = None,
    fixed: Sequence[int] = (),
    bars: Sequence[str | None] = (),
    cell: tuple[int, int] = (46, 18),
) -> str:
    """A table of shades; a click has the key "row,column".

    Args:
        rows, columns: names. values: a list for each row. limits: ends of the colour scale.
        struck: numbers of columns whose names are struck out. marked: the row with a frame.
        fixed: numbers of columns that cannot be clicked. bars: colours of bars under the columns' names.
    """
    table = colour_table(SEQUENTIAL).round().astype(int)
    low, high = limits
    left = 12 + round(6.2 * max(map(len, rows), default=1))
    (wide, tall), first = cell, 22
    parts = []
    for place, name in enumerate(columns):
        strike = place in struck
        shown = name if 6.2 * len(name) < wide else name[: max(1, int(wide / 6.2) - 1)] + "…"
        parts.append(_text(left + (place + 0.5) * wide, first - 9, shown, anchor="middle", strike=strike))
    for place, colour in enumerate(bars):
        if colour is not None:
            parts.append(
                f'<rect x="{left + place * wide}" y="{first - 5}" width="{wide - 1}" height="3" fill="{colour}"/>'
            )
    for line, name in enumerate(rows):
        top = first + line * tall
        parts.append(_text(left - 6, top + tall - 5, name, anchor="end", bold=line == marked))
        for place, value in enumerate(values[line]):
            share = (value - low) / (high - low) if high > low else 0.5
            shade = "rgb({},{},{})".format(*table[round(255 * min(max(share, 0), 1))]) if _real(value) else "none"
            key = "" if place in fixed else f' data-key="{line},{place}"'
            title = html.escape(f"{name}, {columns[place]}: {number(value)}")
            parts.append(
                f'<rect{key} x="{left + place * wide}" y="{top}" width="{wide - 1}" height="{tall - 1}" '
                f'fill="{shade}"><title>{title}</title></rect>'
            )
    if marked is not None:
        parts.append(
            f'<rect x="{left - 1}" y="{first + marked * tall - 1}" width="{len(columns) * wide + 1}" '
            f'height="{tall + 1}" fill="none" stroke="{CHOSEN}" stroke-width="1.5"/>'
        )
    return _svg(left + len(columns) * wide + 6, first + len(rows) * tall + 4, "attention", parts)


def movement(
    names: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    *,
    chosen: tuple[int | None, int | None],
    titles: tuple[str, str] = ("before", "after"),
    width: int = 620,
    line: int = 18,
) -> str:
    """Two values for each name as dots on one line: grey before, vermilion after; the best of each is ringed.

    Values of -inf (an empty mask) have no dot. A click has the key of the line's number.
    """
    real = [value for value in (*before, *after) if _real(value)]
    low, high = (min(real), max(real)) if real else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.5
    low, high = low - margin, high + margin
    left, right, first = 20 + round(6.2 * max(map(len, names), default=1)), width - 16, 22

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    parts = []
    for place, (title, colour) in enumerate(zip(titles, (GREY, CHOSEN), strict=True)):
        parts.append(f'<circle cx="{left + 6 + 150 * place}" cy="8" r="4" fill="{colour}"/>')
        parts.append(_text(left + 15 + 150 * place, 12, title))
    for number_of, (name, old, new) in enumerate(zip(names, before, after, strict=True)):
        middle = first + number_of * line + line / 2
        parts.append(_line(left, middle, right, middle, GREY, 0.3))
        parts.append(_text(left - 8, middle + 4, name, anchor="end", bold=number_of in chosen))
        if _real(old) and _real(new):
            parts.append(_line(x(old), middle, x(new), middle, CHOSEN, 1.2))
        for value, colour, best in ((old, GREY, chosen[0]), (new, CHOSEN, chosen[1])):
            if _real(value):
                parts.append(f'<circle cx="{x(value):.1f}" cy="{middle:.1f}" r="4" fill="{colour}"/>')
                if best == number_of:
                    parts.append(
                        f'<circle cx="{x(value):.1f}" cy="{middle:.1f}" r="7" fill="none" stroke="{colour}" '
                        'stroke-width="1.5"/>'
                    )
        title = html.escape(f"{name}: {titles[0]} {number(old)}, {titles[1]} {number(new)}")
        parts.append(
            f'<rect data-key="{number_of}" x="0" y="{middle - line / 2}" width="{width}" height="{line}" '
            f'fill="transparent"><title>{title}</title></rect>'
        )
    end = first + len(names) * line
    parts += [_text(left, end + 14, number(low)), _text(right, end + 14, number(high), anchor="end")]
    return _svg(width, end + 20, f"scores {titles[0]} and {titles[1]}", parts)


def next_step(value: float) -> float:
    """End of an axis of shares: the smallest of 0.1, 0.25, 0.5 and 1 that a value does not exceed."""
    return next((end for end in (0.1, 0.25, 0.5) if value <= end), 1.0)


def _real(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{html.escape(title)}" font-size="11">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, name: str = "") -> str:
    named = f' class="{name}"' if name else ""
    return (
        f'<line{named} x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, strike: bool = False) -> str:
    style = (' font-weight="bold"' if bold else "") + (' text-decoration="line-through"' if strike else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{style}>{html.escape(text)}</text>'
