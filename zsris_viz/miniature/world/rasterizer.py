"""A canvas of 100 x 100 units: filled shapes with a darker outline, drawn large and reduced for smooth edges."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

#: Side in pixels at which a sprite is kept, and how much larger it is drawn.
SPRITE_SIDE = 128
SUPERSAMPLE = 3


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor < 1) or lighter (factor > 1), clipped to 0-255."""
    red, green, blue = (max(0, min(255, round(channel * factor))) for channel in colour)
    return red, green, blue


class Canvas:
    """Draws on a sheet whose corners are (0, 0) and (100, 100), x to the right and y downwards."""

    def __init__(self) -> None:
        self._scale = SPRITE_SIDE * SUPERSAMPLE / 100
        side = SPRITE_SIDE * SUPERSAMPLE
        self._image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: Colour, *, outline: float = 0.7) -> None:
        """Draw a filled polygon; `outline` darkens the edge, 1 leaves it in the fill colour."""
        scaled = self._scaled(points)
        self._draw.polygon(scaled, fill=fill)
        self._draw.line(
            [*scaled, scaled[0], scaled[1]], fill=shade(fill, outline), width=round(1.6 * self._scale), joint="curve"
        )

    def ellipse(self, box: tuple[float, float, float, float], fill: Colour, *, outline: float = 0.7) -> None:
        """Draw a filled ellipse in the box (left, top, right, bottom)."""
        corners = self._scaled([(box[0], box[1]), (box[2], box[3])])
        self._draw.ellipse(
            [*corners[0], *corners[1]], fill=fill, outline=shade(fill, outline), width=round(1.6 * self._scale)
        )

    def rectangle(
        self, box: tuple[float, float, float, float], fill: Colour, *, radius: float = 0.0, outline: float = 0.7
    ) -> None:
        """Draw a filled rectangle, its corners rounded by `radius`."""
        corners = self._scaled([(box[0], box[1]), (box[2], box[3])])
        self._draw.rounded_rectangle(
            [*corners[0], *corners[1]],
            radius * self._scale,
            fill=fill,
            outline=shade(fill, outline),
            width=round(1.6 * self._scale),
        )

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw an open line of the given width with round joints."""
        self._draw.line(self._scaled(points), fill=colour, width=round(width * self._scale), joint="curve")

    def arc(
        self, box: tuple[float, float, float, float], start: float, end: float, colour: Colour, width: float
    ) -> None:
        """Draw part of an ellipse's edge, with angles in degrees clockwise from three o'clock."""
        corners = self._scaled([(box[0], box[1]), (box[2], box[3])])
        self._draw.arc([*corners[0], *corners[1]], start, end, fill=colour, width=round(width * self._scale))

    def pieslice(self, box: tuple[float, float, float, float], start: float, end: float, fill: Colour) -> None:
        """Draw a filled sector of an ellipse, with angles in degrees clockwise from three o'clock."""
        corners = self._scaled([(box[0], box[1]), (box[2], box[3])])
        self._draw.pieslice(
            [*corners[0], *corners[1]], start, end, fill=fill, outline=shade(fill, 0.7), width=round(1.6 * self._scale)
        )

    def sprite(self) -> Image.Image:
        """Return the sheet cut to what was drawn and scaled so that its longest side is the sprite side."""
        box = self._image.getbbox()
        cut = self._image.crop(box) if box else self._image
        factor = SPRITE_SIDE / max(cut.size)
        return cut.resize((max(1, round(cut.width * factor)), max(1, round(cut.height * factor))), Image.Resampling.BOX)
